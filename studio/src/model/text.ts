/** Documents as text: YAML 1.2 or JSON in, YAML or JSON out. Numbers keep their digits, and texts that look like something else are quoted. */
import { Document, parseDocument, visit } from "yaml";
import { isObject, toText, type Json } from "./json.ts";

export class TextError extends Error {}

export function readText(text: string): Json {
  const found = parseDocument(text, {
    intAsBigInt: true,
    uniqueKeys: true,
    merge: false,
    version: "1.2",
    schema: "core",
    // As the service reads it: octal and hexadecimal numbers, infinity and what is not a number are texts.
    customTags: (tags) => tags.filter((tag) => typeof tag === "string" || !("format" in tag && (tag.format === "OCT" || tag.format === "HEX")) && !isNotFinite(tag)),
  });
  const error = found.errors[0];
  if (error) throw new TextError(error.message);
  return plain(found.toJS({ maxAliasCount: 100 }) as unknown);
}

const isNotFinite = (tag: object): boolean => "test" in tag && tag.test instanceof RegExp && tag.test.test(".inf");

/** Values as JSON has them: whole numbers that a number holds exactly are numbers. */
function plain(value: unknown): Json {
  if (typeof value === "bigint") return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, part]) => [String(name), plain(part)]));
  if (value instanceof Date) return value.toISOString();
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
  if (typeof value === "number" || typeof value === "string" || typeof value === "boolean" || value === null) return value;
  return null;
}

// Breaks of lines for some readers of YAML and none for others: texts that have one are quoted, and it is written by its number.
const BREAKS = /[\u0085\u2028\u2029\ufeff]/g;

export function writeText(value: Json): string {
  // Version 1.1 quotes what older readers take for numbers, dates and truth values as well.
  const made = new Document(value, { version: "1.1", aliasDuplicateObjects: false } as never);
  visit(made, {
    Scalar: (_, node) => {
      if (typeof node.value === "string" && node.value.search(BREAKS) >= 0) node.type = "QUOTE_DOUBLE";
    },
  });
  return escaped(made.toString({ lineWidth: 120 }));
}

export const writeJson = (value: Json): string => escaped(toText(value, 2));

const escaped = (text: string): string => text.replace(BREAKS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
