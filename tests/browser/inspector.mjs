// The protocol's own inspector, as a person uses it: connect, choose a tool, fill in its form, run it. Prints what it showed.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const browser = await chromium.launch({
  executablePath: job.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
});
const seen = { portability: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 820 }, colorScheme: "light" });
  await page.goto(job.url);
  await page.getByRole("switch").first().click({ force: true });
  await page.getByText("Tools", { exact: true }).first().click({ timeout: 30_000 });
  await page.getByText("Create image", { exact: true }).first().waitFor({ timeout: 30_000 });
  for (const mark of await page.locator("[aria-label^='Schema portability']").all()) {
    seen.portability.push(await mark.evaluate((each) => each.closest("button")?.innerText));
  }
  await page.getByText("Create image", { exact: true }).first().click();
  const prompt = page.getByRole("textbox", { name: /prompt/ }).first();
  await prompt.fill("A lighthouse at dusk");
  await page.getByRole("button", { name: "Execute Tool" }).click();
  const picture = page.locator("img[src^='data:image']").first();
  await picture.waitFor({ timeout: 30_000 });
  seen.picture = await picture.evaluate((each) => [each.naturalWidth, each.naturalHeight]);
  seen.failed = await page.getByText("ERROR", { exact: true }).count();
  await page.mouse.move(5, 5);
  await page.screenshot({ path: `${job.folder}/inspector.png` });
} catch (error) {
  seen.failure = String(error);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
