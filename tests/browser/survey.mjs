// Draws every form in Chromium, opens all of it, and looks for fields without a control. In: a JSON file {url, chromium, forms}; out: JSON.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

// In the page: the titles of the fields that are shown and have nothing to fill in, choose, add or open.
const bare = () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const control = "input:not([type=hidden]), select, textarea, button";
  const fields = [...document.querySelectorAll(".rjsf-field")].filter((field) => field.offsetParent !== null);
  const chosen = (field) => field.previousElementSibling?.querySelector("select") || field.closest("details") === null; // the choice is all
  const said = (field) => field.querySelector("label, legend")?.textContent ?? field.className;
  return fields.filter((field) => !field.querySelector(control) && !field.matches(".rjsf-field-null") && !chosen(field)).map(said);
};

const browser = await chromium.launch({ executablePath: job.chromium, args: quiet });
const results = {};
try {
  const page = await browser.newPage({ viewport: { width: 820, height: 900 } });
  page.setDefaultTimeout(60_000);
  let problems = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  for (const form of job.forms) {
    problems = [];
    let fields = 0;
    let without = [];
    try {
      await page.goto(`${job.url}/page.html?form=${encodeURIComponent(form)}`);
      await page.locator("button[type=submit]").waitFor({ timeout: 15_000 });
      without = await page.evaluate(bare);
      fields = await page.locator(".rjsf-field").count();
    } catch (error) {
      problems.push(String(error));
    }
    results[form] = { problems, bare: without, fields };
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(results));
