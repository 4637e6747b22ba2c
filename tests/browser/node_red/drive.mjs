// Uses Node-RED's editor as a person does. In: a JSON file {url, chromium, tarball, gateway, token, prefix, shots}; out: JSON on standard output.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: job.chromium, args: quiet });
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
page.setDefaultTimeout(30_000);
const results = { problems: [], steps: [] };
page.on("pageerror", (error) => results.problems.push(String(error)));
const step = (name) => results.steps.push(name);
const shot = (name) => page.screenshot({ path: `${job.shots}/${name}.png` });

try {
  await page.goto(job.url);
  await page.locator(".red-ui-palette-node").first().waitFor();
  const tour = page.locator(".red-ui-tourGuide-popover .red-ui-popover-close, .red-ui-tourGuide-shade + * button").first();
  if (await tour.isVisible().catch(() => false)) await tour.click();
  await page.keyboard.press("Escape");
  step("open");

  // The palette's upload.
  await page.evaluate(() => RED.actions.invoke("core:manage-palette"));
  await page.locator("#red-ui-settings-tab-palette a[href='#install']").click();
  await page.locator("#red-ui-palette-editor-upload-form input[type=file]").setInputFiles(job.tarball);
  await page.locator("#red-ui-settings-tab-palette button.primary", { hasText: "Upload" }).click();
  await page.waitForFunction((type) => Boolean(RED.nodes.getType(type)), `${job.prefix}-createChatCompletion`, { timeout: 120_000 });
  await page.locator("#node-dialog-ok").click();
  await page.locator("#red-ui-settings-tab-palette").waitFor({ state: "detached" });
  step("install");

  // Drags nodes from the palette.
  const drag = async (type, x, y) => {
    const source = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
    await source.scrollIntoViewIfNeeded();
    await page.waitForTimeout(300); // the palette moves
    const chart = await page.locator("#red-ui-workspace-chart").boundingBox();
    const from = await source.boundingBox();
    await page.mouse.move(from.x + 40, from.y + 10);
    await page.mouse.down();
    await page.mouse.move(from.x + 80, from.y + 20, { steps: 4 });
    await page.mouse.move(chart.x + x, chart.y + y, { steps: 8 });
    await page.mouse.up();
    await page.waitForFunction((kind) => { let found = false; RED.nodes.eachNode((node) => { found ||= node.type === kind; }); return found; }, type);
  };
  await drag("inject", 150, 80);
  await drag(`${job.prefix}-createChatCompletion`, 400, 80);
  await drag(`${job.prefix}-createImage`, 400, 180);
  await drag("debug", 700, 80);
  await drag("catch", 400, 300);
  step("drag");

  // Wires from port to port by the mouse.
  const wire = async (source, target) => {
    const place = (kind, selector) => page.evaluate(([type, part]) => {
      let id = "";
      RED.nodes.eachNode((node) => { if (node.type === type) id = node.id; });
      const box = document.querySelector(`#${CSS.escape(id)} ${part}`).getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    }, [kind, selector]);
    const joined = () => page.evaluate(([one, other]) => {
      let found = false;
      RED.nodes.eachLink((link) => { found ||= link.source.type === one && link.target.type === other; });
      return found;
    }, [source, target]);
    for (let turn = 0; turn < 8 && !(await joined()); turn += 1) { // a busy editor may miss a move of the mouse
      const from = await place(source, ".red-ui-flow-port-output .red-ui-flow-port");
      const to = await place(target, ".red-ui-flow-port-input .red-ui-flow-port");
      await page.mouse.move(from.x, from.y);
      await page.waitForTimeout(100);
      await page.mouse.down();
      await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 5 });
      await page.mouse.move(to.x, to.y, { steps: 5 });
      await page.waitForTimeout(100);
      await page.mouse.up();
      await page.waitForTimeout(200);
      await page.keyboard.press("Escape");
    }
  };
  await wire("inject", `${job.prefix}-createChatCompletion`);
  await wire("inject", `${job.prefix}-createImage`);
  await wire(`${job.prefix}-createChatCompletion`, "debug");
  await wire(`${job.prefix}-createImage`, "debug");
  await wire("catch", "debug");
  results.links = await page.evaluate(() => { let count = 0; RED.nodes.eachLink(() => { count += 1; }); return count; });
  step("wire");

  // The gateway, once, in the chat node's form.
  const open = async (type) => {
    await page.evaluate((kind) => { RED.nodes.eachNode((node) => { if (node.type === kind) RED.editor.edit(node); }); }, type);
    await page.locator("#node-input-name").waitFor();
  };
  const closed = async () => { await page.locator("#node-dialog-ok").click(); await page.locator("#node-dialog-ok").waitFor({ state: "detached" }); };
  await open(`${job.prefix}-createChatCompletion`);
  await page.locator("#node-input-lookup-gateway, #node-input-btn-gateway-add").first().click();
  await page.locator("#node-config-input-url").fill(job.gateway);
  await page.locator("#node-config-input-token").fill(job.token);
  await page.locator("#node-config-dialog-ok").click();
  await page.locator("#node-config-dialog-ok").waitFor({ state: "detached" });
  results.fields = await page.locator("#dialog-form .form-row").count();
  await shot("node-red-form");
  await closed();
  await open(`${job.prefix}-createImage`);
  await page.locator("#node-input-gateway").selectOption({ index: 0 });
  await closed();
  step("form");

  const deploy = async () => {
    await page.locator("#red-ui-header-button-deploy").click();
    await page.waitForFunction(() => !RED.nodes.dirty());
  };
  await page.evaluate(() => RED.actions.invoke("core:show-debug-tab"));
  await deploy();
  step("deploy");
  const inject = async () => {
    await page.evaluate(() => { RED.nodes.eachNode((node) => { if (node.type === "inject") document.querySelector(`#${CSS.escape(node.id)} .red-ui-flow-node-button-button`).dispatchEvent(new MouseEvent("click", { bubbles: true })); }); });
  };
  await inject();
  await page.locator(".red-ui-debug-msg", { hasText: "sandbox" }).first().waitFor();
  await page.locator(".red-ui-debug-msg", { hasText: "buffer" }).first().waitFor();
  await page.locator(".red-ui-flow-node-status-label", { hasText: "tokens" }).first().waitFor();
  results.messages = await page.locator(".red-ui-debug-msg").allInnerTexts();
  await shot("node-red-ran");
  step("run");

  // A failure: messages that are a number. The catch node has the message as it came, with the error.
  await page.evaluate((type) => {
    RED.nodes.eachNode((node) => {
      if (node.type === type) { node.f_messages = "3"; node.f_messages_type = "num"; node.changed = true; node.dirty = true; }
      if (node.type === "debug") { node.complete = "true"; node.targetType = "full"; node.changed = true; node.dirty = true; }
    });
    RED.nodes.dirty(true);
  }, `${job.prefix}-createChatCompletion`);
  await deploy();
  await page.evaluate(() => RED.actions.invoke("core:clear-debug-messages"));
  await inject();
  await page.locator(".red-ui-debug-msg", { hasText: "error" }).first().waitFor();
  results.caught = await page.evaluate(async () => {
    const rows = [...document.querySelectorAll(".red-ui-debug-msg")];
    for (const row of rows) for (const handle of row.querySelectorAll(".red-ui-debug-msg-object-handle")) handle.click();
    await new Promise((done) => setTimeout(done, 500));
    for (const row of rows) for (const handle of row.querySelectorAll(".red-ui-debug-msg-object-entry.collapsed .red-ui-debug-msg-object-handle")) handle.click();
    await new Promise((done) => setTimeout(done, 500));
    return rows.map((row) => row.innerText);
  });
  await shot("node-red-caught");
  results.exported = await page.evaluate(() => JSON.stringify(RED.nodes.createCompleteNodeSet({ credentials: false })));
  step("export");
} catch (error) {
  results.failure = String(error);
  await shot("node-red-failed");
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(results));
