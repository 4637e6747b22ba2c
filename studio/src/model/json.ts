/** JSON values, and reading and changing them at a JSON Pointer without changing the value that was given. */

export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const escapeToken = (token: string | number): string => String(token).replaceAll("~", "~0").replaceAll("/", "~1");

export function tokens(pointer: string): string[] {
  return pointer === "" ? [] : pointer.slice(1).split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The value at a path; undefined where nothing is there. */
export function at(value: Json | undefined, path: readonly (string | number)[]): Json | undefined {
  let found: Json | undefined = value;
  for (const token of path) {
    if (Array.isArray(found)) found = /^(0|[1-9]\d*)$/.test(String(token)) ? found[Number(token)] : undefined;
    else if (isObject(found) && Object.hasOwn(found, token)) found = found[token];
    else return undefined;
  }
  return found;
}

/** The object with a name set, or taken out where the value is undefined; the order of the others stays. */
export function withName(value: JsonObject, name: string, to: Json | undefined): JsonObject {
  const pairs = Object.entries(value);
  if (to === undefined) return fromPairs(pairs.filter(([key]) => key !== name));
  return Object.hasOwn(value, name)
    ? fromPairs(pairs.map(([key, old]) => [key, key === name ? to : old]))
    : fromPairs([...pairs, [name, to]]);
}

/** An object of pairs, whatever a name is: `__proto__` too. */
export function fromPairs(pairs: readonly (readonly [string, Json])[]): JsonObject {
  return Object.fromEntries(pairs) as JsonObject;
}

/** The value with what is at a path replaced, or taken out where `to` is undefined. Objects on the way are made. */
export function withAt(value: Json | undefined, path: readonly (string | number)[], to: Json | undefined): Json | undefined {
  const [first, ...rest] = path;
  if (first === undefined) return to;
  if (Array.isArray(value)) {
    const index = Number(first);
    const inner = withAt(value[index], rest, to);
    return inner === undefined ? value.filter((_, place) => place !== index) : value.with(index, inner);
  }
  const object = isObject(value) ? value : {};
  return withName(object, String(first), withAt(object[String(first)], rest, to));
}

/** The same value with each text replaced by what `change` gives; the very same object where nothing changes. */
export function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) {
    const parts = value.map((part) => mapTexts(part, change));
    return parts.some((part, index) => part !== value[index]) ? parts : value;
  }
  if (isObject(value)) {
    const pairs = Object.entries(value).map(([name, part]) => [name, mapTexts(part, change)] as const);
    return pairs.some(([name, part]) => part !== value[name]) ? fromPairs(pairs) : value;
  }
  return value;
}

/** Whether two values are the same in JSON; the order of names does not count. */
export function same(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) return Array.isArray(right) && left.length === right.length && left.every((part, index) => same(part, right[index]));
  if (!isObject(left) || !isObject(right)) return false;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]));
}

/** JSON text. Whole numbers of any size keep their digits. */
export function toText(value: Json, indent = 0): string {
  const big = new Map<string, string>();
  const mark = `\u0000${Math.random().toString(36).slice(2)}`;
  const text = JSON.stringify(
    value,
    (_, part: unknown) => {
      if (typeof part !== "bigint") return part;
      const key = `${mark}${big.size}`;
      big.set(JSON.stringify(key), String(part));
      return key;
    },
    indent,
  );
  let out = text;
  for (const [key, digits] of big) out = out.replace(key, digits);
  return out;
}
