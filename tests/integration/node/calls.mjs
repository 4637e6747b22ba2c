// Makes the same calls as a program would and prints what came of them as JSON: node calls.mjs BASE_URL KEY
import OpenAI, { toFile } from "openai";
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Say it works, with <angles> & ünïcode 😀" }];
const wav = Buffer.from("RIFF$\0\0\0WAVEfmt ", "latin1");
const digest = (bytes) => createHash("sha256").update(Buffer.from(bytes)).digest("hex");
const all = async (stream) => { const found = []; for await (const item of stream) found.push(item); return found; };

const calls = {
  models: async () => all(await client.models.list()),
  chat: () => client.chat.completions.create({ model: "gpt-4o-mini", messages }),
  chatStreamed: async () => all(await client.chat.completions.create({ model: "gpt-4o-mini", messages, stream: true })),
  responses: () => client.responses.create({ model: "gpt-4o-mini", input: "Say it works" }),
  responsesStreamed: async () => all(client.responses.stream({ model: "gpt-4o-mini", input: "Say it works" })),
  embeddings: () => client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] }),
  files: async () => {
    const content = '{"a": 1}\r\n'.repeat(20_000);
    const made = await client.files.create({ file: await toFile(Buffer.from(content), "ünï.jsonl"), purpose: "batch" });
    const got = await (await client.files.content(made.id)).text();
    return [made, got === content, await all(client.files.list()), await client.files.delete(made.id)];
  },
  images: () => client.images.generate({ model: "gpt-image-1", prompt: "a cat" }),
  imageEdit: async () => client.images.edit({ model: "gpt-image-1", prompt: "a hat", image: await toFile(Buffer.from("\x89PNG"), "a.png", { type: "image/png" }) }),
  transcription: async () => {
    const found = [];
    for (const response_format of ["json", "text", "srt", "verbose_json", "vtt"]) {
      found.push(await client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(wav, "a.wav"), response_format }));
    }
    return found;
  },
  speech: async () => {
    const answer = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "It works" });
    const place = join(await mkdtemp(join(tmpdir(), "kosha-")), "speech.mp3");
    await pipeline(Readable.fromWeb(answer.body), createWriteStream(place));
    return [answer.headers.get("content-type"), digest(await readFile(place))];
  },
  batches: async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from("{}\n"), "b.jsonl"), purpose: "batch" });
    const made = await client.batches.create({ input_file_id: file.id, endpoint: "/v1/embeddings", completion_window: "24h" });
    return [made, await client.batches.retrieve(made.id), await client.batches.cancel(made.id)];
  },
  fineTuning: async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from('{"messages":[]}\n'), "t.jsonl"), purpose: "fine-tune" });
    const made = await client.fineTuning.jobs.create({ model: "gpt-4o-mini", training_file: file.id });
    return [made, await all(client.fineTuning.jobs.listEvents(made.id)), await client.fineTuning.jobs.cancel(made.id)];
  },
  vectorStores: async () => {
    const made = await client.vectorStores.create({ name: "store" });
    return [made, await client.vectorStores.update(made.id, { name: "other" }), await client.vectorStores.delete(made.id)];
  },
  missing: async () => {
    try {
      return await client.files.retrieve("file-missing");
    } catch (error) {
      return [error.constructor.name, error.status, error.error, Boolean(error.requestID)];
    }
  },
};

const found = {};
for (const [name, call] of Object.entries(calls)) found[name] = await call();
process.stdout.write(JSON.stringify(found));
