/** The flow as a whole: what it takes, what it gives, what is wrong with it, and what came of its last run. */
import { useState, type ReactNode } from "react";
import { Context, type FormContext } from "../form/context.ts";
import { ValueInput } from "../form/FieldView.tsx";
import { stepId, steps, withInput, withOutput, withWorkflow, workflow, workflows, type Document } from "../model/document.ts";
import type { Fault, Shape } from "../model/form.ts";
import { isObject, tokens, withName, type Json, type JsonObject } from "../model/json.ts";
import type { Outcome } from "../state.ts";
import { FaultText } from "./FaultText.tsx";
import { MapDialog, type Source } from "./MapDialog.tsx";
import { Files, Tree } from "./ResultView.tsx";
import { seconds } from "./show.ts";

export interface FlowOutcome {
  state: Outcome["state"];
  steps: string[];
  result?: JsonObject;
  milliseconds?: number;
  failure?: Outcome["failure"];
}

export interface FlowPanelProps {
  document: Document;
  index: number;
  values: JsonObject;
  faults: Fault[];
  outcome: FlowOutcome | null;
  sources: Source[];
  setValues: (values: JsonObject, mark: string) => void;
  setDocument: (change: (document: Document) => Document, mark?: string) => void;
  select: (id: string) => void;
  run: () => void;
  stop: () => void;
}

const NO_FAULTS: ReadonlyMap<string, Fault[]> = new Map();

/** How an input of a flow is asked for, by its schema. */
function shapeOf(schema: JsonObject): Shape {
  const type = Array.isArray(schema.type) ? String(schema.type[0]) : typeof schema.type === "string" ? schema.type : undefined;
  if (schema.format === "binary") return { widget: "file", type: "string", file: { sources: ["base64"] } };
  if (Array.isArray(schema.enum)) return { widget: "select", enum: schema.enum.map((value) => ({ value, label: String(value) })) };
  if (type === "boolean") return { widget: "switch", type };
  if (type === "integer" || type === "number") return { widget: "number", type };
  if (type === "string" || type === undefined) return { widget: "multiline", type: "string" };
  return { widget: "json" };
}

export function FlowPanel(props: FlowPanelProps): ReactNode {
  const { document, index, values, faults, outcome, setDocument } = props;
  const [picking, setPicking] = useState(false);
  const [name, setName] = useState("");
  const flow = workflow(document, index);
  const declared = isObject(flow.inputs) ? flow.inputs : {};
  const inputs = isObject(declared.properties) ? declared.properties : {};
  const required = Array.isArray(declared.required) ? declared.required : [];
  const outputs = isObject(flow.outputs) ? flow.outputs : {};
  const context: FormContext = { prefix: "flow", defs: {}, faults: NO_FAULTS, map: null, preview: () => "", drop: () => {} };
  const setOutputs = (to: JsonObject): void => setDocument((old) => withWorkflow(old, index, (each) => withName(each, "outputs", Object.keys(to).length ? to : undefined)));
  return (
    <section className="panel" aria-label="Flow">
      <header>
        <h2>{String(flow.summary ?? (workflows(document).length > 1 ? flow.workflowId : "Flow"))}</h2>
        <div className="actions">
          {outcome?.state === "running"
            ? <button type="button" onClick={props.stop}>Stop</button>
            : <button type="button" className="primary" disabled={steps(document, index).length === 0} onClick={props.run}>Run flow</button>}
        </div>
      </header>
      {faults.length > 0 && (
        <>
          <h3 className="summary">{faults.length === 1 ? "1 thing is" : `${faults.length} things are`} missing or wrong</h3>
          <ul className="faults">
            {faults.map((fault, place) => {
              const id = stepOf(document, fault.pointer);
              return (
                <li key={place}>
                  {id !== null && <button type="button" className="link" onClick={() => props.select(id)}>{id}</button>} <FaultText fault={fault} alone={id === null} /> <code>{fault.pointer}</code>
                </li>
              );
            })}
          </ul>
        </>
      )}
      <h3>Inputs of the flow</h3>
      <Context value={context}>
        {Object.entries(inputs).map(([each, schema]) => (
          <div className="field" key={each}>
            <div className="field-head">
              <label htmlFor={`flow/${each}`}><span className="label-text">{each}</span>{required.includes(each) && <span className="needed"> *</span>}</label>
              <button type="button" className="small" aria-label={`Remove input ${each}`} onClick={() => setDocument((old) => withWorkflow(old, index, (all) => withoutInput(all, each)))}>✕</button>
            </div>
            <ValueInput
              shape={shapeOf(isObject(schema) ? schema : {})} label={each} pointer={`/${each}`} value={values[each]} beside={values} needed={required.includes(each)}
              onChange={(to) => props.setValues(withName(values, each, to), each)}
            />
            {isObject(schema) && typeof schema.description === "string" && <p className="help">{schema.description}</p>}
            {isObject(schema) && schema.default !== undefined && <p className="help">{String(schema.default)} if left out.</p>}
          </div>
        ))}
      </Context>
      <div className="number">
        <input type="text" aria-label="Name of a new input" placeholder="new input" value={name} onChange={(event) => setName(event.target.value)} />
        <button type="button" disabled={!/^[A-Za-z0-9_-]+$/.test(name)} onClick={() => (setDocument((old) => withInput(old, index, name, { type: "string" }, true)), setName(""))}>Add input</button>
        <button type="button" disabled={!/^[A-Za-z0-9_-]+$/.test(name)} onClick={() => (setDocument((old) => withInput(old, index, name, { format: "binary" }, true)), setName(""))}>Add file</button>
      </div>
      <h3>Outputs of the flow</h3>
      <ul>
        {Object.entries(outputs).map(([each, expression]) => (
          <li key={each} className="entry-head"><span><strong>{each}</strong> <code>{String(expression)}</code></span>
            <button type="button" className="small" aria-label={`Remove output ${each}`} onClick={() => setOutputs(withName(outputs, each, undefined))}>✕</button></li>
        ))}
      </ul>
      <button type="button" onClick={() => setPicking(true)} disabled={props.sources.length === 0}>Add output</button>
      {outcome && <Run outcome={outcome} />}
      {picking && (
        <MapDialog
          label="an output of the flow" wanted={undefined} sources={props.sources} close={() => setPicking(false)} newInput={() => {}}
          pick={(picked) => {
            setDocument((old) => {
              const { document: made, expression } = withOutput(old, index, picked.step!, picked.pointer);
              return withWorkflow(made, index, (each) => {
                const held = isObject(each.outputs) ? each.outputs : {};
                const base = expression.split(".").at(-1)!;
                let key = base;
                for (let number = 2; Object.hasOwn(held, key); number++) key = `${base}-${number}`;
                return withName(each, "outputs", { ...held, [key]: expression });
              });
            });
            setPicking(false);
          }}
        />
      )}
    </section>
  );
}

function Run({ outcome }: { outcome: FlowOutcome }): ReactNode {
  const outputs = outcome.result?.outputs;
  const usage = outcome.result?.usage;
  return (
    <section className="outcome" aria-label="Result of the flow" data-state={outcome.state}>
      <h3>Result</h3>
      {outcome.failure && (
        <div className="failure" role="alert">
          <p><strong>{outcome.failure.message}</strong></p>
          {outcome.failure.hint && <p>{outcome.failure.hint}</p>}
        </div>
      )}
      {outcome.state === "running" && <p className="dim">Running … {outcome.steps.at(-1)}</p>}
      {isObject(outputs) && Object.entries(outputs).map(([name, value]) => (
        <div key={name}><h4>{name}</h4>{typeof value === "string" ? <div className="answer" data-output={name}>{value}</div> : <Tree value={value} name={name} pointer="" />}</div>
      ))}
      {outcome.result && <Files values={[outcome.result.files ?? null, outputs ?? null]} />}
      <dl className="facts">
        {outcome.milliseconds !== undefined && <div><dt>Time</dt><dd>{seconds(outcome.milliseconds)}</dd></div>}
        {isObject(usage) && Object.entries(usage).filter(([, count]) => typeof count === "number" && count > 0).map(([each, count]) => (
          <div key={each}><dt>{each.replaceAll("_", " ")}</dt><dd>{String(count)}</dd></div>
        ))}
      </dl>
    </section>
  );
}

function stepOf(document: Document, pointer: string): string | null {
  const [first, place, second, number] = tokens(pointer);
  if (first !== "workflows" || second !== "steps") return null;
  const step: Json | undefined = steps(document, Number(place))[Number(number)];
  return step && isObject(step) ? stepId(step) : null;
}

function withoutInput(flow: JsonObject, name: string): JsonObject {
  const inputs = isObject(flow.inputs) ? flow.inputs : {};
  const properties = isObject(inputs.properties) ? withName(inputs.properties, name, undefined) : {};
  const required = (Array.isArray(inputs.required) ? inputs.required : []).filter((each) => each !== name);
  if (Object.keys(properties).length === 0) return withName(flow, "inputs", undefined);
  return withName(flow, "inputs", withName({ ...inputs, properties }, "required", required.length ? required : undefined));
}
