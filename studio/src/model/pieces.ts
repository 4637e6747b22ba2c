/** What of a stream's events is text to show as it comes, and the whole answer that they make. */
import { at, isObject, type Json, type JsonObject } from "./json.ts";

/** The text that an event adds; "" where it adds none. */
export function addedText(event: Json): string {
  if (!isObject(event)) return "";
  if (typeof event.text === "string" && event.type === "text") return event.text;
  const choice = at(event, ["choices", 0]);
  if (isObject(choice)) {
    const content = at(choice, ["delta", "content"]) ?? choice.text;
    return typeof content === "string" ? content : "";
  }
  const kind = String(event.type ?? "");
  return kind.endsWith("text.delta") && typeof event.delta === "string" ? event.delta : "";
}

/** The answer as it would have come in one piece: the last event's own, or the pieces put together. Undefined where neither is known. */
export function wholeAnswer(events: readonly Json[]): Json | undefined {
  const objects = events.filter(isObject);
  const last = objects.at(-1);
  if (last && isObject(last.response)) return last.response;
  const choices: JsonObject[] = [];
  for (const event of objects) {
    for (const choice of Array.isArray(event.choices) ? event.choices : []) {
      if (!isObject(choice)) continue;
      const place = Number(choice.index ?? 0);
      const held = (choices[place] ??= { index: place });
      if (isObject(choice.delta)) held.message = merged((held.message ?? {}) as JsonObject, choice.delta);
      if (typeof choice.text === "string") held.text = String(held.text ?? "") + choice.text;
      if (choice.finish_reason) held.finish_reason = choice.finish_reason;
    }
  }
  if (choices.length) return { ...objects[0], choices, usage: last?.usage ?? null };
  const text = events.map(addedText).join("");
  return text && last ? { ...last, text: last.text ?? text } : undefined;
}

function merged(old: JsonObject, more: JsonObject): JsonObject {
  const found = { ...old };
  for (const [name, part] of Object.entries(more)) {
    const held = found[name];
    if (typeof held === "string" && typeof part === "string" && name !== "role" && name !== "id" && name !== "type") found[name] = held + part;
    else if (isObject(held) && isObject(part)) found[name] = merged(held, part);
    else if (Array.isArray(held) && Array.isArray(part)) {
      const list = held.slice();
      for (const each of part) {
        const place = isObject(each) && typeof each.index === "number" ? each.index : list.length;
        list[place] = isObject(each) && isObject(list[place]) ? merged(list[place] as JsonObject, each) : each;
      }
      found[name] = list;
    } else if (part !== null || held === undefined) found[name] = part;
  }
  return found;
}
