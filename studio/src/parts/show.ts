/** Numbers and times as people read them. */
export function size(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) (value /= 1000), unit++;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export const seconds = (milliseconds: number): string => (milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);

export function short(value: unknown, most = 80): string {
  const text = typeof value === "string" ? value : value === undefined ? "nothing" : beginning(value, most);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** JSON text, at least as far as it is shown: a value of many megabytes is not written out for its first words. */
function beginning(value: unknown, most: number): string {
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  let text = open!;
  for (const name in value) {
    if (text.length > most) return text;
    const part = beginning((value as { [name: string]: unknown })[name], most - text.length);
    text += `${text === open ? "" : ","}${Array.isArray(value) ? "" : `${JSON.stringify(name)}:`}${part}`;
  }
  return text + close;
}
