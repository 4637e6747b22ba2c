// Drives the studio with real mouse, keys, fingers and files. In: a JSON file {chromium, folder, runs: {scenario: url}, ...}; out: JSON on
// standard output, what each scenario saw.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { Controls, formModel } from "./controls.mjs";

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP *.example 127.0.0.1"];
const WIDE = { width: 1440, height: 900 };

class Studio {
  /** A page that is signed in, and what it said and asked for. */
  static async open(browser, url, options = { viewport: WIDE }) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const studio = new Studio(page, context);
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && studio.problems.push(message.text()));
    page.on("response", (response) => response.status() >= 400 && studio.problems.push(`${response.status()} ${response.url()} ${response.request().postData()?.slice(0, 300)}`));
    page.on("pageerror", (error) => studio.problems.push(String(error)));
    page.on("request", (request) => studio.origins.add(new URL(request.url()).protocol === "blob:" ? "blob:" : new URL(request.url()).origin));
    await page.goto(url);
    await page.locator("[data-action]").first().waitFor();
    return studio;
  }
  constructor(page, context) {
    this.page = page;
    this.context = context;
    this.problems = [];
    this.origins = new Set();
  }
  node = (id) => this.page.locator(`.react-flow__node[data-id="${id}"]`);
  field = (pointer) => this.page.locator(`[data-pointer="${pointer}"]`);
  button = (name, options = {}) => this.page.getByRole("button", { name, exact: true, ...options });
  async search(words, action) {
    await this.page.locator("#search").fill(words);
    await this.page.locator(`.palette li:first-child [data-action="${action}"]`).waitFor();
  }
  async ready(name) {
    await this.page.locator(`.panel[data-ready=true][aria-label="Step ${name}"]`).waitFor();
  }
  async drag(from, to, steps = 8) {
    const { mouse } = this.page;
    await mouse.move(from.x, from.y);
    await mouse.down();
    await mouse.move(from.x + 12, from.y + 12, { steps: 3 });
    await mouse.move(to.x, to.y, { steps });
    await mouse.up();
  }
  async middle(locator) {
    const box = await locator.boundingBox();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  }
  async add(words, action, name, place) {
    await this.search(words, action);
    await this.drag(await this.middle(this.page.locator(`[data-action="${action}"]`)), place);
    await this.ready(name);
  }
  async connect(from, to) {
    const handle = (id, name) => this.node(id).locator(`.react-flow__handle[data-handleid=${name}]`);
    await this.drag(await this.middle(handle(from, "next")), await this.middle(handle(to, "in")));
  }
  async map(pointer, label, value) {
    await this.field(pointer).getByRole("button", { name: `${label} from an earlier step` }).last().click();
    await this.page.locator(`[data-pick="${value}"]`).click();
  }
  /** Whether the result has the focus, and whether its top is within the panel that scrolls. */
  async result() {
    return this.page.locator("[aria-label=Result]").evaluate((section) => {
      const [own, side] = [section.getBoundingClientRect(), section.closest(".side").getBoundingClientRect()];
      return { focused: section === document.activeElement, seen: own.top >= side.top - 1 && own.top < side.bottom - 20 };
    });
  }
  /** Whether the middle of a node lies on the canvas, once the page has that many pixels. */
  async sighted(id, width, height) {
    await this.page.setViewportSize({ width, height });
    await this.page.waitForTimeout(300);
    const [{ x, y }, canvas] = [await this.middle(this.node(id)), await this.page.locator("main.canvas").boundingBox()];
    return x >= canvas.x && x <= canvas.x + canvas.width && y >= canvas.y && y <= canvas.y + canvas.height;
  }
  async save() {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.button("Save").click()]);
    const path = `${job.folder}/${Date.now()}-${download.suggestedFilename()}`;
    await download.saveAs(path);
    return path;
  }
  async audit(name) {
    await this.page.evaluate(axe);
    const found = await this.page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
    return found.violations.map((each) => `${name}: ${each.id}: ${each.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`);
  }
  shot = (name) => this.page.screenshot({ path: `${job.folder}/${name}.png` });
}

/** The flow of the documents: a question is answered where the moderation does not flag it, and the answer put in other words by a task. */
async function build(studio) {
  const { page } = studio;
  await studio.add("moderation", "createModeration", "moderation", { x: 620, y: 220 });
  await studio.add("ChatGPT", "createChatCompletion", "chatCompletion", { x: 620, y: 500 });
  const loose = await studio.node("chatCompletion").innerText();
  await studio.connect("moderation", "chatCompletion");
  await studio.field("/messages/0/content").getByRole("button", { name: "Content from an earlier step" }).click();
  await page.getByLabel("Name of a new input").fill("question");
  await studio.button("Use a new input").click();
  await studio.node("moderation").click();
  await studio.ready("moderation");
  await studio.map("/input", "Input", "inputs#/question");
  await page.getByRole("tab", { name: "What comes next" }).click();
  await studio.button("Add a branch").click();
  await studio.add("translate", "translate", "translate", { x: 620, y: 640 });
  await studio.connect("chatCompletion", "translate");
  await studio.map("/text", "Text", "chatCompletion#/choices/0/message/content");
  await studio.field("/language").locator("input").fill("French");
  await page.locator(".react-flow__pane").click({ position: { x: 60, y: 60 } });
  await page.locator("[id='flow/question']").fill("Tell me about the sea");
  for (const value of ["chatCompletion#/choices/0/message/content", "translate#"]) {
    await studio.button("Add output").click();
    await page.locator(`[data-pick="${value}"]`).click();
  }
  return loose;
}

const run = async (studio) => {
  await studio.page.locator(".top").getByRole("button", { name: "Run flow" }).click();
  await studio.page.locator("[aria-label='Result of the flow'][data-state=ok] .answer").first().waitFor();
  const found = await studio.page.locator("[aria-label='Result of the flow'] .answer").evaluateAll((all) => all.map((each) => [each.dataset.output, each.innerText]));
  return Object.fromEntries(found);
};

const SCENARIOS = {
  async flow(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page } = studio;
    const seen = { first: [] };
    for (const words of ["whisper", "ChatGPT", "dall-e", "sumarise"]) {
      await page.locator("#search").fill(words);
      await page.waitForTimeout(400);
      seen.first.push(await page.locator(".palette [data-action]").first().getAttribute("data-action"));
    }
    seen.loose = await build(studio);
    await page.waitForTimeout(700);
    seen.faults = await page.locator(".faults li").allInnerTexts();
    seen.answer = await run(studio);
    await studio.shot("flow");
    await studio.node("chatCompletion").click();
    seen.pieces = Number(await page.locator("[aria-label=Result] .answer").getAttribute("data-pieces"));
    await page.getByLabel("Name of the step").fill("answer");
    await page.getByLabel("Name of the step").press("Enter");
    await studio.ready("answer");
    await page.getByLabel("Name of the step").fill("reply");
    await page.getByLabel("Name of the step").press("Enter");
    await studio.ready("reply");
    await studio.button("Undo").click();
    await studio.node("answer").waitFor();
    await page.waitForTimeout(600);
    seen.violations = await studio.audit("flow");
    seen.hidden = await page.evaluate(async () => ({
      cookie: document.cookie, url: location.href, storage: JSON.stringify({ ...localStorage, ...sessionStorage }), html: document.documentElement.outerHTML,
    }));
    await page.reload();
    await studio.node("answer").waitFor();
    seen.again = await run(studio);
    seen.file = await studio.save();
    seen.problems = studio.problems;
    seen.origins = [...studio.origins];
    await studio.context.close();
    return seen;
  },

  async media(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page } = studio;
    const seen = {};
    await studio.button("Connection").click();
    await page.locator("dialog.connection input[type=password]").first().fill("a-wrong-key");
    await studio.button("Test").click();
    await page.locator("[data-told=false]").waitFor();
    seen.advice = await page.locator("[data-told]").innerText();
    seen.violations = await studio.audit("connection");
    await studio.shot("connection");
    await studio.button("Close").click();
    await studio.add("create image", "createImage", "image", { x: 620, y: 200 });
    await studio.field("/prompt").locator("textarea").fill("A lighthouse");
    await studio.button("Run step").click();
    await page.locator("figure img").waitFor();
    seen.image = await page.locator("figure img").evaluate((image) => image.decode().then(() => [image.naturalWidth, image.naturalHeight]));
    await studio.add("create speech", "createSpeech", "speech", { x: 620, y: 400 });
    await studio.field("/input").locator("textarea").fill("Good morning");
    await studio.button("Run step").click();
    await page.locator("figure audio").waitFor();
    seen.audio = await page.locator("figure audio").evaluate(async (audio) => {
      audio.muted = true;
      await audio.play();
      for (let count = 0; count < 100 && audio.currentTime === 0; count++) await new Promise((done) => setTimeout(done, 50));
      return audio.currentTime;
    });
    await studio.add("whisper", "createTranscription", "transcription", { x: 620, y: 600 });
    const at = await studio.middle(studio.field("/file").locator(".drop"));
    const client = await studio.context.newCDPSession(page);
    const data = { items: [], files: [job.sound], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, ...at, data });
    await page.getByText("talk.wav").waitFor();
    await studio.button("Run step").click();
    await page.locator("[aria-label=Result] .answer").waitFor();
    seen.transcript = await page.locator("[aria-label=Result] .answer").innerText();
    seen.violations.push(...(await studio.audit("media")));
    await studio.button("History").click();
    await page.locator("dialog.history tbody tr").first().waitFor();
    seen.history = await page.locator("dialog.history tbody tr").allInnerTexts();
    seen.violations.push(...(await studio.audit("history")));
    seen.problems = studio.problems.filter((each) => !each.includes("status of 400") && !each.includes("/specification/test")); // the wrong key
    seen.origins = [...studio.origins];
    await studio.context.close();
    return seen;
  },

  /** What a browser holds of a key that was typed, of the token behind the session, and what pages of other origins and names get. */
  async foreign(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page, context } = studio;
    const { origin, port } = new URL(url);
    const seen = { held: [], cookies: await context.cookies(), got: {}, statuses: [] };
    const hold = async () => seen.held.push(await page.evaluate(async () => {
      const kept = await Promise.all((await indexedDB.databases()).map(({ name }) => new Promise((done) => {
        indexedDB.open(name).onsuccess = ({ target: { result: opened } }) => {
          const found = {};
          const work = opened.transaction([...opened.objectStoreNames]);
          for (const store of opened.objectStoreNames) work.objectStore(store).getAll().onsuccess = ({ target }) => (found[store] = target.result);
          work.oncomplete = () => (opened.close(), done(found));
        };
      })));
      return JSON.stringify({ kept, url: location.href, cookie: document.cookie, storage: { ...localStorage, ...sessionStorage } }) + document.documentElement.outerHTML;
    }));
    page.on("response", async (response) => seen.held.push(response.url() + JSON.stringify(await response.allHeaders()) + await response.text().catch(() => "")));
    await studio.button("Connection").click();
    await page.locator("dialog.connection input[type=password]").first().fill(job.key);
    await hold();
    await studio.button("Test").click();
    await page.locator("[data-told=false]").waitFor();
    await hold();
    await studio.button("Close").click();
    await page.waitForTimeout(600); // the draft is kept
    await hold();
    const other = await context.newPage();
    other.on("response", (response) => response.url().includes(`:${port}/`) && seen.statuses.push([response.request().method(), new URL(response.url()).pathname, response.status()]));
    for (const from of [job.elsewhere, job.elsewhere.replace("127.0.0.1", "evil.example")]) {
      await other.goto(from);
      seen.got[from] = await other.evaluate(async (target) => {
        const asked = (path, init) => fetch(target + path, { credentials: "include", ...init }).then(async (answer) => answer.type + (await answer.text()), () => "");
        const loaded = (name, more) => new Promise((done) => {
          const element = document.body.appendChild(Object.assign(document.createElement(name), more));
          element.onload = () => done(element);
          element.onerror = () => done(null);
          setTimeout(() => done(element), 3000);
        });
        const text = { method: "POST", mode: "no-cors", headers: { "content-type": "text/plain" }, body: '{"what": "a", "outcome": "ok"}' };
        const found = {
          read: await asked("/kosha/v1/actions"), typed: await asked("/kosha/v1/studio/runs", { method: "POST", headers: { "content-type": "application/json" }, body: text.body }),
          blind: await asked("/kosha/v1/studio", { mode: "no-cors" }), sent: await asked("/kosha/v1/studio/runs", text), ended: await asked("/kosha/v1/session", { method: "DELETE" }),
          script: (await loaded("script", { src: `${target}/studio` })) ? "ran" : "",
        };
        const frame = await loaded("iframe", { src: `${target}/studio`, name: "frame" });
        found.frame = frame.contentDocument ? "readable" : "";
        const form = document.body.appendChild(Object.assign(document.createElement("form"), { method: "POST", action: `${target}/sign-in`, target: "frame" }));
        form.append(Object.assign(document.createElement("input"), { name: "token", value: "x" }));
        form.submit();
        await new Promise((done) => setTimeout(done, 800));
        return found;
      }, origin);
      seen.framed = (seen.framed ?? []).concat(await Promise.all(other.frames().slice(1).map((frame) => frame.locator("#search, #token").count().catch(() => 0))));
    }
    const rebound = await other.goto(`http://evil.example:${port}/studio`);
    seen.rebound = [rebound.status(), await other.locator("script").count()];
    await page.reload();
    await page.locator("[data-action]").first().waitFor(); // still signed in
    await studio.button("History").click();
    await page.getByText("Nothing was run yet.").waitFor();
    await context.close();
    return seen;
  },

  async keys(browser, url) {
    const studio = await Studio.open(browser, url, { viewport: WIDE, colorScheme: "dark" });
    const { page } = studio;
    const { keyboard } = page;
    const seen = {};
    const reach = async (locator, most = 80) => {
      for (let count = 0; count < most; count++) {
        if (await locator.evaluate((each) => each === document.activeElement).catch(() => false)) return true;
        await keyboard.press("Tab");
      }
      throw new Error(`not reached: ${locator}`);
    };
    for (const [words, action, name] of [["moderation", "createModeration", "moderation"], ["ChatGPT", "createChatCompletion", "chatCompletion"]]) {
      await page.locator("body").press("/");
      await page.waitForTimeout(200);
      await keyboard.press("Control+a");
      await keyboard.type(words);
      await page.locator(`.palette li:first-child [data-action="${action}"]`).waitFor();
      await keyboard.press("ArrowDown");
      await keyboard.press("Enter");
      await studio.ready(name);
      await page.waitForTimeout(200);
    }
    await reach(studio.field("/messages/0/content").locator("textarea"));
    await keyboard.type("Tell me about the sea");
    await studio.node("moderation").focus(); // where a person presses Shift+Tab
    await keyboard.press("Enter");
    await studio.ready("moderation");
    await reach(studio.field("/input").locator("textarea"));
    await keyboard.type("Tell me about the sea");
    await page.getByRole("tab", { name: "Inputs" }).focus();
    await keyboard.press("ArrowRight");
    await reach(studio.button("Add a branch"));
    await keyboard.press("Enter");
    await page.getByLabel("Branch 1: condition").waitFor();
    seen.condition = await page.getByLabel("Branch 1: condition").inputValue();
    seen.next = await page.getByLabel("Then", { exact: true }).inputValue();
    await page.locator(".top").getByRole("button", { name: "Run flow" }).focus();
    await keyboard.press("Enter");
    await page.locator("[aria-label='Result of the flow'][data-state=ok]").waitFor();
    await studio.node("chatCompletion").focus();
    await keyboard.press("Enter");
    await page.locator("[aria-label=Result] .answer").waitFor();
    seen.answer = await page.locator("[aria-label=Result] .answer").innerText();
    await studio.button("Run step").focus();
    await keyboard.press("Enter");
    await page.locator("[aria-label=Result] .facts").waitFor();
    seen.shown = await studio.result();
    seen.sighted = [await studio.sighted("chatCompletion", 360, 740), await studio.sighted("chatCompletion", 740, 360), await studio.sighted("chatCompletion", WIDE.width, WIDE.height)];
    seen.violations = await studio.audit("dark");
    await studio.shot("dark");
    await studio.node("chatCompletion").focus();
    await keyboard.press("Delete");
    await studio.node("chatCompletion").waitFor({ state: "detached" });
    await keyboard.press("Control+z");
    await studio.node("chatCompletion").waitFor();
    seen.problems = studio.problems;
    await studio.context.close();
    return seen;
  },

  async touch(browser, url) {
    const studio = await Studio.open(browser, url, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
    const { page } = studio;
    const client = await studio.context.newCDPSession(page);
    const seen = {};
    const finger = async (from, to) => {
      const point = (x, y) => [{ x, y, id: 1, radiusX: 4, radiusY: 4, force: 1 }];
      await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: point(from.x, from.y) });
      for (let step = 1; step <= 10; step++) {
        await client.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: point(from.x + ((to.x - from.x) * step) / 10, from.y + ((to.y - from.y) * step) / 10) });
      }
      await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    };
    await page.locator("#search").tap();
    await page.locator("#search").fill("ChatGPT");
    await page.locator('.palette li:first-child [data-action="createChatCompletion"]').waitFor();
    const canvas = await page.locator("main.canvas").boundingBox();
    await finger(await studio.middle(page.locator('[data-action="createChatCompletion"] .grip')), { x: canvas.x + 180, y: canvas.y + 90 });
    await studio.ready("chatCompletion");
    await page.locator("[data-faults]").waitFor();
    const content = studio.field("/messages/0/content").locator("textarea");
    for (let count = 0; count < 5 && !(await content.evaluate((each) => each === document.activeElement)); count++) {
      await page.waitForTimeout(700); // a tap right after a drag is taken for a second one
      await content.tap();
    }
    await page.keyboard.type("Tell me about the sea");
    seen.typed = await studio.field("/messages/0/content").locator("textarea").inputValue();
    if (!seen.typed) throw new Error(`typed into ${await page.evaluate(() => document.activeElement.outerHTML.slice(0, 200))}`);
    await studio.button("Run step").tap();
    await page.locator("[aria-label=Result] .answer").waitFor();
    seen.answer = await page.locator("[aria-label=Result] .answer").innerText();
    await page.locator("[aria-label=Result] .facts").waitFor();
    seen.shown = await studio.result();
    seen.wide = await page.evaluate(() => document.documentElement.scrollWidth);
    seen.violations = await studio.audit("touch");
    await studio.shot("touch");
    const { origin } = new URL(url);
    seen.docs = [];
    for (const place of ["/docs", "/docs?search=chat", "/docs?action=createChatCompletion", "/docs?action=createTranscription"]) {
      await page.goto(origin + place);
      seen.docs.push([await page.locator("h1").innerText(), await page.evaluate(() => document.documentElement.scrollWidth)]);
      seen.violations.push(...(await studio.audit(place)));
    }
    await studio.shot("docs");
    seen.problems = studio.problems;
    await studio.context.close();
    return seen;
  },

  async forms(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page } = studio;
    const seen = { problems: {}, undrawn: {}, slow: [], count: 0 };
    const ids = await page.locator(".palette [data-action]").evaluateAll((all) => all.map((each) => each.dataset.action));
    for (const id of [...new Set(ids)]) {
      const before = studio.problems.length;
      await page.locator(`[data-action="${id}"]`).first().evaluate((each) => each.scrollIntoView());
      await page.locator(`[data-action="${id}"]`).first().focus();
      await page.keyboard.press("Enter");
      await page.locator(".panel[data-ready=true]").waitFor();
      const closed = page.locator(".panel details.group:not([open]) > summary");
      while (await closed.count()) await closed.first().click();
      const empty = await page.locator(".panel .field").evaluateAll((all) => all.filter((each) => !each.querySelector("input, select, textarea, output, .drop, .list button, .object button")).map((each) => each.dataset.pointer));
      if (empty.length) seen.undrawn[id] = empty;
      seen.count += 1;
      await studio.button("Delete step").click();
      if (studio.problems.length > before) seen.problems[id] = studio.problems.slice(before);
    }
    await studio.context.close();
    return seen;
  },

  /** Every form, filled in with what `job.samples` has for it: the inputs that the page then sends to be checked, and what is wrong with them. */
  async fill(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page } = studio;
    page.setDefaultTimeout(4_000);
    const model = await formModel(job.folder);
    const seen = { inputs: {}, faults: {}, stuck: {}, problems: {} };
    let sent;
    page.on("request", (request) => request.url().endsWith("/validate") && (sent = request.postDataJSON()));
    for (const [id, { form, inputs }] of Object.entries(job.samples)) {
      const before = studio.problems.length;
      sent = null;
      try {
        await page.locator(`[data-action="${id}"]`).focus({ timeout: 1_000 });
        await page.keyboard.press("Enter");
        await page.locator(".panel[data-ready=true]").waitFor();
        if (Object.keys(inputs).length) await new Controls(page, form, model).fill(inputs);
        await page.waitForTimeout(170); // after which the page asks for the check
        await page.locator('[data-faults="0"]').waitFor({ timeout: 1_500 }).catch(() => {});
        seen.faults[id] = await page.locator(".panel .fault, .panel .faults li").allInnerTexts();
        seen.inputs[id] = sent?.inputs;
      } catch (error) {
        seen.stuck[id] = String(error).slice(0, 900);
        await studio.shot(`stuck-${id}`);
      }
      await studio.button("Delete step").click().catch(() => {});
      if (studio.problems.length > before) seen.problems[id] = studio.problems.slice(before);
    }
    await studio.context.close();
    return seen;
  },

  /** Milliseconds: until all actions can be searched, until each form is there, and the long tasks of a large flow with a large result. */
  async speed(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page } = studio;
    page.setDefaultTimeout(60_000);
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll("[data-action]").length > 200, null, { polling: "raf" });
    const seen = { ready: await page.evaluate(() => performance.now()), forms: {}, long: {} };
    for (const id of job.forms) {
      await page.locator(`[data-action="${id}"]`).focus();
      await page.waitForTimeout(60);
      await page.evaluate(() => void (window.drawn = new Promise((done) => {
        let begun;
        const look = () => (document.querySelector(".panel[data-ready=true] .form") ? done(performance.now() - begun) : requestAnimationFrame(look));
        addEventListener("keydown", (event) => ((begun = event.timeStamp), look()), { once: true, capture: true });
      })));
      await page.keyboard.press("Enter");
      seen.forms[id] = await page.evaluate(() => window.drawn);
      await studio.button("Delete step").click();
    }
    await page.evaluate(() => {
      window.long = [];
      new PerformanceObserver((list) => window.long.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
    });
    const longest = async (name) => {
      await page.waitForTimeout(600);
      seen.long[name] = Math.max(0, ...(await page.evaluate(() => window.long.splice(0))));
    };
    await page.locator("input[aria-label='Arazzo document']").setInputFiles(job.large);
    await page.getByText("large.json is open.").waitFor();
    await longest("open");
    const press = (where) => page.locator(where).first().click(); // a search by role looks at every element, in the page's own time
    await press(".bar button:nth-of-type(3)");
    await longest("tidy up");
    await studio.node("large").click();
    await studio.ready("large");
    await longest("select");
    await press(".panel .actions .primary");
    await page.waitForFunction(() => document.querySelector("[aria-label=Result] .facts div"), null, { polling: 100 });
    await longest("run");
    await press(".result > details > summary");
    await longest("values");
    await studio.node("after").click();
    await studio.ready("after");
    await press("[data-pointer='/input'] > .tools [aria-label^=Map]");
    await page.locator("[data-pick^='large#']").first().waitFor();
    await longest("map");
    await page.locator("[aria-label='Search values']").pressSequentially("index", { delay: 40 });
    await longest("search values");
    await page.locator("[data-pick='large#/data/0/index']").click();
    await longest("pick");
    await page.mouse.move(600, 400);
    await page.mouse.wheel(0, 400);
    await longest("zoom");
    await studio.context.close();
    return seen;
  },

  async rows(browser, url) {
    const studio = await Studio.open(browser, url);
    const { page } = studio;
    const seen = { violations: [] };
    const dialog = page.locator("dialog.rows");
    const state = (name) => dialog.locator(`[data-state=${name}]`).waitFor({ timeout: 120_000 });
    const dropOn = async (locator, file) => {
      const at = await studio.middle(locator);
      const client = await studio.context.newCDPSession(page);
      const data = { items: [], files: [file], dragOperationsMask: 1 };
      for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, ...at, data });
    };
    // A table on an action of the palette: its step is there, and its columns have found their fields.
    await studio.search("ChatGPT", "createChatCompletion");
    await dropOn(page.locator('[data-action="createChatCompletion"]'), job.tables.many);
    await dialog.locator("[data-valid=true]").waitFor();
    seen.mapped = await dialog.locator("[data-column=Question]").inputValue();
    seen.first = await dialog.locator("tbody tr").last().innerText();
    seen.checked = await dialog.locator("[aria-label=Check] [role=status]").innerText();
    seen.violations.push(...(await studio.audit("columns")));
    await studio.shot("rows-columns");
    await dialog.locator("[data-column=Question]").selectOption("");
    seen.missing = await dialog.locator(".warning").allInnerTexts();
    seen.cannot = await studio.button("Run 1500 rows").isDisabled();
    await dialog.locator("[data-column=Question]").selectOption("messages.0.content");
    await dialog.locator("[data-valid=true]").waitFor();
    // Run, stopped, gone on with after a reload.
    await studio.button("Run 1500 rows").click();
    await state("running");
    await page.waitForFunction(() => document.querySelector("dialog.rows progress").value > 20);
    await studio.shot("rows-running");
    await studio.button("Cancel the run").click();
    await state("stopped");
    seen.stopped = await dialog.locator("[role=status]").innerText();
    await page.reload();
    await page.locator("[data-action]").first().waitFor();
    await studio.button("Rows").click();
    seen.listed = await dialog.locator("[data-run]").innerText();
    await dialog.getByRole("button", { name: "Open many.csv" }).click();
    await state("stopped");
    await studio.button("Go on").click();
    await state("running");
    await page.reload(); // it goes on without anybody who looks
    await page.locator("[data-action]").first().waitFor();
    await studio.button("Rows").click();
    await dialog.getByRole("button", { name: "Open many.csv" }).click();
    await state("ended");
    seen.ended = await dialog.locator("[aria-label=Run] [aria-live]").innerText();
    const [download] = await Promise.all([page.waitForEvent("download"), dialog.getByRole("link", { name: "Download output.csv" }).click()]);
    seen.output = `${job.folder}/${download.suggestedFilename()}`;
    await download.saveAs(seen.output);
    seen.violations.push(...(await studio.audit("ended")));
    await studio.shot("rows-ended");
    await studio.button("Remove").click();
    await studio.button("Yes, delete rows and answers").click();
    await dialog.getByText("No rows were run yet").waitFor();
    await studio.button("Close").click();
    // The same by keys, with a file that is chosen; then on a step of the drawing, with rows that are wrong.
    await studio.node("chatCompletion").click();
    await studio.ready("chatCompletion");
    await studio.button("Run over rows").focus();
    await page.keyboard.press("Enter");
    await dialog.locator("#rows-file").setInputFiles(job.tables.few);
    await dialog.locator("[data-valid=true]").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await dropOn(studio.node("chatCompletion"), job.tables.wrong);
    await dialog.locator("[data-valid=false] .fault").first().waitFor();
    seen.lines = await dialog.locator(".faults .fault strong").allInnerTexts();
    seen.violations.push(...(await studio.audit("faults")));
    await studio.shot("rows-faults");
    // Rows that were sent and not started are there after a reload, as they were set up.
    await page.reload();
    await page.locator("[data-action]").first().waitFor();
    await studio.button("Rows").click();
    await dialog.getByRole("button", { name: "Open few.csv" }).click();
    await dialog.locator("[data-valid=true]").waitFor();
    seen.kept = await dialog.locator("[data-column=text]").inputValue();
    await page.setViewportSize({ width: 360, height: 740 });
    seen.wide = await page.evaluate(() => document.documentElement.scrollWidth);
    seen.violations.push(...(await studio.audit("small")));
    await studio.shot("rows-small");
    seen.problems = studio.problems;
    seen.origins = [...studio.origins];
    await studio.context.close();
    return seen;
  },

  async documents(browser, url) {
    const studio = await Studio.open(browser, url);
    const seen = {};
    for (const path of job.documents) {
      await studio.page.locator("input[aria-label='Arazzo document']").setInputFiles(path);
      await studio.page.getByText(`${path.split("/").pop()} is open.`).waitFor();
      seen[path] = await studio.save();
    }
    seen.problems = studio.problems;
    await studio.context.close();
    return seen;
  },
};

const browser = await chromium.launch({ executablePath: job.chromium, args: quiet });
const results = {};
for (const [name, url] of Object.entries(job.runs)) {
  try {
    results[name] = await SCENARIOS[name](browser, url);
  } catch (error) {
    results[name] = { failed: String(error), said: [] };
    for (const context of browser.contexts()) {
      for (const page of context.pages()) { results[name].said.push(await page.locator(".failure, .fault").allInnerTexts().catch(String)); await page.screenshot({ path: `${job.folder}/${name}-failed.png` }).catch(() => {}); }
      await context.close();
    }
  }
}
await browser.close();
console.log(JSON.stringify(results));
