/**
 * Runtime expressions of Arazzo 1.0.1 as the page needs them: where they stand in a text, what they name, what they find in known results,
 * and another name for a step. A document's own check is the service's (`workflow check`).
 */
import { at, isObject, tokens, type Json } from "./json.ts";

const EMBEDDED = /\{(\$[A-Za-z][^{}]*)\}/g;
const STEP = /^\$steps\.([A-Za-z0-9_-]+)(?=[.#]|$)/;

/** Whether a whole text is read as an expression. */
export const isExpression = (text: unknown): boolean => typeof text === "string" && /^\$[A-Za-z]/.test(text);

/** Whether an expression stands anywhere in a value. */
export function holdsExpression(value: Json | undefined): boolean {
  if (typeof value === "string") return isExpression(value) || new RegExp(EMBEDDED.source).test(value);
  if (Array.isArray(value)) return value.some(holdsExpression);
  return isObject(value) && Object.values(value).some(holdsExpression);
}

function renamedExpression(expression: string, from: string, to: string): string {
  const found = STEP.exec(expression);
  return found && found[1] === from ? `$steps.${to}${expression.slice(found[0].length)}` : expression;
}

/** A text of a payload, a parameter or an output with a step's new name: as one expression, or in braces within it. */
export function renamedText(text: string, from: string, to: string): string {
  if (isExpression(text)) return renamedExpression(text, from, to);
  return text.replace(EMBEDDED, (all, inner: string) => {
    const renamed = renamedExpression(inner, from, to);
    return renamed === inner ? all : `{${renamed}}`;
  });
}

/** A simple condition with a step's new name; what stands in quotes is a value and stays. */
export function renamedCondition(condition: string, from: string, to: string): string {
  return condition.replace(/'(?:[^']|'')*'|\$steps\.[A-Za-z0-9_-]+/g, (part) => (part.startsWith("$") ? renamedExpression(part, from, to) : part));
}

/** The steps that a text names. */
export function namedSteps(text: string): string[] {
  const parts = isExpression(text) ? [text] : [...text.matchAll(EMBEDDED)].map((match) => match[1]!);
  return parts.flatMap((part) => STEP.exec(part)?.[1] ?? []);
}

/** What is known when a value is filled in: inputs, and of each step its body, or the outputs that it named. */
export interface Known {
  inputs: { [name: string]: Json | undefined };
  bodies: { [step: string]: Json | undefined };
  /** Names of outputs -> the expression that makes each, by step. */
  outputs: { [step: string]: { [name: string]: string } };
}

/** What an expression finds in what is known; undefined where nothing is. */
export function find(expression: string, known: Known, own?: string): Json | undefined {
  const [head, pointer = ""] = split(expression);
  const path = tokens(pointer);
  const input = /^\$inputs\.([A-Za-z0-9_-]+)$/.exec(head);
  if (input) return at(known.inputs[input[1]!], path);
  if (head === "$response.body") return own === undefined ? undefined : at(known.bodies[own], path);
  const output = /^\$steps\.([A-Za-z0-9_-]+)\.outputs\.([A-Za-z0-9_-]+)$/.exec(head);
  if (!output) return undefined;
  const [, step, name] = output as unknown as [string, string, string];
  const made = known.outputs[step]?.[name];
  return made === undefined ? undefined : at(find(made, known, step), path);
}

function split(expression: string): [string, string?] {
  const place = expression.indexOf("#");
  return place < 0 ? [expression] : [expression.slice(0, place), expression.slice(place + 1)];
}

/** A value with what its expressions find, and the pointers of those that found nothing. */
export function filled(value: Json, known: Known, pointer = "", unknown: string[] = []): { value: Json; unknown: string[] } {
  const fill = (part: Json, place: string): Json => {
    if (typeof part === "string") {
      if (isExpression(part)) {
        const found = find(part, known);
        if (found === undefined) unknown.push(place);
        return found ?? part;
      }
      return part.replace(EMBEDDED, (all, inner: string) => {
        const found = find(inner, known);
        if (found === undefined) unknown.push(place);
        return found === undefined ? all : typeof found === "string" ? found : JSON.stringify(found);
      });
    }
    if (Array.isArray(part)) return part.map((each, index) => fill(each, `${place}/${index}`));
    if (isObject(part)) {
      return Object.fromEntries(
        Object.entries(part).map(([name, each]) => [name, fill(each, `${place}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`)]),
      );
    }
    return part;
  };
  return { value: fill(value, pointer), unknown };
}
