// Fills in a form of the studio through its controls, as a person would: what a value is typed, chosen or dropped into is found by the
// form model that the page itself was given.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** What the page knows of forms: `resolved` and `variantOf` of studio/src/model/form.ts. */
export async function formModel(folder) {
  const outfile = `${folder}/form-model.mjs`;
  await build({ entryPoints: [fileURLToPath(new URL("../../studio/src/model/form.ts", import.meta.url))], bundle: true, format: "esm", outfile, logLevel: "error" });
  return import(outfile);
}

const escaped = (name) => String(name).replaceAll("~", "~0").replaceAll("/", "~1");

export class Controls {
  constructor(page, form, model) {
    this.page = page;
    this.form = form;
    this.model = model;
  }
  /** Opens all groups, then gives each input its value. */
  async fill(inputs) {
    const closed = this.page.locator(".panel details.group:not([open]) > summary");
    while (await closed.count()) await closed.first().click({ timeout: 500 }).catch(() => {}); // one with a fault opens by itself
    const first = await this.page.locator(".form [data-pointer] [id*='/']").first().getAttribute("id", { timeout: 5_000 });
    this.prefix = first.slice(0, first.indexOf("/"));
    await this.fields(this.form.fields, "", inputs);
  }
  async constant(pointer) {
    const box = this.control(pointer);
    await box.waitFor();
    if ((await box.getAttribute("type")) === "checkbox") await box.check();
  }
  /** A value as JSON: a list or a map without an entry is nothing that one adds. */
  async raw(pointer, value) {
    await this.field(pointer).getByRole("button", { name: "as JSON" }).first().click();
    await this.control(pointer).fill(JSON.stringify(value));
  }
  control = (pointer, more = "") => this.page.locator(`[id="${this.prefix}${pointer}${more}"]`);
  field = (pointer) => this.page.locator(`[data-pointer="${pointer}"]`);

  /** The fields of an object, in the order in which they stand on the page. */
  async fields(fields, pointer, value) {
    for (const name of Object.keys(value).filter((each) => !fields.some((field) => field.name === each))) throw new Error(`${pointer}/${name} is no field`);
    for (const field of fields.filter((each) => Object.hasOwn(value, each.name) && each.visibility !== "internal")) {
      const place = `${pointer}/${escaped(field.name)}`;
      const more = this.page.locator(`[data-object="${pointer}"] > button[aria-expanded=false]`);
      await this.field(place).or(more).first().waitFor();
      if (!(await this.field(place).count())) await more.click();
      await this.value(field, place, value[field.name]);
    }
  }
  async value(shape, pointer, value) {
    const whole = this.model.resolved(shape, this.form.$defs);
    if (whole.constant !== undefined) return this.constant(pointer);
    if (typeof value === "object" && Object.keys(value).length === 0 && (await this.field(pointer).count())) return this.raw(pointer, value);
    const fill = WIDGETS[whole.widget] ?? WIDGETS.text;
    await fill.call(this, whole, pointer, value);
  }
}

const WIDGETS = {
  async text(shape, pointer, value) {
    await this.control(pointer).fill(String(value));
  },
  async number(shape, pointer, value) {
    await this.control(pointer).fill(String(value));
  },
  async slider(shape, pointer, value) {
    await this.control(pointer).fill(String(value));
  },
  async json(shape, pointer, value) {
    await this.control(pointer).fill(JSON.stringify(value));
  },
  async select(shape, pointer, value) {
    if ((await this.control(pointer).evaluate((each) => each.tagName)) !== "SELECT") await this.control(pointer).fill(String(value));
    else await this.control(pointer).selectOption(String(shape.enum.findIndex((option) => option.value === value)));
  },
  async switch(shape, pointer, value) {
    await this.page.locator(`input[name="${this.prefix}${pointer}"]`).locator(`xpath=ancestor::label[contains(., "${value ? "On" : "Off"}") and not(contains(., "provider"))]`).click();
  },
  async "multi-select"(shape, pointer, value) {
    for (const each of value) {
      const place = shape.enum.findIndex((option) => option.value === each);
      await this.control(pointer, place ? `-${place}` : "").check();
    }
  },
  async date(shape, pointer, value) {
    const time = typeof value === "number" ? new Date(value * 1000).toISOString().slice(0, 19) : shape.date === "date" ? value : value.slice(0, 19);
    await this.control(pointer).fill(time);
  },
  async file(shape, pointer, value) {
    const files = [value].flat().map((each) => {
      const [, type, name, base64] = /^data:([^;,]*);name=([^;,]*);base64,(.*)$/.exec(each);
      return { name: decodeURIComponent(name), mimeType: type, buffer: Buffer.from(base64, "base64") };
    });
    await this.control(pointer).setInputFiles(files);
  },
  async list(shape, pointer, value) {
    for (const [index, each] of value.entries()) {
      const add = this.control(pointer);
      if ((await this.page.locator(`[data-entry="${pointer}/${index}"]`).count()) === 0) await add.click();
      await this.value(shape.items ?? { widget: "json" }, `${pointer}/${index}`, each);
    }
  },
  async "key-value"(shape, pointer, value) {
    for (const [name, each] of Object.entries(value)) {
      await this.control(pointer).fill(name);
      await this.control(pointer).press("Enter");
      await this.value(shape.values ?? { widget: "text" }, `${pointer}/${escaped(name)}`, each);
    }
  },
  async object(shape, pointer, value) {
    if (!(shape.fields ?? []).length) await WIDGETS.json.call(this, shape, pointer, value);
    else await this.fields(shape.fields, pointer, value);
  },
  async variants(shape, pointer, value) {
    const place = this.model.variantOf(shape, value);
    const kind = this.control(pointer, "-kind");
    if ((await kind.count()) && (await kind.inputValue()) !== String(place)) await kind.selectOption(String(place));
    await this.value(shape.variants[place], pointer, value);
  },
};
