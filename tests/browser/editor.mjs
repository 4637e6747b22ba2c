// Drives examples/editor in Chromium. In: a JSON file {chromium, url, folder}; out: JSON on standard output.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: job.chromium, args: quiet });
const problems = [];
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(job.url);
  await page.getByRole("button", { name: "Create embedding" }).click();
  await page.locator(".react-flow__node").first().waitFor();
  await page.getByRole("button", { name: "Create chat completion", exact: true }).click();
  await page.locator(".react-flow__node").nth(1).waitFor();
  await page.locator("#root_model").fill("gpt-4o-mini");
  await page.locator("textarea[id^=root_messages_0_content]").first().fill("Say this is a test");
  await page.locator("button[type=submit]").click();
  await page.locator("pre", { hasText: "." }).waitFor();
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${job.folder}/editor.png` });
  console.log(JSON.stringify({ text: await page.locator("pre").innerText(), edges: await page.locator(".react-flow__edge").count(), problems }));
} catch (error) {
  const page = browser.contexts()[0]?.pages()[0];
  await page?.screenshot({ path: `${job.folder}/editor-failed.png` });
  console.log(JSON.stringify({ failed: String(error), said: await page?.locator("pre, .text-danger, .error-detail").allInnerTexts(), problems }));
} finally {
  await browser.close();
}
