import assert from "node:assert/strict";
import { test } from "node:test";
import type { Form } from "../src/model/form.ts";
import { placeOf, proposed, rules, targetsOf, usable } from "../src/model/rows.ts";

const shared = { order: 1, visibility: "important", expression: true };
const form = {
  action: "op", title: "", summary: "", groups: [],
  $defs: {
    Message: {
      widget: "variants",
      variants: [
        { id: "user", label: "User", widget: "object", when: { type: "object", required: ["role"], properties: { role: { const: "user" } } }, fields: [
          { ...shared, name: "role", label: "Role", widget: "text", required: true, constant: "user" },
          { ...shared, name: "content", label: "Content", widget: "text", required: true },
          { ...shared, name: "name", label: "Name", widget: "text", required: false },
        ] },
      ],
    },
  },
  fields: [
    { ...shared, name: "model", label: "Model", widget: "text", required: true },
    { ...shared, name: "messages", label: "Messages", widget: "list", required: true, items: { $ref: "#/$defs/Message", widget: "variants" } },
    { ...shared, name: "max_tokens", label: "Longest answer", widget: "number", required: false },
    { ...shared, name: "hidden", label: "Hidden", widget: "text", required: false, visibility: "internal" },
  ],
} as unknown as Form;

test("the places of a form that columns can fill, those within a list that needs an entry among them", () => {
  const { targets, inputs } = targetsOf(form, { model: "m" });
  assert.deepEqual(inputs, { model: "m", messages: [{ role: "user" }] });
  assert.deepEqual(targets.map((target) => target.path), ["model", "messages", "messages.0.content", "messages.0.name", "max_tokens"]);
  assert.deepEqual(targets.filter((target) => target.needed).map((target) => target.path), ["messages.0.content"]);
  const filled = targetsOf(form, { model: "m", messages: [{ role: "user", content: "x" }, { role: "user" }] });
  assert.deepEqual(filled.targets.filter((target) => target.path.endsWith("content")).map((target) => [target.path, target.needed]), [["messages.0.content", false], ["messages.1.content", true]]);
});

test("columns are proposed by name: case, signs and plurals forgiven, words for the text known", () => {
  const { targets } = targetsOf(form, { model: "m" });
  assert.deepEqual(proposed(["ID", "Max-Tokens", "Question"], targets), { "Max-Tokens": "max_tokens", Question: "messages.0.content" });
  assert.deepEqual(proposed(["longest ANSWER", "Name"], targets), { "longest ANSWER": "max_tokens", Name: "messages.0.name" });
  assert.deepEqual(proposed(["anything"], targets), { anything: "messages.0.content" });
  assert.deepEqual(proposed(["one", "two"], targets), {});
  assert.deepEqual(proposed(["@content", ""], targets), {});
  assert.deepEqual(rules({ Question: "messages.0.content" }), ["messages.0.content=Question"]);
});

test("a column never goes to two places, nor two columns to one", () => {
  const { targets } = targetsOf(form, { model: "m" });
  const found = proposed(["content", "text", "prompt", "model", "MODEL"], targets);
  assert.equal(found.content, "messages.0.content");
  assert.equal(new Set(Object.values(found)).size, Object.values(found).length);
  assert.equal(usable("@file"), false);
});

test("a fault's place is read aloud", () => {
  assert.deepEqual(["/line/3", "/line/4/max_tokens", "/column/a~1b", "/inputs/model"].map(placeOf), ["Line 3", "Line 4, max_tokens", "Column a/b", "inputs › model"]);
});
