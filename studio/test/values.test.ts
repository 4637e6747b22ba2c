import assert from "node:assert/strict";
import { test } from "node:test";
import { filled, find, type Known } from "../src/model/expression.ts";
import { fits, holds, seed, variantOf, withField, type Form, type Shape } from "../src/model/form.ts";
import { inputsOf, withInputs } from "../src/model/inputs.ts";
import { same, toText, withAt, type Json, type JsonObject } from "../src/model/json.ts";
import { layout } from "../src/model/layout.ts";
import { wholeAnswer } from "../src/model/pieces.ts";
import { readText, writeJson, writeText } from "../src/model/text.ts";
import { begin, change, redo, undo } from "../src/model/undo.ts";

const form = {
  action: "op", title: "", summary: "", groups: [], $defs: {},
  fields: [
    { name: "id", label: "ID", widget: "text", order: 1, visibility: "important", required: true, expression: true, location: "path" },
    { name: "model", label: "Model", widget: "text", order: 2, visibility: "important", required: true, expression: true, location: "body" },
    { name: "extra_body", label: "Extra", widget: "json", order: 3, visibility: "advanced", required: false, expression: true, location: "extra" },
  ],
} as Form;

test("a step becomes inputs and again the same step", () => {
  const step: JsonObject = {
    stepId: "a", operationId: "op", "x-own": 1,
    parameters: [{ name: "id", in: "path", value: "x", "x-note": "kept" }, { reference: "$components.parameters.p" }],
    requestBody: { contentType: "application/json", payload: { unknown: 1, model: "m" }, "x-note": true },
  };
  const inputs = inputsOf(step, form, false)!;
  assert.deepEqual(inputs, { id: "x", model: "m", extra_body: { unknown: 1 } });
  assert.equal(JSON.stringify(withInputs(step, form, false, inputs)), JSON.stringify(step));
  const other = withInputs(step, form, false, { ...inputs, model: "n" });
  assert.deepEqual((other.requestBody as JsonObject).payload, { unknown: 1, model: "n" });
  assert.equal(inputsOf({ stepId: "a", requestBody: { payload: "text {$inputs.x}" } }, form, false), null);
});

test("a body that is one value or has fields of its own is the one that is given", () => {
  const field = { ...form.fields[1]!, required: false };
  const both = { ...form, fields: [{ ...field, name: "session" }, { ...field, name: "body" }] };
  for (const inputs of [{ session: "s" }, { body: "v=0" }] as JsonObject[]) assert.deepEqual(inputsOf(withInputs({ stepId: "a" }, both, false, inputs), both, false), inputs);
  const one = { ...form, fields: [{ ...field, name: "body" }] };
  assert.deepEqual(withInputs(withInputs({ stepId: "a" }, one, false, { body: { x: 1 } }), one, false, {}), { stepId: "a" });
});

test("a task's inputs stand where the Arazzo schema lets them", () => {
  const step: JsonObject = { stepId: "a", operationId: "op", "x-kosha-task": "ask" };
  const made = withInputs(step, form, true, { question: "why" });
  assert.deepEqual(made, { ...step, "x-kosha-inputs": { question: "why" } });
  assert.deepEqual(inputsOf(made, form, true), { question: "why" });
  const older: JsonObject = { ...step, parameters: [{ name: "question", value: "how" }, { reference: "$components.parameters.p" }] };
  assert.deepEqual(inputsOf(older, form, true), { question: "how" });
  assert.deepEqual(withInputs(older, form, true, { question: "why" }), { ...made, parameters: [{ reference: "$components.parameters.p" }] });
});

test("texts come back as they were, whatever they look like", () => {
  const value: Json = {
    yes: "no", number: "1_000", octal: "0o17", hex: "0x1F", time: "12:30:45", date: "2026-01-01", empty: "", nothing: null, tilde: "~", merge: { "<<": 1 },
    big: 123456789012345678901234567890n, small: -0.5, exponent: 1e21, lines: "a\n  b\n\nc\n", tab: "a\tb", hash: "a #b", colon: "a: b", inf: ".inf", on: true,
    "y": "y", "null": "null", deep: [[{}], [], { a: [1, [2]] }], "__proto__x": 1, star: "*a", at: "@a", dash: "- a", quote: "'\"", brace: "{$steps.a.outputs.b}", nul: "\u0000\u0085\u2028", "\u2028key": "\ufeff",
  };
  assert.ok(same(readText(writeText(value)), value), writeText(value));
  assert.ok(same(readText(toText(value, 2)), value));
  assert.ok(same(readText(writeJson(value)), value));
  assert.doesNotMatch(writeJson(value), /[\u0085\u2028\u2029\ufeff]/); // readers of YAML 1.1 tear a name there
  assert.deepEqual(readText("{a: 0o17, b: 0x1F, c: .inf, d: no, e: 2026-01-01}"), { a: "0o17", b: "0x1F", c: ".inf", d: "no", e: "2026-01-01" });
  assert.throws(() => readText("a: [1"));
  assert.throws(() => readText("a: 1\na: 2"));
});

test("expressions find what is known", () => {
  const known: Known = { inputs: { q: "why" }, bodies: { a: { x: [{ y: 7 }] } }, outputs: { a: { y: "$response.body#/x/0/y" } } };
  assert.equal(find("$steps.a.outputs.y", known), 7);
  assert.equal(find("$steps.b.outputs.y", known), undefined);
  const { value, unknown } = filled({ t: "n={$steps.a.outputs.y} {$inputs.q}", v: "$steps.a.outputs.y", w: "$inputs.none", p: "$5" }, known);
  assert.deepEqual(value, { t: "n=7 why", v: 7, w: "$inputs.none", p: "$5" });
  assert.deepEqual(unknown, ["/w"]);
});

test("variants are told apart as the form says", () => {
  const shape: Shape = {
    widget: "variants", discriminator: "role",
    variants: [
      { id: "user", label: "User", widget: "object", when: { type: "object", properties: { role: { enum: ["user"] } }, required: ["role", "content"] } },
      { id: "string", label: "Text", widget: "text", type: "string", when: { type: "string" } },
    ],
  };
  assert.deepEqual(([{ role: "user", content: "x" }, { role: "user" }, "x", 1, undefined] as (Json | undefined)[]).map((value) => variantOf(shape, value)), [0, 0, 1, -1, -1]);
  const filters: Shape = {
    widget: "variants", discriminator: "type",
    variants: (["eq", "and"] as const).map((type) => ({ id: `${type}Filter`, label: type, widget: "object", when: { type: "object", properties: { type: { enum: [type, "x"] } }, required: ["type", "key"] } })),
  };
  assert.deepEqual(([{ type: "and" }, { type: "eq", key: 1 }, {}, { type: "none" }] as Json[]).map((value) => variantOf(filters, value)), [1, 0, 0, -1]);
  assert.deepEqual(seed(filters, {}), { type: "eq" });
  assert.ok(fits({ type: ["integer", "null"] }, 3) && !fits({ type: "integer" }, 3.5) && !fits({ not: {} }, 1));
  assert.ok(holds([{ field: "a", in: ["x"] }], {}, [{ ...form.fields[0]!, name: "a", default: "x" }]));
});

test("an object begins with the constants that it needs", () => {
  const shape: Shape = { widget: "object", fields: [{ ...form.fields[0]!, name: "role", constant: "user", visibility: "internal" }, { ...form.fields[0]!, name: "content" }] };
  assert.deepEqual(withField(shape, {}, undefined, "content", "hi"), { role: "user", content: "hi" });
});

test("a stream's pieces are the whole answer", () => {
  const events: Json[] = [
    { id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "It " } }] },
    { id: "c", choices: [{ index: 0, delta: { content: "works" }, finish_reason: "stop" }] },
    { id: "c", choices: [], usage: { total_tokens: 3 } },
  ];
  assert.deepEqual((wholeAnswer(events) as JsonObject).choices, [{ index: 0, message: { role: "assistant", content: "It works" }, finish_reason: "stop" }]);
  assert.equal((wholeAnswer(events) as JsonObject).object, "chat.completion");
  assert.deepEqual(wholeAnswer([{ type: "response.completed", response: { id: "r" } }]), { id: "r" });
});

test("undo and redo go through what was; letters of a word are one change", () => {
  let history = change(change(change(begin(0), 1, "word"), 2, "word"), 3);
  assert.equal((history = undo(history)).now, 2);
  assert.equal((history = undo(history)).now, 0);
  assert.equal((history = redo(redo(history))).now, 3);
  assert.equal(redo(history), history);
  assert.deepEqual(change(undo(history), 9).future, []);
});

test("no two steps lie on each other", () => {
  const ids = Array.from({ length: 100 }, (_, index) => `s${index}`);
  const found = layout(ids, ids.slice(1).map((id, index) => ({ from: ids[Math.floor(index / 3)]!, to: id, kind: "success" as const, action: 0, label: "" })));
  assert.equal(new Set([...found.values()].map((place) => `${place.x},${place.y}`)).size, 100);
});

test("a value is changed at a pointer, and the old one stays", () => {
  const old: Json = { a: [1, { b: 2 }] };
  assert.deepEqual(withAt(old, ["a", 1, "b"], 3), { a: [1, { b: 3 }] });
  assert.deepEqual(old, { a: [1, { b: 2 }] });
  assert.equal(JSON.stringify(withAt({ a: 1, b: 2 }, ["a"], undefined)), '{"b":2}');
});
