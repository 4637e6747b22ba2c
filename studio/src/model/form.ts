/** The form model of `GET /kosha/v1/actions/{action}/form` (docs/forms.md), and what drawing it needs to know of a value. */
import { fromPairs, isObject, same, withName, type Json, type JsonObject } from "./json.ts";

export interface Option {
  value: Json;
  label: string;
}
export interface Condition {
  field: string;
  in?: Json[];
  given?: boolean;
}
export interface Shape {
  label?: string;
  widget: string;
  type?: string;
  $ref?: string;
  nullable?: boolean;
  raw?: boolean;
  fields?: Field[];
  closed?: boolean;
  values?: Shape;
  items?: Shape;
  variants?: Variant[];
  discriminator?: string;
  enum?: Option[];
  open?: boolean;
  constant?: Json;
  file?: { sources: string[]; types?: string[]; extensions?: string[]; max_bytes?: number };
  multiple?: boolean;
  date?: "date" | "date-time" | "unix";
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  above?: number;
  below?: number;
  step?: number;
  min_length?: number;
  max_length?: number;
  min_items?: number;
  max_items?: number;
  unique?: boolean;
}
export interface Variant extends Shape {
  id: string;
  label: string;
  help?: string;
  when: JsonObject;
}
export interface Field extends Shape {
  name: string;
  label: string;
  help?: string;
  placeholder?: string;
  example?: Json;
  default?: Json;
  order: number;
  group?: string;
  visibility: string;
  required: boolean;
  units?: string;
  secret?: boolean;
  expression: boolean;
  visible_when?: Condition[];
  required_when?: Condition[];
  excludes?: string[];
  options?: string;
  deprecated?: boolean;
  location?: string;
  origin?: { [fact: string]: string };
}
export interface Form {
  action: string;
  title: string;
  summary: string;
  help?: string;
  groups: { id: string; label: string }[];
  fields: Field[];
  $defs: { [name: string]: Shape };
}
export interface Fault {
  pointer: string;
  rule: string;
  message: string;
  fix?: string;
}
export type Defs = Form["$defs"];

/** The whole shape of what may stand behind a `$ref`; what stands beside the reference is nearer. */
export function resolved<T extends Shape>(shape: T, defs: Defs): T {
  let found: T = shape;
  for (let depth = 0; found.$ref !== undefined && depth < 16; depth++) {
    const { $ref, ...rest } = found;
    found = { ...defs[$ref.replace(/^#\/\$defs\//, "")], ...rest } as T;
  }
  return found;
}

/** Whether a value fits the small schema by which the form model tells variants apart. */
export function fits(schema: Json | undefined, value: Json | undefined): boolean {
  if (!isObject(schema)) return schema !== false;
  if (value === undefined) return false;
  const types = schema.type === undefined ? null : Array.isArray(schema.type) ? schema.type : [schema.type];
  if (types && !types.some((type) => isType(String(type), value))) return false;
  if ("const" in schema && !same(schema.const, value)) return false;
  if (Array.isArray(schema.enum) && !schema.enum.some((each) => same(each, value))) return false;
  if (isObject(value)) {
    const properties = isObject(schema.properties) ? schema.properties : {};
    for (const [name, part] of Object.entries(properties)) if (Object.hasOwn(value, name) && !fits(part, value[name])) return false;
    if (Array.isArray(schema.required) && !schema.required.every((name) => Object.hasOwn(value, String(name)))) return false;
  }
  if (Array.isArray(value) && isObject(schema.items) && !value.every((part) => fits(schema.items, part))) return false;
  if (Array.isArray(schema.anyOf) && !schema.anyOf.some((each) => fits(each, value))) return false;
  if (Array.isArray(schema.oneOf) && !schema.oneOf.some((each) => fits(each, value))) return false;
  if (Array.isArray(schema.allOf) && !schema.allOf.every((each) => fits(each, value))) return false;
  if (schema.not !== undefined && fits(schema.not, value)) return false;
  if (typeof schema.pattern === "string" && typeof value === "string" && !new RegExp(schema.pattern, "u").test(value)) return false;
  return true;
}

function isType(type: string, value: Json): boolean {
  switch (type) {
    case "null": return value === null;
    case "array": return Array.isArray(value);
    case "object": return isObject(value);
    case "integer": return typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    case "number": return typeof value === "bigint" || typeof value === "number";
    default: return typeof value === type;
  }
}

/** The variant of a value: the first that it fits, else the one whose discriminator it has, else the first that it may become. */
export function variantOf(shape: Shape, value: Json | undefined): number {
  const variants = shape.variants ?? [];
  if (value === undefined) return -1;
  const fitting = variants.findIndex((each) => fits(each.when, value));
  if (fitting >= 0) return fitting;
  const told = shape.discriminator;
  const named = told && isObject(value) ? variants.findIndex((each) => each.id === value[told]) : -1;
  if (named >= 0) return named;
  if (isObject(value)) return variants.findIndex((each) => fits(withName(each.when, "required", undefined), value));
  const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  return variants.findIndex((each) => each.type === type || (type === "number" && each.type === "integer"));
}

/** What a new value of a shape holds from the start: constants that are needed, and what the manifest fills in. */
export function seed(shape: Shape, defs: Defs, depth = 0): Json | undefined {
  const whole = resolved(shape, defs);
  if (whole.constant !== undefined) return whole.constant;
  switch (whole.widget) {
    case "object": {
      const found: JsonObject = {};
      for (const field of whole.fields ?? []) {
        const value = fieldSeed(field, defs, depth + 1);
        if (value !== undefined) found[field.name] = value;
      }
      return found;
    }
    case "variants": return whole.variants?.[0] && depth < 8 ? variantSeed(whole.variants[0], defs, depth + 1) : undefined;
    case "list": return [];
    case "key-value": return {};
    default: return undefined;
  }
}

/** What a new value of a variant holds: its seed, and what tells it from the others where one of several values does. */
export function variantSeed(variant: Variant, defs: Defs, depth = 0): Json | undefined {
  const made = seed(variant, defs, depth);
  const properties = isObject(variant.when.properties) ? variant.when.properties : {};
  if (!isObject(made)) return made;
  const told = Object.entries(properties).flatMap(([name, rule]): [string, Json][] =>
    isObject(rule) && Array.isArray(rule.enum) && !Object.hasOwn(made, name) && needs(variant.when, name) ? [[name, rule.enum[0]!]] : []);
  return { ...fromPairs(told), ...made };
}

const needs = (schema: JsonObject, name: string): boolean => Array.isArray(schema.required) && schema.required.includes(name);

export function fieldSeed(field: Field, defs: Defs, depth = 0): Json | undefined {
  if (field.default !== undefined && field.origin?.default === "overlay") return field.default;
  const whole = resolved(field, defs);
  if (whole.constant !== undefined && (field.required || field.visibility === "internal")) return whole.constant; // nobody is asked for it
  if (!field.required) return undefined;
  if (depth > 6) return undefined;
  // Of several kinds the first is begun with, where something tells it.
  return whole.widget === "object" || whole.widget === "variants" ? nonEmpty(seed(whole, defs, depth)) : undefined;
}

const nonEmpty = (made: Json | undefined): Json | undefined => (isObject(made) && Object.keys(made).length > 0 ? made : undefined);

/** Whether a field is shown and asked for, with the values beside it. A value left out counts as its default. */
export function holds(conditions: Condition[] | undefined, beside: JsonObject, fields: readonly Field[]): boolean {
  return (conditions ?? []).every((each) => {
    const given = Object.hasOwn(beside, each.field);
    if (each.given !== undefined && each.given !== given) return false;
    if (!each.in) return true;
    const value = given ? beside[each.field] : fields.find((field) => field.name === each.field)?.default;
    return each.in.some((known) => same(known, value));
  });
}

export const isShown = (field: Field, beside: JsonObject, fields: readonly Field[]): boolean =>
  field.visibility !== "internal" && (Object.hasOwn(beside, field.name) || holds(field.visible_when, beside, fields));

export const isNeeded = (field: Field, beside: JsonObject, fields: readonly Field[]): boolean =>
  field.required || (field.required_when !== undefined && holds(field.required_when, beside, fields));

/** An object with a field's value set; constants that it needs come with the first one, and it is gone with the last. */
export function withField(shape: Shape, defs: Defs, value: Json | undefined, name: string, to: Json | undefined): JsonObject | undefined {
  const old = isObject(value) ? value : (seed(shape, defs) as JsonObject | undefined) ?? {};
  return withName(old, name, to);
}

/** What a new step begins with where a value must be chosen rather than written: what the description shows, else the first one offered. */
function choice(field: Field, defs: Defs): Json | undefined {
  const whole = resolved(field, defs);
  const first = whole.widget === "variants" && whole.variants?.[0] ? resolved(whole.variants[0], defs) : whole;
  return field.name === "model" || first.widget === "select" || first.widget === "slider" ? (field.example ?? whole.enum?.[0]?.value ?? first.enum?.[0]?.value) : undefined;
}

/** What the fields of a new step hold: what is chosen and not written, such as a model. */
export function startingInputs(form: Form): JsonObject {
  const found: JsonObject = {};
  for (const field of form.fields) {
    const seeded = fieldSeed(field, form.$defs);
    const asked = field.visibility !== "internal";
    if (seeded !== undefined && (asked || resolved(field, form.$defs).constant !== undefined)) found[field.name] = seeded; // nobody is asked for a constant
    else if (asked && field.required) {
      const chosen = choice(field, form.$defs);
      if (chosen !== undefined) found[field.name] = chosen;
    }
  }
  return found;
}
