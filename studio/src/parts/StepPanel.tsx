/** One step: its name, its inputs, what comes after it, its request, and what came of its last run. */
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { api, ApiFailure, type ActionInfo } from "../api.ts";
import { Faults, FormView } from "../form/FormView.tsx";
import type { Change } from "../form/context.ts";
import { criteriaText, nameFault, operation, stepId, steps, taskOf, withAction, withoutAction, type ActionList, type Document } from "../model/document.ts";
import { filled, find, type Known } from "../model/expression.ts";
import type { Fault, Form } from "../model/form.ts";
import { inputsOf, withInputs } from "../model/inputs.ts";
import { isObject, withName, type Json, type JsonObject } from "../model/json.ts";
import type { Outcome } from "../state.ts";
import { JsonInput } from "../form/JsonInput.tsx";
import { filesTo } from "./files.ts";
import { Markdown } from "./Markdown.tsx";
import { ResultView } from "./ResultView.tsx";
import { short } from "./show.ts";

export interface StepPanelProps {
  step: JsonObject;
  document: Document;
  index: number;
  about: ActionInfo | undefined;
  known: Known;
  outcome: Outcome | undefined;
  setStep: (change: (step: JsonObject) => JsonObject, mark?: string) => void;
  setDocument: (change: (document: Document) => Document) => void;
  rename: (to: string) => void;
  remove: () => void;
  connect: (to: string | null) => void;
  run: (inputs: JsonObject) => void;
  startJob: (action: string, inputs: JsonObject) => void;
  stop: () => void;
  /** Runs the step over rows of a table; null where the service keeps no such runs. */
  rows: ((file: File | null) => void) | null;
  map: ((label: string, type: string | undefined, onChange: Change) => void) | null;
  drop: (source: string, onChange: Change) => void;
}

type Tab = "inputs" | "next" | "json" | "request";
const TABS: [Tab, string][] = [["inputs", "Inputs"], ["next", "What comes next"], ["json", "JSON"], ["request", "Request"]];

export function StepPanel(props: StepPanelProps): ReactNode {
  const { step, about, known, outcome, setStep } = props;
  const id = stepId(step);
  const task = taskOf(step);
  const action = task ?? operation(step);
  const [form, setForm] = useState<Form | null>(null);
  const [trouble, setTrouble] = useState("");
  const [tab, setTab] = useState<Tab>("inputs");
  useEffect(() => {
    let gone = false;
    setForm(null);
    setTrouble("");
    api.form(action, task !== null).then((found) => gone || setForm(found), (error: Error) => gone || setTrouble(error.message));
    return () => void (gone = true);
  }, [action, task]);
  const inputs = useMemo(() => (form ? inputsOf(step, form, task !== null) : null), [step, form, task]);
  const faults = useFaults(action, inputs, known, task !== null);
  const running = outcome?.state === "running";
  const result = useShownResult(outcome);
  const run = (): void => (result.expect(), props.run(inputs!));
  return (
    <section className="panel" aria-label={`Step ${id}`} data-ready={form !== null} {...(props.rows ? filesTo(props.rows) : {})}>
      <header>
        <NameInput key={id} id={id} fault={(to) => nameFault(props.document, props.index, id, to)} rename={props.rename} />
        <p className="dim">{about?.title ?? action}{about?.hints.paid ? " · paid" : ""}{about?.hints.destructive ? " · deletes" : ""}</p>
        <div className="actions">
          {running ? (
            <button type="button" className="primary" onClick={props.stop}>Stop</button>
          ) : (
            <button type="button" className="primary" disabled={!form || !inputs} onClick={run}>Run step</button>
          )}
          {about?.job && <button type="button" disabled={!inputs} onClick={() => props.startJob(action, inputs!)}>Start as a job</button>}
          {props.rows && <button type="button" disabled={!inputs} onClick={() => props.rows!(null)}>Run over rows</button>}
          <button type="button" onClick={props.remove}>Delete step</button>
        </div>
      </header>
      <div className="tabs" role="tablist" aria-label="Parts of the step" onKeyDown={(event) => arrows(event, tab, setTab)}>
        {TABS.map(([each, title]) => (
          <button key={each} type="button" role="tab" id={`tab-${each}`} aria-selected={tab === each} aria-controls="tab-panel" tabIndex={tab === each ? 0 : -1} onClick={() => setTab(each)}>
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`}>
        {trouble && <p className="warning">{trouble}</p>}
        {tab === "inputs" && form && (
          inputs ? (
            <>
              {form.help && <Markdown text={form.help} />}
              <p className={faults?.length ? "summary" : "dim"} data-faults={faults?.length}>
                {faults === null ? "Checking …" : faults.length === 0 ? "Nothing is missing." : `${faults.length === 1 ? "1 thing is" : `${faults.length} things are`} missing or wrong.`}
              </p>
              <FormView
                form={form} value={inputs} faults={faults ?? NONE} map={props.map} drop={props.drop}
                preview={(expression) => short(find(expression, known) ?? "nothing is known yet", 60)}
                onChange={(to, mark) => setStep((old) => withInputs(old, form, task !== null, to), `${id}/${mark ?? ""}`)}
                {...(task ? {} : { options: (field: string, search: string, signal: AbortSignal) => offers(action, field, search, inputs, signal) })}
              />
              <Elsewhere faults={faults ?? NONE} form={form} />
            </>
          ) : <p className="warning">The body of this step is text. It is kept as it is; change it under JSON.</p>
        )}
        {tab === "next" && <Next {...props} />}
        {tab === "json" && <JsonInput id="step-json" value={step} label="The step as JSON" onChange={(to) => isObject(to) && to.stepId === id && setStep(() => to)} />}
        {tab === "request" && form && inputs && <Request action={action} task={task !== null} inputs={inputs} />}
      </div>
      {outcome && (
        <section aria-label="Result" className="outcome" tabIndex={-1} ref={result.place}>
          <h3>Result {running && <button type="button" className="small" onClick={props.stop}>Stop</button>}</h3>
          <ResultView outcome={outcome} source={id} />
        </section>
      )}
    </section>
  );
}

/** Where the result stands: a run that was asked for here brings it into view and gives it the focus, when it begins and when it has ended. */
function useShownResult(outcome: Outcome | undefined): { place: React.RefObject<HTMLElement | null>; expect: () => void } {
  const place = useRef<HTMLElement>(null);
  const expected = useRef(false);
  const ended = outcome !== undefined && outcome.state !== "running";
  useEffect(() => {
    const section = place.current;
    if (!expected.current || !section) return;
    const focused = document.activeElement;
    const left = ended && focused !== document.body && !section.contains(focused) && !(focused as HTMLElement).matches(".panel header button");
    expected.current = !ended;
    if (left) return; // whoever goes on elsewhere is not called back
    section.focus({ preventScroll: true });
    section.scrollIntoView({ block: "start" });
  }, [outcome?.started, ended]);
  return { place, expect: () => void (expected.current = true) };
}

function arrows(event: React.KeyboardEvent, tab: Tab, setTab: (tab: Tab) => void): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? TABS.length - 1 : 0;
  if (!step) return;
  const next = TABS[(TABS.findIndex(([each]) => each === tab) + step) % TABS.length]![0];
  setTab(next);
  document.getElementById(`tab-${next}`)?.focus();
}

/** Faults at places that have no field. */
function Elsewhere({ faults, form }: { faults: Fault[]; form: Form }): ReactNode {
  const lost = faults.filter((fault) => fault.pointer === "" || !form.fields.some((field) => field.visibility !== "internal" && (fault.pointer === `/${field.name}` || fault.pointer.startsWith(`/${field.name}/`))));
  return <Faults faults={lost} />;
}

const NONE: Fault[] = [];

/** What `validate` says of the inputs; expressions are looked at as what they find now. */
function useFaults(action: string, inputs: JsonObject | null, known: Known, task: boolean): Fault[] | null {
  const [faults, setFaults] = useState<Fault[] | null>(null);
  useEffect(() => {
    if (!inputs) return;
    const stop = new AbortController();
    const { value, unknown } = filled(inputs, known);
    const timer = setTimeout(() => {
      api.validate(action, value as JsonObject, { signal: stop.signal }, task).then(
        (answer) => setFaults(answer.faults.filter((fault) => !unknown.some((place) => fault.pointer === place || fault.pointer.startsWith(`${place}/`)))),
        (error: Error) => error instanceof ApiFailure && setFaults([{ pointer: "", rule: "service", message: error.message }]),
      );
    }, 150);
    return () => (clearTimeout(timer), stop.abort());
  }, [action, inputs, known, task]);
  return faults;
}

async function offers(action: string, field: string, search: string, inputs: JsonObject, signal: AbortSignal) {
  const plain = Object.fromEntries(Object.entries(inputs).filter(([, value]) => typeof value === "string" && !value.startsWith("$")));
  const found = await api.options(action, field, { inputs: plain, ...(search ? { search } : {}) }, { signal });
  const source = { live: "From your account.", kept: "From your account, kept from before.", described: "Known values; the account was not asked.", none: "" }[found.source] ?? "";
  const problem = isObject(found.problem) ? String(found.problem.message ?? "") : "";
  return { options: found.options, note: [source, found.more ? "There are more." : "", problem].filter(Boolean).join(" ") };
}

function NameInput({ id, fault, rename }: { id: string; fault: (to: string) => string | null; rename: (to: string) => void }): ReactNode {
  const [typed, setTyped] = useState(id);
  const wrong = fault(typed);
  const take = (): void => {
    if (wrong) setTyped(id);
    else if (typed !== id) rename(typed);
  };
  return (
    <div className="name">
      <label htmlFor="step-name">Name of the step</label>
      <input id="step-name" value={typed} spellCheck={false} aria-invalid={wrong !== null || undefined} onChange={(event) => setTyped(event.target.value)} onBlur={take}
        onKeyDown={(event) => event.key === "Enter" && take()} />
      {wrong && <p className="fault">{wrong}</p>}
    </div>
  );
}

/** What comes after the step: the next one, branches on conditions, repeats after failures. All of it by keys. */
function Next(props: StepPanelProps): ReactNode {
  const { step, document, index, setDocument, known } = props;
  const id = stepId(step);
  const others = steps(document, index).map(stepId).filter((each) => each !== id);
  const success = Array.isArray(step.onSuccess) ? step.onSuccess : [];
  const failure = Array.isArray(step.onFailure) ? step.onFailure : [];
  const certain = success.find((action) => isObject(action) && !action.criteria && !action.reference && action.type !== "retry") as JsonObject | undefined;
  const all = steps(document, index).map(stepId);
  const next = certain ? (certain.type === "goto" ? String(certain.stepId) : "") : (all[all.indexOf(id) + 1] ?? "");
  const retry = failure.findIndex((action) => isObject(action) && action.type === "retry");
  const held = retry >= 0 ? (failure[retry] as JsonObject) : null;
  const add = (name: ActionList): void =>
    setDocument((old) => withAction(old, index, id, name, null, { name: free(name === "onSuccess" ? success : failure, "branch"), type: "end", criteria: [{ condition: firstCondition(known.bodies[id]) }] }));
  return (
    <div className="next">
      <div className="field">
        <label htmlFor="next-step">Then</label>
        <select id="next-step" value={next} onChange={(event) => props.connect(event.target.value || null)}>
          <option value="">The flow ends</option>
          {others.map((each) => <option key={each} value={each}>{each}</option>)}
        </select>
      </div>
      <h3>Branches</h3>
      {success.map((action, place) => isObject(action) && Array.isArray(action.criteria) && !action.reference && action.type !== "retry" && (
        <Branch key={place} action={action} others={others} body={known.bodies[id]} name={`Branch ${place + 1}`}
          set={(to) => setDocument((old) => withAction(old, index, id, "onSuccess", place, to))} remove={() => setDocument((old) => withoutAction(old, index, id, "onSuccess", place))} />
      ))}
      <button type="button" onClick={() => add("onSuccess")}>Add a branch</button>
      <h3>If the step fails</h3>
      {failure.map((action, place) => isObject(action) && !action.reference && action.type !== "retry" && (
        <Branch key={place} action={action} others={others} body={known.bodies[id]} name={`Failure ${place + 1}`}
          set={(to) => setDocument((old) => withAction(old, index, id, "onFailure", place, to))} remove={() => setDocument((old) => withoutAction(old, index, id, "onFailure", place))} />
      ))}
      <button type="button" onClick={() => add("onFailure")}>Add what happens on failure</button>
      <div className="field">
        <label htmlFor="retries">Try again, times</label>
        <input id="retries" type="number" min={0} max={10} value={held ? Number(held.retryLimit ?? 1) : 0}
          onChange={(event) => {
            const limit = Math.max(0, Math.min(10, Math.floor(Number(event.target.value))));
            setDocument((old) =>
              limit === 0
                ? retry >= 0 ? withoutAction(old, index, id, "onFailure", retry) : old
                : withAction(old, index, id, "onFailure", retry >= 0 ? retry : null, { ...(held ?? { name: "again", type: "retry", retryAfter: 1 }), retryLimit: limit }));
          }} />
      </div>
    </div>
  );
}

function free(actions: Json[], wanted: string): string {
  const taken = new Set(actions.map((action) => (isObject(action) ? action.name : "")));
  for (let number = 1; ; number++) if (!taken.has(`${wanted}-${number}`)) return `${wanted}-${number}`;
}

/** A condition to begin with: on the first truth value of the answer, else on its status. */
function firstCondition(body: Json | undefined): string {
  const place = body === undefined ? null : firstBoolean(body, "", 0);
  return place === null ? "$statusCode == 200" : `$response.body#${place} == true`;
}

function firstBoolean(value: Json, pointer: string, depth: number): string | null {
  if (typeof value === "boolean") return pointer;
  if (depth > 5 || typeof value !== "object" || value === null) return null;
  for (const [name, part] of Object.entries(value).slice(0, 40)) {
    const found = firstBoolean(part as Json, `${pointer}/${name}`, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

function Branch({ action, others, body, name, set, remove }: { action: JsonObject; others: string[]; body: Json | undefined; name: string; set: (action: JsonObject) => void; remove: () => void }): ReactNode {
  const criteria = Array.isArray(action.criteria) ? action.criteria : [];
  const only = criteria.length === 1 && isObject(criteria[0]) && criteria[0].type === undefined ? criteria[0] : null;
  const target = action.type === "goto" ? String(action.stepId ?? "") : "";
  return (
    <div className="entry">
      {criteria.length === 0 ? null : only ? (
        <label>If <input type="text" aria-label={`${name}: condition`} value={String(only.condition ?? "")} spellCheck={false} list="conditions"
          onChange={(event) => set(withName(action, "criteria", [withName(only, "condition", event.target.value)]))} /></label>
      ) : <p className="dim">If {criteriaText(action)} (kept as it is; change it under JSON)</p>}
      <datalist id="conditions">
        {body !== undefined && conditions(body).map((each) => <option key={each} value={each} />)}
      </datalist>
      <label>go to <select aria-label={`${name}: target`} value={target}
        onChange={(event) => set(event.target.value ? { ...withName(action, "type", "goto"), stepId: event.target.value } : withName(withName(action, "type", "end"), "stepId", undefined))}>
        <option value="">the end</option>
        {others.map((each) => <option key={each} value={each}>{each}</option>)}
      </select></label>
      <button type="button" className="small" onClick={remove} aria-label={`Remove ${name.toLowerCase()}`}>✕</button>
    </div>
  );
}

function conditions(body: Json): string[] {
  const found: string[] = [];
  const walk = (value: Json, pointer: string, depth: number): void => {
    if (found.length > 60 || depth > 5) return;
    if (typeof value === "boolean") found.push(`$response.body#${pointer} == true`, `$response.body#${pointer} == false`);
    else if (typeof value === "number") found.push(`$response.body#${pointer} > ${value}`);
    else if (typeof value === "string" && value.length < 30) found.push(`$response.body#${pointer} == '${value.replaceAll("'", "''")}'`);
    else if (typeof value === "object" && value !== null) for (const [name, part] of Object.entries(value).slice(0, 40)) walk(part as Json, `${pointer}/${name}`, depth + 1);
  };
  walk(body, "", 0);
  return found;
}

/** The request that a program would send to this service, with a name in place of the token. */
function Request({ action, task, inputs }: { action: string; task: boolean; inputs: JsonObject }): ReactNode {
  const path = `${location.origin}/kosha/v1/${task ? "tasks" : "actions"}/${action}/run`;
  const body = JSON.stringify({ inputs: short64(inputs) }, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value), 2);
  const curl = `curl ${path} \\\n  -H "Authorization: Bearer $KOSHA_TOKEN" \\\n  -H "Content-Type: application/json" \\\n  -d '${body.replaceAll("'", `'\\''`)}'`;
  const box = useRef<HTMLPreElement>(null);
  return (
    <div className="request">
      <p className="dim">The same call from a terminal, through a gateway of yours. The key and the token are never shown here.</p>
      <pre ref={box} tabIndex={0} aria-label="Request as curl">{curl}</pre>
      <button type="button" onClick={() => void navigator.clipboard?.writeText(curl)}>Copy</button>
    </div>
  );
}

/** Files shortened, so that a request can be read. */
function short64(value: Json): Json {
  if (Array.isArray(value)) return value.map(short64);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, name === "base64" && typeof part === "string" && part.length > 200 ? `${part.slice(0, 40)}…` : short64(part)]));
}
