import assert from "node:assert/strict";
import { test } from "node:test";
import { addStep, connect, disconnect, edges, newDocument, reachable, removeStep, renameStep, stepId, stepViews, steps, withAction, withInput, withOutput, workflow, type Document } from "../src/model/document.ts";
import { same, type Json, type JsonObject } from "../src/model/json.ts";

const flow = (...ids: string[]): Document => ids.reduce((made, id, place) => addStep(made, 0, { stepId: id, operationId: "op" }, ids[place - 1] ?? null), newDocument("api"));
const ids = (document: Document): string[] => steps(document, 0).map(stepId);
const lines = (document: Document): string[] => edges(document, 0).map((edge) => `${edge.from}>${edge.to ?? "end"}${edge.label && `?${edge.label}`}`);

test("a step that is put after another needs no words: the order says it", () => {
  const made = flow("a", "b", "c");
  assert.deepEqual(lines(made), ["a>b", "b>c", "c>end"]);
  assert.ok(steps(made, 0).every((step) => !("onSuccess" in step)));
});

test("a dropped step is loose until it is connected", () => {
  const made = addStep(flow("a"), 0, { stepId: "b", operationId: "op" }, null);
  assert.deepEqual([...reachable(made, 0)], ["a"]);
  const joined = connect(made, 0, "a", "b");
  assert.deepEqual([...reachable(joined, 0)], ["a", "b"]);
  assert.ok(steps(joined, 0).every((step) => !("onSuccess" in step)), "nothing is left of the end that held it apart");
});

test("connecting a loose step puts it between", () => {
  const made = addStep(flow("a", "c"), 0, { stepId: "b", operationId: "op" }, null);
  assert.deepEqual(lines(connect(made, 0, "a", "b")), ["a>b", "b>c", "c>end"]);
});

test("cutting and joining lines is written as Arazzo's actions", () => {
  const made = flow("a", "b", "c");
  const cut = disconnect(made, 0, edges(made, 0)[0]!);
  assert.deepEqual(lines(cut), ["a>end", "b>c", "c>end"]);
  assert.deepEqual(steps(cut, 0)[0]!.onSuccess, [{ name: "done", type: "end" }]);
  assert.deepEqual(lines(connect(cut, 0, "a", "c")), ["a>c", "b>c", "c>end"]);
  assert.deepEqual(lines(connect(made, 0, "c", "a")), ["a>b", "b>c", "c>a"]);
});

test("a branch stands before what happens otherwise", () => {
  let made = flow("a", "b", "c");
  made = connect(made, 0, "a", "c");
  made = withAction(made, 0, "a", "onSuccess", null, { name: "x", type: "end", criteria: [{ condition: "$statusCode == 200" }] });
  assert.deepEqual((steps(made, 0)[0]!.onSuccess as JsonObject[]).map((action) => action.name), ["x", "to-c"]);
  assert.deepEqual(lines(made), ["a>end?$statusCode == 200", "a>c", "b>c", "c>end"]);
});

test("what led to a removed step leads on", () => {
  let made = flow("a", "b", "c");
  made = withAction(made, 0, "a", "onSuccess", null, { name: "x", type: "goto", stepId: "b", criteria: [{ condition: "$statusCode == 200" }] });
  made = removeStep(made, 0, "b");
  assert.deepEqual(lines(made), ["a>c", "c>end"]);
  assert.deepEqual(lines(removeStep(made, 0, "c")), ["a>end"]);
  const alone = removeStep(removeStep(made, 0, "c"), 0, "a");
  assert.deepEqual(ids(alone), []);
});

test("another name goes to every place that means the step, and to no text that only looks like it", () => {
  const step: JsonObject = {
    stepId: "b", operationId: "op",
    requestBody: { payload: { whole: "$steps.a.outputs.text", inside: "say {$steps.a.outputs.text} and {$steps.ab.outputs.text}", literal: "$5 to steps.a", list: ["$steps.a.outputs.x#/y"] } },
    parameters: [{ name: "q", in: "query", value: "$steps.a.outputs.text" }], "x-kosha-inputs": { text: "$steps.a.outputs.text" },
    successCriteria: [
      { condition: "$steps.a.outputs.text == '$steps.a.outputs.text'" },
      { context: "$steps.a.outputs.text", type: "regex", condition: "$steps.a" },
    ],
    onFailure: [{ name: "back", type: "goto", stepId: "a" }],
    "x-own": "$steps.a.outputs.text",
  };
  let made = addStep(flow("a"), 0, step, "a");
  made = { ...made, workflows: [{ ...workflow(made, 0), outputs: { text: "$steps.a.outputs.text" } }] };
  const renamed = renameStep(made, 0, "a", "first");
  const [first, second] = steps(renamed, 0) as [JsonObject, JsonObject];
  assert.equal(first.stepId, "first");
  assert.deepEqual(second, {
    ...step,
    requestBody: { payload: { whole: "$steps.first.outputs.text", inside: "say {$steps.first.outputs.text} and {$steps.ab.outputs.text}", literal: "$5 to steps.a", list: ["$steps.first.outputs.x#/y"] } },
    parameters: [{ name: "q", in: "query", value: "$steps.first.outputs.text" }], "x-kosha-inputs": { text: "$steps.first.outputs.text" },
    successCriteria: [
      { condition: "$steps.first.outputs.text == '$steps.a.outputs.text'" },
      { context: "$steps.first.outputs.text", type: "regex", condition: "$steps.a" },
    ],
    onFailure: [{ name: "back", type: "goto", stepId: "first" }],
  });
  assert.deepEqual(workflow(renamed, 0).outputs, { text: "$steps.first.outputs.text" });
  assert.ok(same(renameStep(renamed, 0, "first", "a") as Json, made), "and back again");
});

test("an output is made once for a part of an answer", () => {
  const first = withOutput(flow("a"), 0, "a", "/choices/0/message/content");
  assert.equal(first.expression, "$steps.a.outputs.content");
  const again = withOutput(first.document, 0, "a", "/choices/0/message/content");
  assert.equal(again.document, first.document);
  const other = withOutput(first.document, 0, "a", "/other/content");
  assert.equal(other.expression, "$steps.a.outputs.content-2");
});

test("an input of the flow stands before the steps", () => {
  const made = withInput(flow("a"), 0, "question", { type: "string" }, true);
  assert.deepEqual(Object.keys(workflow(made, 0)), ["workflowId", "inputs", "steps"]);
  assert.deepEqual(workflow(made, 0).inputs, { type: "object", properties: { question: { type: "string" } }, required: ["question"] });
});

test("what is not drawn is named and stays", () => {
  const made = addStep(newDocument("api"), 0, { stepId: "a", workflowId: "other", onSuccess: [{ reference: "$components.successActions.x" }] }, null);
  assert.deepEqual(stepViews(made, 0)[0]!.undrawn, ["1 of onSuccess by reference", "a workflow as a step"]);
  const more = addStep(made, 0, { stepId: "b", operationId: "op" }, "a");
  assert.deepEqual((steps(more, 0)[0]!.onSuccess as Json[])[0], { reference: "$components.successActions.x" });
});
