// Draws forms in Chromium and fills some in. In: a JSON file {url, chromium, shots, tasks: [{form, steps, shot}]}; out: JSON on standard output.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const DEEDS = {
  fill: (page, where, value) => page.locator(where).fill(value),
  select: (page, where, label) => page.locator(where).selectOption({ label }),
  click: (page, where) => page.locator(where).click(),
  open: (page, group) => page.locator(`details[data-group=${group}] > summary`).click(),
  file: (page, where, file) => page.locator(where).setInputFiles({ ...file, buffer: Buffer.from(file.text) }),
};

const browser = await chromium.launch({ executablePath: job.chromium, args: quiet });
const results = {};
try {
  for (const { name, form, steps, shot } of job.tasks) {
    const page = await browser.newPage({ viewport: { width: 820, height: 900 } });
    page.setDefaultTimeout(120_000);
    const problems = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    const result = (results[name] = { problems });
    try {
      await page.goto(`${job.url}/page.html?form=${encodeURIComponent(form)}`);
      await page.locator("button[type=submit]").waitFor();
      result.fields = await page.locator("details .control-label, details legend, details label").count();
      for (const [deed, ...how] of steps) await DEEDS[deed](page, ...how);
      if (shot) await page.locator("body").screenshot({ path: `${job.shots}/${name}.png` });
      if (steps.length > 0) {
        await page.locator("button[type=submit]").press("Enter"); // a picture of the page moves it below the mouse
        await page.waitForFunction(() => window.submitted || window.refused);
        result.submitted = await page.evaluate(() => window.submitted ?? null);
        await page.waitForTimeout(50);
        result.shown = await page.locator(".error-detail li, .field-error li, .text-danger").count();
        result.refused = await page.evaluate(() => window.refused ?? null);
      }
    } catch (error) {
      problems.push(String(error));
      await page.screenshot({ path: `${job.shots}/${name}-failed.png`, fullPage: true });
    }
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(results));
