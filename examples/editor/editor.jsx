// A canvas of one's own in sixty lines: palette, steps, forms and runs, by the gateway's HTTP API alone. README.md says how to start it.
import Form from "@rjsf/core";
import "@xyflow/react/dist/style.css";
import { customizeValidator } from "@rjsf/validator-ajv8";
import { ReactFlow, useNodesState } from "@xyflow/react";
import Ajv2020 from "ajv/dist/2020.js";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const { gateway, token } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const validator = customizeValidator({ AjvClass: Ajv2020 });
const ask = async (path, body, accept = "application/json") => {
  const headers = { accept, authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(`${gateway}/kosha/v1${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer;
};

async function* eventsOf(answer) {
  let rest = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (name) yield [name, JSON.parse(data)];
    }
  }
}
function Editor() {
  const [actions, setActions] = useState([]);
  const [nodes, setNodes, onNodesChange] = useNodesState([]);
  const [step, setStep] = useState(null);
  const [text, setText] = useState("");
  useEffect(() => void ask("/actions?featured=true").then((answer) => answer.json()).then((found) => setActions(found.actions)), []);
  const add = async (action, position) => {
    const form = await (await ask(`/actions/${action.id}/form?as=rjsf`)).json();
    const id = `${action.id}-${nodes.length + 1}`;
    setNodes((all) => [...all, { id, position, data: { label: action.title } }]);
    setStep({ id, action: action.id, form });
  };
  const run = async ({ formData }) => {
    setText("");
    try {
      for await (const [name, data] of eventsOf(await ask(`/actions/${step.action}/run`, { inputs: formData, result: true }, "text/event-stream"))) {
        if (name === "event" && data.text) setText((old) => old + data.text);
        if (name === "result") setText((old) => old || JSON.stringify(data.result.result, null, 2));
        if (name === "error") setText(data.error.message);
      }
    } catch (error) { setText(error.message); }
  };
  return <div className="editor">
    <ul>{actions.map((action) => <li key={action.id}><button onClick={() => add(action, { x: 60, y: 40 + 90 * nodes.length })}>{action.title}</button></li>)}</ul>
    <ReactFlow nodes={nodes} onNodesChange={onNodesChange} edges={nodes.slice(1).map((node, index) => ({ id: node.id, source: nodes[index].id, target: node.id }))} />
    <div>{step && <Form key={step.id} schema={step.form.schema} uiSchema={step.form.ui_schema} validator={validator} noHtml5Validate omitExtraData onSubmit={run}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: "populateRequiredDefaults" }} />}<pre>{text}</pre></div>
  </div>;
}

createRoot(document.getElementById("root")).render(<Editor />);
