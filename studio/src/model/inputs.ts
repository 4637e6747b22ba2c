/** A step of a document as the inputs of its action's form, and back. What the form does not know stays where it was. */
import { TASK_INPUTS } from "./document.ts";
import type { Form } from "./form.ts";
import { fromPairs, isObject, same, withName, type Json, type JsonObject } from "./json.ts";

const PLACES = ["path", "query", "header"];
export const BODY = "body";
export const EXTRA = "extra_body";

/** Whether a body is one value, for which the form has one field; some forms have fields for its parts as well. */
function isWhole(form: Form, payload: Json | undefined): boolean {
  const fields = form.fields.filter((field) => field.location === "body");
  return fields.some((field) => field.name === BODY) && (fields.length === 1 || !isObject(payload));
}

/** The inputs of a step; null where its body is text that the page leaves alone. */
export function inputsOf(step: JsonObject, form: Form, task: boolean): JsonObject | null {
  const pairs: [string, Json][] = [];
  for (const parameter of Array.isArray(step.parameters) ? step.parameters : []) {
    if (isObject(parameter) && typeof parameter.name === "string" && "value" in parameter) pairs.push([parameter.name, parameter.value!]);
  }
  if (task) return fromPairs([...pairs, ...Object.entries(isObject(step[TASK_INPUTS]) ? step[TASK_INPUTS] : {})]);
  const payload = isObject(step.requestBody) ? step.requestBody.payload : undefined;
  if (payload === undefined) return fromPairs(pairs);
  if (isWhole(form, payload)) return fromPairs([...pairs, [BODY, payload]]);
  if (!isObject(payload)) return null;
  const known = new Set(form.fields.map((field) => field.name));
  const own = Object.entries(payload).filter(([name]) => known.has(name));
  const extra = Object.entries(payload).filter(([name]) => !known.has(name));
  return fromPairs([...pairs, ...own, ...(extra.length ? [[EXTRA, fromPairs(extra)] as const] : [])]);
}

/** The step with other inputs. */
export function withInputs(step: JsonObject, form: Form, task: boolean, inputs: JsonObject): JsonObject {
  if (task) return withTaskInputs(step, inputs);
  const fields = new Map(form.fields.map((field) => [field.name, field]));
  const inParameters = (name: string): boolean => PLACES.includes(fields.get(name)?.location ?? "") || isParameter(step, name);
  const old = Array.isArray(step.parameters) ? step.parameters : [];
  const kept = old.flatMap((parameter) => {
    if (!isObject(parameter) || typeof parameter.name !== "string" || !("value" in parameter)) return [parameter];
    const value = inputs[parameter.name];
    return value === undefined ? [] : [same(value, parameter.value) ? parameter : withName(parameter, "value", value)];
  });
  const names = new Set(old.flatMap((parameter) => (isObject(parameter) ? [parameter.name] : [])));
  const added = Object.entries(inputs)
    .filter(([name]) => inParameters(name) && !names.has(name))
    .map(([name, value]) => ({ name, in: fields.get(name)?.location ?? "query", value }));
  const parameters = [...kept, ...added];
  let found = withName(step, "parameters", parameters.length ? parameters : undefined);
  const body = Object.entries(inputs).filter(([name]) => !inParameters(name));
  const before = isObject(step.requestBody) ? step.requestBody : undefined;
  const payload = Object.hasOwn(inputs, BODY) || isWhole(form, {}) ? inputs[BODY] : payloadOf(body, before?.payload);
  if (payload === undefined && before === undefined) return found;
  if (payload === undefined) {
    const rest = withName(before!, "payload", undefined);
    found = withName(found, "requestBody", Object.keys(rest).length ? rest : undefined);
  } else found = withName(found, "requestBody", withName(before ?? {}, "payload", payload));
  return found;
}

const isParameter = (step: JsonObject, name: string): boolean =>
  Array.isArray(step.parameters) && step.parameters.some((each) => isObject(each) && each.name === name);

/** A task's inputs stand together; parameters that held some, as older documents have them, are taken in. */
function withTaskInputs(step: JsonObject, inputs: JsonObject): JsonObject {
  const kept = (Array.isArray(step.parameters) ? step.parameters : []).filter((each) => !isObject(each) || !("value" in each) || !("name" in each));
  return withName(withName(step, "parameters", kept.length ? kept : undefined), TASK_INPUTS, Object.keys(inputs).length ? inputs : undefined);
}

/** The body's fields in their old order, new ones behind. */
function payloadOf(body: [string, Json][], old: Json | undefined): JsonObject | undefined {
  const flat = body.flatMap(([name, value]) => (name === EXTRA && isObject(value) ? Object.entries(value) : [[name, value] as [string, Json]]));
  if (flat.length === 0 && old === undefined) return undefined;
  const values = new Map(flat);
  const before = isObject(old) ? Object.keys(old).filter((name) => values.has(name)) : [];
  return fromPairs([...before, ...[...values.keys()].filter((name) => !before.includes(name))].map((name) => [name, values.get(name)!]));
}
