/**
 * An Arazzo document as the studio changes it. The document is its own JSON value: what the studio does not know stays where it was.
 * Every change gives a new document and leaves the one that was given.
 */
import { renamedCondition, renamedText } from "./expression.ts";
import { fromPairs, isObject, mapTexts, withAt, withName, type Json, type JsonObject } from "./json.ts";

export type Document = JsonObject;
/** Where an edge begins: what comes next by itself, or one of the step's own actions. */
export interface Edge {
  from: string;
  to: string | null;
  kind: "next" | "success" | "failure";
  /** The action's place in its list; null where the order of the steps alone says it. */
  action: number | null;
  label: string;
}
export interface StepView {
  id: string;
  action: string;
  task: string | null;
  /** What of the step the canvas does not draw; it is kept as it is. */
  undrawn: string[];
}

export function newDocument(source: string, title = "New flow"): Document {
  return {
    arazzo: "1.0.1",
    info: { title, version: "1.0.0" },
    sourceDescriptions: [{ name: source, url: "./openapi.json", type: "openapi" }],
    workflows: [{ workflowId: "flow", steps: [] }],
  };
}

/** Where a step has a task's inputs; what Arazzo lets an operation have beside its parameters and its body. */
export const TASK_INPUTS = "x-kosha-inputs";

const list = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);

export const workflows = (document: Document): JsonObject[] => list(document.workflows);
export const workflow = (document: Document, index: number): JsonObject => workflows(document)[index] ?? {};
export const steps = (document: Document, index: number): JsonObject[] => list(workflow(document, index).steps);
export const stepId = (step: JsonObject): string => String(step.stepId ?? "");
export const findStep = (document: Document, index: number, id: string): JsonObject | undefined =>
  steps(document, index).find((step) => stepId(step) === id);

/** Whether the canvas can change a document: its shape is the one that it knows. */
export function isDocument(value: Json): value is Document {
  return (
    isObject(value) &&
    Array.isArray(value.workflows) &&
    value.workflows.length > 0 &&
    value.workflows.every((flow) => isObject(flow) && Array.isArray(flow.steps) && flow.steps.every((step) => isObject(step) && typeof step.stepId === "string"))
  );
}

function withSteps(document: Document, index: number, change: (steps: Json[]) => Json[]): Document {
  const old = (workflow(document, index).steps ?? []) as Json[];
  return withAt(document, ["workflows", index, "steps"], change(old)) as Document;
}

export function withStep(document: Document, index: number, id: string, change: (step: JsonObject) => JsonObject): Document {
  return withSteps(document, index, (all) => all.map((step) => (isObject(step) && step.stepId === id ? change(step) : step)));
}

export function withWorkflow(document: Document, index: number, change: (flow: JsonObject) => JsonObject): Document {
  return withAt(document, ["workflows", index], change(workflow(document, index))) as Document;
}

/** What each step is, for the canvas. */
export function stepViews(document: Document, index: number): StepView[] {
  return steps(document, index).map((step) => {
    const undrawn: string[] = [];
    for (const name of ["onSuccess", "onFailure"]) {
      const actions = list(step[name]);
      const references = actions.filter((action) => "reference" in action || "$ref" in action).length;
      const others = actions.filter((action) => "workflowId" in action || (action.type === "retry" && "stepId" in action)).length;
      if (references) undrawn.push(`${references} of ${name} by reference`);
      if (others) undrawn.push(`${others} of ${name} to other workflows or steps first`);
    }
    if ("workflowId" in step) undrawn.push("a workflow as a step");
    if ("operationPath" in step) undrawn.push("an operation by its path");
    if (isObject(step.requestBody) && Array.isArray(step.requestBody.replacements)) undrawn.push("replacements in the body");
    if (isObject(step.requestBody) && typeof step.requestBody.payload === "string") undrawn.push("a body that is text");
    return { id: stepId(step), action: operation(step), task: taskOf(step), undrawn };
  });
}

/** The task that a step runs; null where it runs its operation itself. */
export const taskOf = (step: JsonObject): string | null => (typeof step["x-kosha-task"] === "string" ? step["x-kosha-task"] : null);

/** What a step runs, as the palette names it. */
export const itemKey = (step: JsonObject): string => {
  const task = taskOf(step);
  return task === null ? operation(step) : `task:${task}`;
};

export const operation = (step: JsonObject): string => {
  const plain = String(step.operationId ?? step.workflowId ?? step.operationPath ?? taskOf(step) ?? "");
  const found = /^\$sourceDescriptions\.[A-Za-z0-9_-]+\.(.+)$/.exec(plain);
  return found ? found[1]! : plain;
};

const isPlain = (action: JsonObject): boolean => !("reference" in action) && !("$ref" in action) && !("workflowId" in action);
const isCertain = (action: JsonObject): boolean => isPlain(action) && action.type !== "retry" && list(action.criteria).length === 0;

export function criteriaText(action: JsonObject): string {
  return list(action.criteria)
    .map((each) => (each.type && each.type !== "simple" ? `${String(isObject(each.type) ? each.type.type : each.type)} ${String(each.context ?? "")} ${String(each.condition)}` : String(each.condition)))
    .join(" and ");
}

/** The edges of a workflow: what comes after each step, and where its actions lead. `to` null is the end. */
export function edges(document: Document, index: number): Edge[] {
  const all = steps(document, index);
  const found: Edge[] = [];
  all.forEach((step, place) => {
    const from = stepId(step);
    const success = list(step.onSuccess);
    success.forEach((action, number) => {
      if (!isPlain(action) || isCertain(action) || action.type === "retry") return;
      found.push({ from, to: action.type === "goto" ? String(action.stepId) : null, kind: "success", action: number, label: criteriaText(action) });
    });
    const certain = success.findIndex(isCertain);
    const next = all[place + 1];
    if (certain >= 0) {
      const action = success[certain]!;
      found.push({ from, to: action.type === "goto" ? String(action.stepId) : null, kind: "next", action: certain, label: "" });
    } else found.push({ from, to: next ? stepId(next) : null, kind: "next", action: null, label: "" });
    list(step.onFailure).forEach((action, number) => {
      if (!isPlain(action) || action.type === "retry") return;
      const label = criteriaText(action) || "on failure";
      found.push({ from, to: action.type === "goto" ? String(action.stepId) : null, kind: "failure", action: number, label });
    });
  });
  return found;
}

/** The steps that a run can come to, in the order of the document. */
export function reachable(document: Document, index: number): Set<string> {
  const all = edges(document, index);
  const first = steps(document, index)[0];
  const found = new Set<string>();
  const waiting = first ? [stepId(first)] : [];
  while (waiting.length) {
    const id = waiting.pop()!;
    if (found.has(id)) continue;
    found.add(id);
    for (const edge of all) if (edge.from === id && edge.to !== null) waiting.push(edge.to);
  }
  return found;
}

const nextOf = (document: Document, index: number): Map<string, string | null> =>
  new Map(edges(document, index).filter((edge) => edge.kind === "next").map((edge) => [edge.from, edge.to]));

/** The steps in an order, each with what comes next written in the shortest way: by the order alone where that says it. */
function rewired(document: Document, index: number, order: Json[], next: Map<string, string | null>): Document {
  return withSteps(document, index, () =>
    order.map((step, place) => {
      if (!isObject(step)) return step;
      const follower = order[place + 1];
      const byOrder = isObject(follower) ? stepId(follower) : null;
      const id = stepId(step);
      const wanted = next.has(id) ? next.get(id)! : byOrder;
      const actions = Array.isArray(step.onSuccess) ? step.onSuccess : [];
      const certain = actions.findIndex((action) => isObject(action) && isCertain(action));
      const old = certain >= 0 ? (actions[certain] as JsonObject) : null;
      if (old && ((wanted === null && old.type === "end") || (old.type === "goto" && old.stepId === wanted))) {
        // It says so already; where the order says the same, a studio's own action is not needed.
        if (wanted !== byOrder || Object.keys(old).some((name) => !["name", "type", "stepId"].includes(name))) return step;
      }
      const others = actions.filter((_, number) => number !== certain);
      if (wanted === byOrder) return withName(step, "onSuccess", others.length ? others : undefined);
      const name = String(old?.name ?? (wanted === null ? "done" : `to-${wanted}`));
      const action: JsonObject = wanted === null ? { name, type: "end" } : { name, type: "goto", stepId: wanted };
      return withName(step, "onSuccess", [...others, action]);
    }),
  );
}

/** Another id that no step has yet. */
export function freeId(document: Document, index: number, wanted: string): string {
  const base = wanted.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "") || "step";
  const taken = new Set(steps(document, index).map(stepId));
  if (!taken.has(base)) return base;
  for (let number = 2; ; number++) if (!taken.has(`${base}-${number}`)) return `${base}-${number}`;
}

/** The document with a step: after `after`, or loose at the end, where no run comes to it until it is connected. */
export function addStep(document: Document, index: number, step: JsonObject, after: string | null): Document {
  const old = ((workflow(document, index).steps ?? []) as Json[]).slice();
  const next = nextOf(document, index);
  const id = stepId(step);
  const place = old.findIndex((each) => isObject(each) && each.stepId === after);
  if (old.length === 0) return withSteps(document, index, () => [step]);
  if (place < 0) {
    next.set(id, null);
    return rewired(document, index, [...old, step], next);
  }
  next.set(id, next.get(after!) ?? null);
  next.set(after!, id);
  return rewired(document, index, old.toSpliced(place + 1, 0, step), next);
}

/** The document with `to` after `from`. A step that nothing leads to is put between `from` and what came after it. */
export function connect(document: Document, index: number, from: string, to: string): Document {
  if (from === to) return document;
  const next = nextOf(document, index);
  const old = next.get(from) ?? null;
  if (old === to) return document;
  const loose = !edges(document, index).some((edge) => edge.to === to) && stepId(steps(document, index)[0] ?? {}) !== to;
  if (loose && (next.get(to) ?? null) === null) next.set(to, old);
  next.set(from, to);
  let order = (workflow(document, index).steps ?? []) as Json[];
  if (loose) {
    const step = order.find((each) => isObject(each) && each.stepId === to)!;
    order = order.filter((each) => each !== step);
    order = order.toSpliced(order.findIndex((each) => isObject(each) && each.stepId === from) + 1, 0, step);
  }
  return rewired(document, index, order, next);
}

/** The document without what an edge says: after its step comes the end. */
export function disconnect(document: Document, index: number, edge: Edge): Document {
  if (edge.kind === "next") {
    const next = nextOf(document, index);
    next.set(edge.from, null);
    return rewired(document, index, (workflow(document, index).steps ?? []) as Json[], next);
  }
  return withoutAction(document, index, edge.from, edge.kind === "success" ? "onSuccess" : "onFailure", edge.action!);
}

export type ActionList = "onSuccess" | "onFailure";

export function withoutAction(document: Document, index: number, id: string, name: ActionList, place: number): Document {
  return withStep(document, index, id, (step) => {
    const actions = (step[name] as Json[]).filter((_, number) => number !== place);
    return withName(step, name, actions.length ? actions : undefined);
  });
}

/** The document with an action of a step; one without conditions stays last, since nothing after it is looked at. */
export function withAction(document: Document, index: number, id: string, name: ActionList, place: number | null, action: JsonObject): Document {
  return withStep(document, index, id, (step) => {
    const actions = Array.isArray(step[name]) ? step[name] : [];
    if (place !== null) return withName(step, name, actions.with(place, action));
    const certain = actions.findIndex((each) => isObject(each) && isCertain(each));
    return withName(step, name, certain < 0 ? [...actions, action] : actions.toSpliced(certain, 0, action));
  });
}

/** The document without a step: what led to it leads to what came after it. */
export function removeStep(document: Document, index: number, id: string): Document {
  const next = nextOf(document, index);
  const after = next.get(id) ?? null;
  next.delete(id);
  for (const [from, to] of next) if (to === id) next.set(from, after === from ? null : after);
  const order = ((workflow(document, index).steps ?? []) as Json[])
    .filter((step) => !isObject(step) || step.stepId !== id)
    .map((step) => (isObject(step) ? withoutTargets(step, id) : step));
  return rewired(document, index, order, next);
}

function withoutTargets(step: JsonObject, id: string): JsonObject {
  let found = step;
  for (const name of ["onSuccess", "onFailure"] as const) {
    const actions = found[name];
    if (!Array.isArray(actions)) continue;
    const kept = actions.filter((action) => !isObject(action) || action.stepId !== id);
    if (kept.length !== actions.length) found = withName(found, name, kept.length ? kept : undefined);
  }
  return found;
}

/** Why a text cannot be a step's name; null where it can. */
export function nameFault(document: Document, index: number, old: string, name: string): string | null {
  if (!/^[A-Za-z0-9_-]+$/.test(name)) return "A step's name has letters, digits, - and _ only.";
  if (name !== old && findStep(document, index, name)) return "Another step has this name.";
  return null;
}

/** The document with a step's new name, everywhere where the step is meant: by the places where Arazzo has names and expressions. */
export function renameStep(document: Document, index: number, from: string, to: string): Document {
  const text = (value: string): string => renamedText(value, from, to);
  const criterion = (value: Json): Json => {
    if (!isObject(value)) return value;
    let found = typeof value.context === "string" ? withName(value, "context", text(value.context)) : value;
    const simple = value.type === undefined || value.type === "simple";
    if (simple && typeof value.condition === "string") found = withName(found, "condition", renamedCondition(value.condition, from, to));
    return found;
  };
  const criteria = (value: Json): Json => (Array.isArray(value) ? value.map(criterion) : value);
  const target = (value: Json): Json => (value === from ? to : value);
  const action = (value: Json): Json => (isObject(value) ? changed(value, { stepId: target, criteria }) : value);
  const actions = (value: Json): Json => (Array.isArray(value) ? value.map(action) : value);
  const texts = (value: Json): Json => mapTexts(value, text);
  const valued = (value: Json): Json => (Array.isArray(value) ? value.map((each) => (isObject(each) ? changed(each, { value: texts }) : each)) : value);
  const body = (value: Json): Json => (isObject(value) ? changed(value, { payload: texts, replacements: valued }) : value);
  const step = (value: Json): Json =>
    isObject(value)
      ? changed(value, {
          stepId: target, parameters: valued, requestBody: body, [TASK_INPUTS]: texts, successCriteria: criteria, onSuccess: actions, onFailure: actions, outputs: texts,
        })
      : value;
  return withWorkflow(document, index, (flow) =>
    changed(flow, {
      steps: (value) => (Array.isArray(value) ? value.map(step) : value),
      outputs: texts,
      parameters: valued,
      successActions: actions,
      failureActions: actions,
    }),
  );
}

function changed(value: JsonObject, changes: { [name: string]: (part: Json) => Json }): JsonObject {
  return fromPairs(Object.entries(value).map(([name, part]) => [name, changes[name] ? changes[name](part) : part]));
}

/** The name of a step's output that gives a part of its answer, and the document that has it. */
export function withOutput(document: Document, index: number, id: string, pointer: string): { document: Document; expression: string } {
  const step = findStep(document, index, id) ?? {};
  const outputs = isObject(step.outputs) ? step.outputs : {};
  const made = `$response.body${pointer ? `#${pointer}` : ""}`;
  const known = Object.entries(outputs).find(([, expression]) => expression === made)?.[0];
  const last = pointer.split("/").filter((token) => !/^\d+$/.test(token)).at(-1) ?? "";
  const base = last.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "") || "answer";
  let name = known ?? base;
  for (let number = 2; known === undefined && Object.hasOwn(outputs, name); number++) name = `${base}-${number}`;
  const found = known ? document : withStep(document, index, id, (old) => withName(old, "outputs", { ...outputs, [name]: made }));
  return { document: found, expression: `$steps.${id}.outputs.${name}` };
}

/** The document with an input of the workflow. */
export function withInput(document: Document, index: number, name: string, schema: JsonObject, required: boolean): Document {
  return withWorkflow(document, index, (flow) => {
    const old = isObject(flow.inputs) ? flow.inputs : { type: "object" };
    const properties = isObject(old.properties) ? old.properties : {};
    let inputs = withName(old, "properties", { ...properties, [name]: schema });
    const names = Array.isArray(old.required) ? old.required : [];
    if (required && !names.includes(name)) inputs = withName(inputs, "required", [...names, name]);
    if (Object.hasOwn(flow, "inputs")) return withName(flow, "inputs", inputs);
    const pairs = Object.entries(flow);
    const place = pairs.findIndex(([key]) => key === "steps");
    return fromPairs(pairs.toSpliced(place < 0 ? pairs.length : place, 0, ["inputs", inputs]));
  });
}
