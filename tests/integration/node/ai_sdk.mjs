// Calls of Vercel's AI SDK through a gateway, over responses and over chat; prints a JSON object: call -> what came of it, "!" before an error.
import { createOpenAI } from "@ai-sdk/openai";
import * as ai from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
const found = {};
const call = async (name, run) => {
  try {
    found[name] = JSON.stringify(await run()) ?? "";
  } catch (error) {
    found[name] = `!${error} ${error.responseBody ?? ""}`;
  }
};
const maxRetries = 0;
const prompt = "hi";
const pixel = new Uint8Array(Buffer.from("iVBORw0KGgo=", "base64"));
const pdf = new Uint8Array(Buffer.from("%PDF-"));
for (const [kind, model] of [["responses", openai("gpt-5.4")], ["chat", openai.chat("gpt-4o-mini")]]) {
  await call(`${kind}: text`, async () => (await ai.generateText({ model, prompt, maxRetries })).text);
  await call(`${kind}: stream`, async () => {
    let text = "";
    for await (const piece of ai.streamText({ model, prompt, maxRetries }).textStream) text += piece;
    return text;
  });
  const schema = z.object({ name: z.string(), sizes: z.array(z.number()) });
  await call(`${kind}: object`, async () => (await ai.generateText({ model, prompt, maxRetries, output: ai.Output.object({ schema }) })).output);
  const add = ai.tool({ description: "Adds.", inputSchema: z.object({ a: z.number(), b: z.number() }) });
  await call(`${kind}: tools`, async () => (await ai.generateText({ model, prompt, maxRetries, toolChoice: "required", tools: { add } })).toolCalls);
  const content = [
    { type: "text", text: "?" },
    { type: "image", image: pixel, mediaType: "image/png" },
    { type: "file", data: pdf, mediaType: "application/pdf", filename: "a.pdf" },
  ];
  await call(`${kind}: parts`, async () => (await ai.generateText({ model, maxRetries, messages: [{ role: "user", content }] })).text);
}
const search = { web_search: openai.tools.webSearch({}) };
await call("responses: web search", async () => (await ai.generateText({ model: openai("gpt-5.4"), prompt, maxRetries, tools: search })).text);
const embedding = openai.embedding("text-embedding-3-small");
await call("embeddings", async () => (await ai.embedMany({ model: embedding, values: ["a", "b"], maxRetries })).embeddings.length);
await call("image", async () => (await ai.generateImage({ model: openai.image("gpt-image-1"), prompt, maxRetries })).images.length);
const speak = ai.generateSpeech ?? ai.experimental_generateSpeech;
await call("speech", async () => (await speak({ model: openai.speech("tts-1"), text: prompt, maxRetries })).audio.uint8Array.length);
const hear = ai.transcribe ?? ai.experimental_transcribe;
await call("transcription", async () => (await hear({ model: openai.transcription("whisper-1"), audio: new Uint8Array(1000), maxRetries })).text);
console.log(JSON.stringify(found));
