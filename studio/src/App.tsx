/** The page: signing in, then palette, canvas and the step that is chosen. */
import { ReactFlowProvider } from "@xyflow/react";
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { api, ApiFailure, forget, whenSignedOut, type ActionInfo, type Catalog, type Envelope, type Sample, type Workbench } from "./api.ts";
import type { Change } from "./form/context.ts";
import { addStep, connect, disconnect, edges, findStep, freeId, isDocument, itemKey, operation, removeStep, renameStep, stepId, steps, taskOf, withAction, withInput, withOutput, withStep, workflow, workflows, type Document } from "./model/document.ts";
import { filled, type Known } from "./model/expression.ts";
import { startingInputs, type Fault } from "./model/form.ts";
import { inputsOf, withInputs } from "./model/inputs.ts";
import { isObject, type Json, type JsonObject } from "./model/json.ts";
import type { Place } from "./model/layout.ts";
import { wholeAnswer } from "./model/pieces.ts";
import { readText, writeJson, writeText } from "./model/text.ts";
import { Canvas } from "./parts/Canvas.tsx";
import { ConnectionDialog } from "./parts/ConnectionDialog.tsx";
import { FlowPanel, type FlowOutcome } from "./parts/FlowPanel.tsx";
import { HistoryDialog } from "./parts/HistoryDialog.tsx";
import { JobsDialog, type Job } from "./parts/JobsDialog.tsx";
import { MapDialog, misfit, type Picked, type Source } from "./parts/MapDialog.tsx";
import { Palette, type Dragged } from "./parts/Palette.tsx";
import { filesTo } from "./parts/files.ts";
import { RowsDialog, type Purpose, type Setups } from "./parts/RowsDialog.tsx";
import { SignIn } from "./parts/SignIn.tsx";
import { StepPanel } from "./parts/StepPanel.tsx";
import { emptyDraft, keepJobs, keepSetups, keptDraft, keptJobs, keptSetups, useDraft, type Draft, type Outcome } from "./state.ts";

export function App(): ReactNode {
  const [state, setState] = useState<{ catalog: Catalog; draft: Draft; bench: Workbench | null; jobs: Job[]; setups: Setups | null } | { reason: string } | { bench: Workbench } | null>(null);
  const start = useCallback(async () => {
    try {
      const [bench, draft, jobs] = await Promise.all([api.workbench(), keptDraft(), keptJobs()]);
      if (bench && !bench.connected) return setState({ bench });
      const [catalog, runs, setups] = await Promise.all([api.catalog(), api.bulkRuns(), keptSetups()]);
      setState({ catalog, draft: draft ?? emptyDraft(catalog.connector), bench, jobs, setups: runs && ofThese(setups, runs) });
    } catch (error) {
      setState({ reason: (error as ApiFailure).status === 401 ? "Sign in with a token, or open the address that the studio printed when it started." : (error as Error).message });
    }
  }, []);
  useEffect(() => {
    whenSignedOut(() => (forget(), setState({ reason: "You are signed out. Sign in with a token, or start the studio again and open the address that it prints." })));
    const code = /^#code=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
    if (code) history.replaceState(null, "", location.pathname);
    void (code ? api.signIn({ code }).catch(() => {}) : Promise.resolve()).then(start);
  }, [start]);
  if (state === null) return <main className="sign-in"><p>Starting …</p></main>;
  if ("reason" in state) return <SignIn reason={state.reason} done={() => void start()} />;
  if (!("catalog" in state)) return <ConnectionDialog bench={state.bench} close={null} connected={() => (forget(), void start())} />;
  return (
    <ReactFlowProvider>
      <Studio catalog={state.catalog} first={state.draft} bench={state.bench} firstJobs={state.jobs} firstSetups={state.setups} reconnected={() => (forget(), void start())} />
    </ReactFlowProvider>
  );
}

const MOST_EVENTS = 20_000;
type Pane = "actions" | "step" | "flow";

function Studio({ catalog, first, bench, firstJobs, firstSetups, reconnected }: { catalog: Catalog; first: Draft; bench: Workbench | null; firstJobs: Job[]; firstSetups: Setups | null; reconnected: () => void }): ReactNode {
  const { draft, send, canUndo, canRedo } = useDraft(first);
  const { document } = draft;
  const latest = useRef(draft);
  latest.current = draft;
  const [index, setIndex] = useState(0);
  const [selected, select] = useState<string | null>(null);
  const [outcomes, setOutcomes] = useState<{ [step: string]: Outcome }>({});
  const [samples, setSamples] = useState<{ [action: string]: Sample }>({});
  const [said, say] = useState("");
  const [ghost, setGhost] = useState<Dragged | null>(null);
  const [mapping, setMapping] = useState<{ label: string; wanted: string | undefined; onChange: Change } | null>(null);
  const [pane, setPane] = useState<Pane>("actions");
  const [dialog, setDialog] = useState<"connection" | "history" | "jobs" | null>(null);
  const [jobs, setJobs] = useState(firstJobs);
  useEffect(() => void keepJobs(jobs), [jobs]);
  // Rows over an action; null where the service keeps no runs over rows.
  const [setups, setSetups] = useState(firstSetups ?? {});
  const [rows, setRows] = useState<{ purpose: Purpose | null; file: File | null } | null>(null);
  const hasRows = firstSetups !== null;
  useEffect(() => void keepSetups(setups), [setups]);
  useEffect(keepFilesOut, []);
  const note = (what: string, outcome: string, milliseconds: number, envelope?: Envelope, contents?: JsonObject): void => {
    if (!bench) return;
    const run: JsonObject = { what: what.slice(0, 200), outcome, seconds: milliseconds / 1000, request_id: envelope?.request_id ?? null, usage: envelope?.usage ?? null };
    void api.addRun(bench.contents && contents ? { ...run, contents } : run).catch(() => {});
  };
  const canvas = useRef<{ toCanvas: (point: Place) => Place; fit: () => void } | null>(null);
  const area = useRef<HTMLElement>(null);
  const stops = useRef(new Map<string, AbortController>());
  const change = useCallback((to: (document: Document) => Document, mark?: string) => send({ type: "change", change: (old) => ({ ...old, document: to(old.document) }), ...(mark ? { mark } : {}) }), [send]);

  const actions = useMemo(() => {
    return new Map<string, ActionInfo>(catalog.items.map((each) => [each.kind === "task" ? `task:${each.id}` : each.id, each]));
  }, [catalog]);
  // The form that is likeliest asked for first; with it the service has read what all forms stand on.
  useEffect(() => {
    const first = catalog.items.find((each) => each.kind !== "task");
    if (first) void api.form(first.id).catch(() => {});
  }, [catalog]);
  const all = steps(document, index);
  const step = selected === null ? undefined : findStep(document, index, selected);

  // What earlier steps give: their last results, or the samples of their actions.
  const wanted = all.map((each) => itemKey(each)).join(" ");
  useEffect(() => {
    for (const name of new Set(wanted.split(" ").filter(Boolean))) {
      if (samples[name]) continue;
      const task = name.startsWith("task:");
      api.sample(task ? name.slice(5) : name, task).then((sample) => setSamples((old) => ({ ...old, [name]: sample })), () => {});
    }
  }, [wanted]);
  const known = useMemo<Known>(() => {
    const found: Known = { inputs: {}, bodies: {}, outputs: {} };
    const declared = workflow(document, index).inputs;
    const properties = isObject(declared) && isObject(declared.properties) ? declared.properties : {};
    for (const [name, schema] of Object.entries(properties)) found.inputs[name] = draft.values[name] ?? (isObject(schema) ? (schema.default ?? schema.example ?? exampleOf(schema)) : undefined);
    for (const each of all) {
      const id = stepId(each);
      const name = itemKey(each);
      found.bodies[id] = outcomes[id]?.body ?? samples[name]?.answer;
      found.outputs[id] = isObject(each.outputs) ? Object.fromEntries(Object.entries(each.outputs).map(([key, made]) => [key, String(made)])) : {};
    }
    return found;
  }, [document, index, outcomes, samples, draft.values]);

  const insert = useCallback(async (action: ActionInfo, after: string | null, at: Place | null): Promise<Purpose | null> => {
    const task = action.kind === "task";
    try {
      const form = await api.form(action.id, task);
      const id = freeId(latest.current.document, index, action.id.replace(/^create(?=[A-Z])/, "").replace(/^[A-Z]/, (letter) => letter.toLowerCase()));
      const inputs = startingInputs(form);
      send({
        type: "change",
        change: (old) => {
          const bare: JsonObject = { stepId: id, operationId: action.action ?? action.id, ...(task ? { "x-kosha-task": action.id } : {}) };
          const made = withInputs(bare, form, task, inputs);
          const first = steps(old.document, index).length === 0;
          return { ...old, document: addStep(old.document, index, made, first ? null : after), places: at ? { ...old.places, [id]: at } : after ? {} : old.places };
        },
      });
      select(id);
      setPane("step");
      say(`${action.title} is in the flow as ${id}.`);
      return { title: id, target: action.id, task, inputs };
    } catch (error) {
      say((error as Error).message);
      return null;
    }
  }, [index, send]);

  const add = useCallback((action: ActionInfo) => {
    const last = all.at(-1);
    return insert(action, selected ?? (last ? stepId(last) : null), null).finally(() => requestAnimationFrame(() => requestAnimationFrame(() => canvas.current?.fit())));
  }, [all, selected, insert]);
  const addRef = useRef(add);
  addRef.current = add;
  const stableAdd = useCallback((action: ActionInfo) => void addRef.current(action), []);
  const addWithRows = useCallback((action: ActionInfo, file: File) => void addRef.current(action).then((purpose) => purpose && setRows({ purpose, file })), []);
  /** Rows for a step: what its form holds is what all of them share. */
  const rowsFor = async (id: string, file: File | null): Promise<void> => {
    const now = findStep(document, index, id);
    if (!now) return;
    const task = taskOf(now);
    const target = task ?? operation(now);
    const form = await api.form(target, task !== null);
    const { value, unknown } = filled(inputsOf(now, form, task !== null) ?? {}, known);
    if (unknown.length) return say(`There is no value yet for ${unknown.join(", ")}: rows take values, not steps before.`);
    setRows({ purpose: { title: id, target, task: task !== null, inputs: isObject(value) ? value : {} }, file });
  };
  const drag = useCallback((dragged: Dragged, done: boolean) => {
    setGhost(done ? null : dragged);
    if (!done) return;
    const box = area.current?.getBoundingClientRect();
    const inside = box && dragged.x >= box.left && dragged.x <= box.right && dragged.y >= box.top && dragged.y <= box.bottom;
    if (!inside || !canvas.current) return;
    const place = canvas.current.toCanvas({ x: dragged.x, y: dragged.y });
    void insert(dragged.action, null, { x: place.x - 120, y: place.y - 30 });
  }, [insert]);
  const ready = useCallback((toCanvas: (point: Place) => Place, fit: () => void) => void (canvas.current = { toCanvas, fit }), []);

  const run = async (id: string, inputs: JsonObject): Promise<void> => {
    const now = findStep(document, index, id)!;
    const task = taskOf(now);
    const action = task ?? operation(now);
    const started = performance.now();
    const set = (more: Partial<Outcome>): void => setOutcomes((old) => ({ ...old, [id]: { ...(old[id] ?? { state: "running", text: "", pieces: 0, started }), ...more } }));
    const { value, unknown } = filled(inputs, known);
    if (unknown.length) {
      setOutcomes((old) => ({ ...old, [id]: { state: "failed", text: "", pieces: 0, started, failure: { message: `There is no value yet for ${unknown.join(", ")}.`, hint: "Run the step that it comes from first, or give the flow's input a value." } } }));
      return;
    }
    const stop = new AbortController();
    stops.current.set(id, stop);
    setOutcomes((old) => ({ ...old, [id]: { state: "running", text: "", pieces: 0, started } }));
    let text = "";
    let pieces = 0;
    const events: Json[] = [];
    try {
      const envelope = await api.run(action, { inputs: value, file: "link", ...(task ? {} : { result: true }) }, (event) => {
        if (event.name !== "event" || !isObject(event.data)) return;
        if (events.length < MOST_EVENTS) events.push(event.data.data ?? null);
        if (typeof event.data.text === "string" && event.data.text) set({ text: (text += event.data.text), pieces: ++pieces });
      }, stop.signal, task !== null);
      const body = bodyOf(envelope, events);
      set({ state: "ok", envelope, body, milliseconds: performance.now() - started });
      note(`${action} (${id})`, "ok", performance.now() - started, envelope, { inputs: value, answer: body });
      say(`${id}: done.`);
    } catch (error) {
      const stopped = (error as Error).name === "AbortError";
      const failure = error as ApiFailure;
      set({
        state: stopped ? "stopped" : "failed", milliseconds: performance.now() - started,
        failure: stopped ? { message: "Stopped. What was sent may have been charged." } : {
          message: failure.message, hint: advice(failure), faults: failure.faults ?? [],
          ...(typeof failure.detail?.request_id === "string" ? { requestId: failure.detail.request_id } : {}),
        },
      });
      note(`${action} (${id})`, stopped ? "stopped" : `failed ${failure.status || ""}`.trim(), performance.now() - started);
      say(`${id}: ${stopped ? "stopped" : "failed"}.`);
    } finally {
      stops.current.delete(id);
    }
  };

  const startJob = async (id: string, action: string, inputs: JsonObject): Promise<void> => {
    const { value, unknown } = filled(inputs, known);
    if (unknown.length) return say(`There is no value yet for ${unknown.join(", ")}.`);
    try {
      const answer = await api.job("start", { action, inputs: value }, () => {}, new AbortController().signal);
      const handle = isObject(answer.handle) ? answer.handle : {};
      setJobs((old) => [{ id: crypto.randomUUID(), title: `${id} (${action})`, handle, state: String(handle.state ?? "started"), end: null }, ...old]);
      setDialog("jobs");
    } catch (error) {
      const failure = error as ApiFailure;
      setOutcomes((old) => ({ ...old, [id]: { state: "failed", text: "", pieces: 0, started: performance.now(), failure: { message: failure.message, hint: advice(failure), faults: failure.faults ?? [] } } }));
    }
  };

  // What is wrong with the whole flow, as the service says before anything is sent.
  const [faults, setFaults] = useState<Fault[]>([]);
  useEffect(() => {
    if (steps(document, 0).length === 0 && workflows(document).length === 1) return setFaults([]);
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.checkFlow(document, { signal: stop.signal }).then((answer) => setFaults(answer.faults), () => {});
    }, 400);
    return () => (clearTimeout(timer), stop.abort());
  }, [document]);
  const [outcome, setOutcome] = useState<FlowOutcome | null>(null);
  const flowStop = useRef<AbortController | null>(null);
  const runFlow = async (): Promise<void> => {
    const stop = new AbortController();
    flowStop.current = stop;
    const name = String(workflow(document, index).workflowId);
    const started = performance.now();
    const declared = workflow(document, index).inputs;
    const names = isObject(declared) && isObject(declared.properties) ? Object.keys(declared.properties) : [];
    const inputs = Object.fromEntries(Object.entries(draft.values).filter(([each]) => names.includes(each)));
    setOutcomes({});
    setOutcome({ state: "running", steps: [] });
    say("The flow runs.");
    const set = (id: string, to: (old: Outcome) => Partial<Outcome>): void =>
      setOutcomes((old) => {
        const before = old[id] ?? { state: "running" as const, text: "", pieces: 0, started: performance.now() };
        return { ...old, [id]: { ...before, ...to(before) } };
      });
    try {
      const result = await api.runFlow({ document, workflow: name, inputs, file: "link" }, ({ name: kind, data }) => {
        if (!isObject(data) || typeof data.step !== "string") return;
        const id = data.step;
        if (kind === "begun") setOutcomes((old) => ({ ...old, [id]: { state: "running", text: "", pieces: 0, started: performance.now() } }));
        else if (kind === "text") set(id, (old) => ({ text: old.text + String(data.text), pieces: old.pieces + 1 }));
        else if (kind === "answer") set(id, () => ({ envelope: data as unknown as Envelope, body: bodyOf(data as unknown as Envelope, []) }));
        else if (kind === "ended") {
          const well = data.outcome === "succeeded";
          set(id, () => ({
            state: well ? "ok" : "failed", milliseconds: Number(data.duration ?? 0) * 1000,
            ...(well ? {} : { failure: { message: data.error === "criteria" ? "A condition of the step was not met." : `The step failed: ${String(data.error ?? "no reason is known")}.`, ...(typeof data.failed === "string" ? { hint: data.failed } : {}), ...(typeof data.request_id === "string" ? { requestId: data.request_id } : {}) } }),
          }));
          setOutcome((old) => old && { ...old, steps: [...old.steps, `${id}: ${String(data.outcome)}`] });
        }
      }, stop.signal);
      setOutcome((old) => ({ state: "ok", steps: old?.steps ?? [], result, milliseconds: performance.now() - started }));
      note(`flow ${name}`, "ok", performance.now() - started, { usage: isObject(result.usage) ? result.usage : null } as Envelope, { inputs, outputs: result.outputs ?? null });
      say("The flow is done.");
    } catch (error) {
      const failure = error as ApiFailure;
      const stopped = failure.name === "AbortError";
      setOutcomes((old) => Object.fromEntries(Object.entries(old).map(([id, each]) => [id, each.state === "running" ? { ...each, state: stopped ? "stopped" : "failed" } : each])));
      setOutcome((old) => ({
        state: stopped ? "stopped" : "failed", steps: old?.steps ?? [], milliseconds: performance.now() - started, ...(failure.result ? { result: failure.result } : {}),
        failure: stopped ? { message: "Stopped. What was sent may have been charged." } : { message: failure.message, hint: advice(failure), faults: failure.faults ?? [] },
      }));
      note(`flow ${name}`, stopped ? "stopped" : "failed", performance.now() - started);
      say(stopped ? "The flow was stopped." : "The flow failed.");
    } finally {
      flowStop.current = null;
    }
  };

  const rename = (from: string, to: string): void => {
    send({
      type: "change",
      change: (old) => {
        const { [from]: place, ...places } = old.places;
        return { ...old, document: renameStep(old.document, index, from, to), places: place ? { ...places, [to]: place } : places };
      },
    });
    setOutcomes(({ [from]: outcome, ...others }) => (outcome ? { ...others, [to]: outcome } : others));
    select(to);
    say(`${from} is called ${to} now, everywhere.`);
  };
  const remove = (id: string): void => {
    change((old) => removeStep(old, index, id));
    if (selected === id) select(null);
    say(`${id} is gone. Undo brings it back.`);
  };

  const before = useMemo(() => {
    // Steps from which a run comes to the chosen one.
    const lines = edges(document, index);
    const found = new Set<string>();
    const waiting = selected === null ? [] : [selected];
    while (waiting.length) {
      const id = waiting.pop()!;
      for (const line of lines) if (line.to === id && line.from !== selected && !found.has(line.from)) (found.add(line.from), waiting.push(line.from));
    }
    return found;
  }, [document, index, selected]);
  const sources = useMemo<Source[]>(() => [
    ...all.filter((each) => before.has(stepId(each))).reverse().flatMap((each): Source[] => {
      const id = stepId(each);
      const body = known.bodies[id];
      return body === undefined ? [] : [{ step: id, body, from: outcomes[id]?.body === undefined ? "sample" : "result" }];
    }),
    { step: null, body: Object.fromEntries(Object.entries(known.inputs).map(([name, value]) => [name, value ?? ""])), from: "inputs" },
  ], [all, before, known, outcomes]);
  const use = (picked: Picked, onChange: Change, type: string | undefined): void => {
    if (picked.step === null) onChange(`$inputs.${picked.pointer.slice(1)}`);
    else {
      const { expression } = withOutput(document, index, picked.step, picked.pointer);
      change((old) => withOutput(old, index, picked.step!, picked.pointer).document);
      onChange(expression);
    }
    const wrong = misfit(type, picked.value);
    say(wrong ? `Mapped, but the value ${wrong}.` : "Mapped.");
  };

  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      const typing = (event.target as HTMLElement).closest("input, textarea, select");
      const command = event.ctrlKey || event.metaKey;
      if (command && !typing && event.key.toLowerCase() === "z") {
        event.preventDefault();
        send({ type: event.shiftKey ? "redo" : "undo" });
      } else if (command && !typing && event.key.toLowerCase() === "y") {
        event.preventDefault();
        send({ type: "redo" });
      } else if (event.key === "/" && !typing) {
        event.preventDefault();
        setPane("actions");
        requestAnimationFrame(() => window.document.getElementById("search")?.focus());
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [send]);

  const flows = workflows(document);
  return (
    <div className="studio" data-pane={pane}>
      <header className="top">
        <h1>Kosha Studio</h1>
        <input className="title" aria-label="Title of the flow" value={String((document.info as JsonObject | undefined)?.title ?? "")}
          onChange={(event) => { const title = event.target.value; change((old) => ({ ...old, info: { ...(isObject(old.info) ? old.info : {}), title } }), "title"); }} />
        {flows.length > 1 && (
          <select aria-label="Workflow" value={index} onChange={(event) => (setIndex(Number(event.target.value)), select(null))}>
            {flows.map((flow, place) => <option key={place} value={place}>{String(flow.workflowId)}</option>)}
          </select>
        )}
        <span className="bar">
          <button type="button" onClick={() => send({ type: "undo" })} disabled={!canUndo}>Undo</button>
          <button type="button" onClick={() => send({ type: "redo" })} disabled={!canRedo}>Redo</button>
          <button type="button" onClick={() => { send({ type: "change", change: (old) => ({ ...old, places: {} }) }); requestAnimationFrame(() => requestAnimationFrame(() => canvas.current?.fit())); }}>Tidy up</button>
          <OpenFile open={(name, text) => {
            try {
              const value = readText(text);
              if (!isDocument(value)) throw new Error("This is no Arazzo document: it needs workflows, each with steps that have a stepId.");
              send({ type: "change", change: () => ({ document: value, places: {}, values: {}, file: name }) });
              setOutcomes({});
              setIndex(0);
              select(null);
              say(`${name} is open.`);
              requestAnimationFrame(() => requestAnimationFrame(() => canvas.current?.fit()));
            } catch (error) {
              say(`${name} cannot be opened: ${(error as Error).message}`);
            }
          }} />
          <button type="button" onClick={() => save(draft)}>Save</button>
          {outcome?.state === "running"
            ? <button type="button" className="primary" onClick={() => flowStop.current?.abort()}>Stop flow</button>
            : <button type="button" className="primary" disabled={all.length === 0} onClick={() => { select(null); setPane("step"); void runFlow(); }}>Run flow</button>}
          <button type="button" onClick={() => setDialog("connection")}>Connection</button>
          <button type="button" onClick={() => setDialog("jobs")}>Jobs{jobs.some((job) => job.end === null) ? ` (${jobs.filter((job) => job.end === null).length})` : ""}</button>
          {hasRows && <button type="button" onClick={() => setRows({ purpose: null, file: null })}>Rows</button>}
          {bench && <button type="button" onClick={() => setDialog("history")}>History</button>}
          <button type="button" onClick={() => { send({ type: "change", change: () => emptyDraft(catalog.connector) }); setOutcomes({}); setIndex(0); select(null); }}>New</button>
        </span>
      </header>
      <Palette catalog={catalog} add={stableAdd} drag={drag} rows={hasRows ? addWithRows : null} />
      <main className="canvas" ref={area} aria-label="Flow"
        {...(hasRows ? filesTo((file, target) => { const id = target.closest<HTMLElement>(".react-flow__node")?.dataset.id; if (id && findStep(document, index, id)) void rowsFor(id, file); }) : {})}>
        <Canvas
          document={document} index={index} places={draft.places} outcomes={outcomes} actions={actions} selected={selected} onReady={ready}
          select={(id) => { select(id); if (id) setPane("step"); }}
          move={(id, place) => send({ type: "change", change: (old) => ({ ...old, places: { ...old.places, [id]: place } }), mark: `move ${id}` })}
          connect={(from, to, branch) => {
            if (branch) {
              const body = known.bodies[from];
              change((old) => withAction(old, index, from, "onSuccess", null, { name: `to-${to}`, type: "goto", stepId: to, criteria: [{ condition: body === undefined ? "$statusCode == 200" : branchCondition(body) }] }));
              select(from);
              say(`${from} branches to ${to}: set the condition under "What comes next".`);
            } else change((old) => connect(old, index, from, to));
          }}
          remove={remove}
          cut={(edge) => change((old) => disconnect(old, index, edge))}
        />
        {all.length === 0 && <p className="empty-canvas">Drag an action here, or choose one and press Enter.</p>}
      </main>
      <div className="side">
        {step ? (
          <StepPanel
            key={selected} step={step} document={document} index={index} known={known} outcome={outcomes[selected!]}
            about={actions.get(itemKey(step))}
            setStep={(to, mark) => change((old) => withStep(old, index, stepId(step), to), mark)}
            setDocument={change}
            rename={(to) => rename(stepId(step), to)}
            remove={() => remove(stepId(step))}
            connect={(to) => change((old) => to === null ? disconnect(old, index, { from: stepId(step), to: null, kind: "next", action: null, label: "" }) : connect(old, index, stepId(step), to))}
            run={(inputs) => void run(stepId(step), inputs)}
            startJob={(action, inputs) => void startJob(stepId(step), action, inputs)}
            stop={() => stops.current.get(stepId(step))?.abort()}
            rows={hasRows ? (file) => void rowsFor(stepId(step), file) : null}
            map={(label, type, onChange) => setMapping({ label, wanted: type, onChange })}
            drop={(dropped, onChange) => {
              const [from, pointer = ""] = dropped.split("\n");
              const value = known.bodies[from!];
              if (value !== undefined && before.has(from!)) use({ step: from!, pointer, value: at(value, pointer) }, onChange, undefined);
              else say("A step can take values only of steps before it.");
            }}
          />
        ) : (
          <FlowPanel
            document={document} index={index} values={draft.values} faults={faults} outcome={outcome} sources={outputSources(all, known, outcomes)}
            setValues={(values, mark) => send({ type: "change", change: (old) => ({ ...old, values }), mark: `values ${mark}` })}
            setDocument={change} select={select} run={() => void runFlow()} stop={() => flowStop.current?.abort()}
          />
        )}
      </div>
      <nav className="panes" aria-label="Parts of the page">
        {(["actions", "step"] as const).map((each) => (
          <button key={each} type="button" aria-pressed={pane === each} onClick={() => setPane(each)}>{each === "actions" ? "Actions" : "Step"}</button>
        ))}
      </nav>
      <p className="said" role="status" aria-live="polite">{said}</p>
      {ghost && <Ghost dragged={ghost} />}
      {dialog === "connection" && <ConnectionDialog bench={bench} close={() => setDialog(null)} connected={reconnected} />}
      {dialog === "history" && <HistoryDialog contents={bench?.contents === true} close={() => setDialog(null)} />}
      {dialog === "jobs" && <JobsDialog jobs={jobs} set={setJobs} close={() => setDialog(null)} />}
      {rows && <RowsDialog purpose={rows.purpose} file={rows.file} setups={setups} set={setSetups} close={() => setRows(null)} />}
      {mapping && (
        <MapDialog
          label={mapping.label} wanted={mapping.wanted} sources={sources} close={() => setMapping(null)}
          pick={(picked) => { use(picked, mapping.onChange, mapping.wanted); setMapping(null); }}
          newInput={(name) => {
            change((old) => withInput(old, index, name, { type: mapping.wanted && mapping.wanted !== "any" ? mapping.wanted : "string" }, true));
            mapping.onChange(`$inputs.${name}`);
            setMapping(null);
          }}
        />
      )}
    </div>
  );
}

/** The setups of runs that are still there. */
const ofThese = (setups: Setups, runs: { run: string }[]): Setups => Object.fromEntries(Object.entries(setups).filter(([id]) => runs.some((run) => run.run === id)));

/** A file that is dropped where nothing takes it would be opened in the place of the page. */
function keepFilesOut(): () => void {
  const stay = (event: DragEvent): void => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  };
  const names = ["dragover", "drop"] as const;
  for (const name of names) addEventListener(name, stay);
  return () => names.forEach((name) => removeEventListener(name, stay));
}

/** Everything that steps give, for the outputs of the flow. */
function outputSources(all: JsonObject[], known: Known, outcomes: { [step: string]: Outcome }): Source[] {
  return all.flatMap((each): Source[] => {
    const id = stepId(each);
    const body = known.bodies[id];
    return body === undefined ? [] : [{ step: id, body, from: outcomes[id]?.body === undefined ? "sample" : "result" }];
  });
}

function at(value: Json, pointer: string): Json {
  let found: Json | undefined = value;
  for (const token of pointer.split("/").slice(1)) {
    const name = token.replaceAll("~1", "/").replaceAll("~0", "~");
    found = Array.isArray(found) ? found[Number(name)] : isObject(found) ? found[name] : undefined;
  }
  return found ?? null;
}

/** What `$response.body` is of a step, with the events of its stream put together. */
function bodyOf(envelope: Envelope, events: Json[]): Json {
  if (envelope.kind !== "events") return envelope.value;
  const held = events.length ? events : Array.isArray(envelope.value) ? envelope.value.map((event) => (isObject(event) ? (event.data ?? null) : null)) : [];
  return wholeAnswer(held) ?? envelope.value;
}

const exampleOf = (schema: JsonObject): Json | undefined => (Array.isArray(schema.examples) ? schema.examples[0] : undefined);

function branchCondition(body: Json): string {
  const walk = (value: Json, pointer: string, depth: number): string | null => {
    if (typeof value === "boolean") return pointer;
    if (depth > 5 || typeof value !== "object" || value === null) return null;
    for (const [name, part] of Object.entries(value).slice(0, 40)) {
      const found = walk(part as Json, `${pointer}/${name}`, depth + 1);
      if (found !== null) return found;
    }
    return null;
  };
  const place = walk(body, "", 0);
  return place === null ? "$statusCode == 200" : `$response.body#${place} == true`;
}

/** What to do about an error, where the service said so. */
function advice(failure: ApiFailure): string {
  const hint = failure.detail?.hint;
  return typeof hint === "string" && !failure.message.includes(hint) ? hint : "";
}

function Ghost({ dragged }: { dragged: Dragged }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => void (box.current!.style.transform = `translate(${dragged.x + 8}px, ${dragged.y + 8}px)`), [dragged]);
  return <div className="ghost" ref={box} aria-hidden="true">{dragged.action.title}</div>;
}

function OpenFile({ open }: { open: (name: string, text: string) => void }): ReactNode {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>Open</button>
      <input ref={input} type="file" accept=".yaml,.yml,.json" className="hidden" tabIndex={-1} aria-label="Arazzo document"
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (file) void file.text().then((text) => open(file.name, text));
        }} />
    </>
  );
}

function save(draft: Draft): void {
  const text = draft.file.endsWith(".json") ? writeJson(draft.document) : writeText(draft.document);
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = window.document.createElement("a");
  link.href = url;
  link.download = draft.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
