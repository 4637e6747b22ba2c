/** The whole answer that the events of a stream make, as it would have come without one. */
import { isObject, type Json, type JsonObject } from "./json.ts";

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
  if (choices.length) {
    const first = objects[0]!;
    const whole = typeof first.object === "string" ? { ...first, object: first.object.replace(/\.chunk$/, "") } : first;
    return { ...whole, choices, usage: last?.usage ?? null };
  }
  return last && typeof last.text === "string" ? last : undefined;
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
