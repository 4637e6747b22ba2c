/** Rows over an action: which fields a column can go to, and which of them it is likely meant for. */
import { isNeeded, isShown, resolved, seed, variantOf, variantSeed, type Form, type Shape } from "./form.ts";
import { isObject, withName, type Json, type JsonObject } from "./json.ts";

/** A place in the inputs that a column can fill, as a dotted path. */
export interface Target {
  path: string;
  label: string;
  /** Whether it is asked for and has no value yet. */
  needed: boolean;
}
/** Column -> path. */
export type Mapping = { [column: string]: string };

const DEEP = 4;
const ENTRIES = 20;
const PLAIN = /^[^.=:]+$/;

/** The places of a form that columns can fill, and the inputs with the entries that such places need around them. */
export function targetsOf(form: Form, given: JsonObject): { targets: Target[]; inputs: JsonObject } {
  const targets: Target[] = [];
  let inputs = given;
  const add = (path: string, label: string, needed: boolean): void => void targets.push({ path, label, needed });
  const walk = (shape: Shape, value: Json, path: string, label: string, depth: number): void => {
    const whole = alternative(shape, value);
    if (depth > DEEP) return;
    if (Array.isArray(value)) {
      value.slice(0, ENTRIES).forEach((part, place) => whole.items && walk(whole.items, part, `${path}.${place}`, `${label} ${place + 1}`, depth + 1));
    } else if (isObject(value)) {
      for (const field of whole.fields ?? []) {
        const inner = resolved(field, form.$defs);
        if (!PLAIN.test(field.name) || inner.constant !== undefined || !isShown(field, value, whole.fields ?? [])) continue;
        const here = value[field.name];
        if (here === undefined || typeof here !== "object" || here === null) add(`${path}.${field.name}`, `${label} › ${field.label}`, here === undefined && isNeeded(field, value, whole.fields ?? []));
        else walk(inner, here, `${path}.${field.name}`, `${label} › ${field.label}`, depth + 1);
      }
    } else if (typeof value === "string" && depth > 0) add(path, label, false);
  };
  const alternative = (shape: Shape, value: Json): Shape => {
    const whole = resolved(shape, form.$defs);
    const found = whole.variants?.[Math.max(0, variantOf(whole, value))];
    return found ? resolved(found, form.$defs) : whole;
  };
  for (const field of form.fields) {
    const whole = resolved(field, form.$defs);
    if (!PLAIN.test(field.name) || whole.constant !== undefined || field.secret || !isShown(field, given, form.fields)) continue;
    const needed = isNeeded(field, given, form.fields) && given[field.name] === undefined;
    const entry = needed ? firstEntry(whole, form) : undefined;
    if (entry !== undefined) inputs = withName(inputs, field.name, [entry]);
    add(field.name, field.label, needed && entry === undefined);
    const value = inputs[field.name];
    if (value !== undefined) walk(field, value, field.name, field.label, 0);
  }
  return { targets, inputs };
}

/** The entry that a list which is asked for begins with, where its entries are objects. */
function firstEntry(whole: Shape, form: Form): JsonObject | undefined {
  const items = whole.widget === "list" && whole.items ? resolved(whole.items, form.$defs) : undefined;
  const made = items?.variants?.[0] ? variantSeed(items.variants[0], form.$defs) : items ? seed(items, form.$defs) : undefined;
  return isObject(made) ? made : undefined;
}

/** What people call the text that an action is about. */
const TEXTS = ["text", "input", "prompt", "question", "content", "message", "query", "body", "sentence", "document", "description"];
const bare = (name: string): string => name.normalize("NFKD").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "").replace(/s$/, "");

/** How well a column's name fits a place: 0 not at all. */
function fit(column: string, target: Target): number {
  const name = bare(column);
  const last = bare(target.path.split(".").at(-1)!);
  if (name === bare(target.path) || name === last) return 4;
  if (name === bare(target.label) || name === bare(target.label.split(" › ").at(-1)!)) return 3;
  if (!TEXTS.includes(name)) return 0;
  return TEXTS.includes(last) ? (target.needed ? 2 : 1) : 0;
}

/** Whether the service can be told to take a column: its rules are `FIELD=COLUMN`, and `@` names files. */
export const usable = (column: string): boolean => column !== "" && !column.startsWith("@");

/** Which column is likely meant for which place, by names; a single column goes to the single place that is asked for. */
export function proposed(columns: string[], targets: Target[]): Mapping {
  const found: Mapping = {};
  const pairs = columns.filter(usable).flatMap((column) => targets.map((target) => ({ column, target, score: fit(column, target) })));
  pairs.sort((one, two) => two.score - one.score || Number(two.target.needed) - Number(one.target.needed));
  const taken = new Set<string>();
  for (const { column, target, score } of pairs) {
    if (score === 0 || Object.hasOwn(found, column) || taken.has(target.path) || (score === 1 && Object.keys(found).length > 0)) continue;
    found[column] = target.path;
    taken.add(target.path);
  }
  const needed = targets.filter((target) => target.needed && !taken.has(target.path));
  if (needed.length === 1 && columns.length === 1 && usable(columns[0]!) && !Object.hasOwn(found, columns[0]!)) found[columns[0]!] = needed[0]!.path;
  return found;
}

/** The mapping as the service's rules. */
export const rules = (mapping: Mapping): string[] => Object.entries(mapping).map(([column, path]) => `${path}=${column}`);

/** A fault's place as people read it: `/line/3/prompt` is line 3, prompt. */
export function placeOf(pointer: string): string {
  const [, kind, name, ...rest] = pointer.split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (kind !== "line" && kind !== "column") return pointer.slice(1).replaceAll("/", " › ");
  return [`${kind === "line" ? "Line" : "Column"} ${name}`, ...rest].join(", ");
}
