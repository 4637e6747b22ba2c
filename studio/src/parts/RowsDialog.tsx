/** Rows over an action: a file is sent, its columns go to fields, every row is checked, and the run is watched, stopped, gone on with and fetched. */
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { api, type BulkRun } from "../api.ts";
import type { Form } from "../model/form.ts";
import type { JsonObject } from "../model/json.ts";
import { proposed, rules, targetsOf, usable, type Mapping } from "../model/rows.ts";
import { CheckView, RunView } from "./RowsRun.tsx";
import { short, size } from "./show.ts";

/** What rows are for: an action or a task, and the inputs that all of them share. */
export interface Purpose {
  title: string;
  target: string;
  task: boolean;
  inputs: JsonObject;
}
/** What was chosen for rows that have not been started. */
export interface Setup extends Purpose {
  mapping: Mapping;
  keep: string[];
}
export type Setups = { [run: string]: Setup };

export const FORMATS: { [ending: string]: string } = { csv: "csv", tsv: "tsv", jsonl: "jsonl", ndjson: "jsonl" };
const formatOf = (name: string): string | undefined => FORMATS[name.toLowerCase().split(".").at(-1) ?? ""];
/** Columns that the output has from the start. */
const KEPT = 20;

export function RowsDialog({ purpose, file, setups, set, close }: {
  purpose: Purpose | null;
  file: File | null;
  setups: Setups;
  set: (change: (setups: Setups) => Setups) => void;
  close: () => void;
}): ReactNode {
  const box = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState<BulkRun | null>(null);
  const [wrong, setWrong] = useState("");
  const [sending, setSending] = useState("");
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => box.current?.showModal(), []);
  const prepares = open?.state === "ready";
  useEffect(() => void (open && head.current?.focus()), [open?.run, prepares]); // what had the focus is gone
  const take = useCallback(async (given: File): Promise<void> => {
    const format = formatOf(given.name);
    if (!purpose || !format) return setWrong(`${given.name} is no table: give a file whose name ends in ${Object.keys(FORMATS).map((each) => `.${each}`).join(", ")}.`);
    setWrong("");
    setSending(given.name);
    try {
      const [run, form] = await Promise.all([api.sendRows(given, format), api.form(purpose.target, purpose.task)]);
      const mapping = proposed(run.columns, targetsOf(form, purpose.inputs).targets);
      set((old) => ({ ...old, [run.run]: { ...purpose, mapping, keep: run.columns.slice(0, KEPT) } }));
      setOpen(run);
    } catch (error) {
      setWrong((error as Error).message);
    } finally {
      setSending("");
    }
  }, [purpose, set]);
  const first = useRef(file);
  useEffect(() => {
    const given = first.current;
    first.current = null;
    if (given) void take(given);
  }, [take]);
  const removed = (run: string): void => {
    set((old) => Object.fromEntries(Object.entries(old).filter(([each]) => each !== run)));
    setOpen(null);
  };
  return (
    <dialog ref={box} className="rows" aria-label="Rows" onClose={close}>
      {open ? (
        <>
          <h2 ref={head} tabIndex={-1}>{setups[open.run]?.title ?? open.target ?? "Rows"} <span className="dim">over {open.name || "rows"}: {open.rows} {open.rows === 1 ? "row" : "rows"}, {size(open.bytes)}</span></h2>
          {open.state !== "ready" ? <RunView key={open.run} run={open} set={setOpen} removed={() => removed(open.run)} />
            : setups[open.run] ? <Prepare key={open.run} run={open} setup={setups[open.run]!} set={(to) => set((old) => ({ ...old, [open.run]: to }))} started={setOpen} removed={() => removed(open.run)} />
            : purpose ? <button type="button" className="primary" onClick={() => set((old) => ({ ...old, [open.run]: { ...purpose, mapping: {}, keep: open.columns.slice(0, KEPT) } }))}>Use these rows for {purpose.title}</button>
            : <p>These rows were sent from elsewhere. Open a step and choose &quot;Run over rows&quot; to say what they are for.</p>}
        </>
      ) : (
        <>
          <h2>Rows{purpose ? ` for ${purpose.title}` : ""}</h2>
          {purpose && <RowsInput take={(given) => void take(given)} />}
          {sending && <p role="status">Sending {sending} …</p>}
          {wrong && <p className="fault" role="alert">{wrong}</p>}
          <Runs setups={setups} open={setOpen} />
        </>
      )}
      <div className="actions">
        {open && <button type="button" onClick={() => setOpen(null)}>All runs</button>}
        <button type="button" onClick={() => box.current?.close()}>Close</button>
      </div>
    </dialog>
  );
}

function RowsInput({ take }: { take: (file: File) => void }): ReactNode {
  const [over, setOver] = useState(false);
  return (
    <div
      className={over ? "drop over" : "drop"}
      onDragOver={(event) => event.dataTransfer.types.includes("Files") && (event.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const given = event.dataTransfer.files[0];
        if (given) take(given);
      }}
    >
      <label htmlFor="rows-file">A table: CSV, TSV or JSON lines</label>
      <input id="rows-file" type="file" autoFocus accept={Object.keys(FORMATS).map((each) => `.${each}`).join(",")} onChange={(event) => event.target.files?.[0] && take(event.target.files[0])} />
      <p className="dim">Choose it, or drop it here. It stays with the studio&apos;s service until you remove it.</p>
    </div>
  );
}

function Runs({ setups, open }: { setups: Setups; open: (run: BulkRun) => void }): ReactNode {
  const [runs, setRuns] = useState<BulkRun[] | null>(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => void api.bulkRuns().then((found) => setRuns(found ?? []), (error: Error) => setWrong(error.message)), []);
  const look = (run: BulkRun): void => void api.bulkRun(run.run).then(open, (error: Error) => setWrong(error.message));
  return (
    <>
      {wrong && <p className="fault" role="alert">{wrong}</p>}
      {runs?.length === 0 && <p className="dim">No rows were run yet. Drop a table on an action, or open a step and choose &quot;Run over rows&quot;.</p>}
      <ul>
        {(runs ?? []).map((run) => (
          <li key={run.run} className="entry" data-run={run.run} data-state={run.state}>
            <div className="entry-head">
              <strong>{setups[run.run]?.title ?? run.target ?? "Not started"}</strong>
              <span>{run.name} · {run.state === "ready" ? `${run.rows} rows, not started` : `${run.done ?? 0} of ${run.total ?? run.rows} done, ${run.state}`}</span>
              <button type="button" onClick={() => look(run)}>Open<span className="hidden"> {run.name}</span></button>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

function Prepare({ run, setup, set, started, removed }: { run: BulkRun; setup: Setup; set: (setup: Setup) => void; started: (run: BulkRun) => void; removed: () => void }): ReactNode {
  const [form, setForm] = useState<Form | null>(null);
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => void api.form(setup.target, setup.task).then(setForm, (error: Error) => setWrong(error.message)), [setup.target, setup.task]);
  if (!form) return <p className={wrong ? "fault" : "dim"}>{wrong || "Reading the form …"}</p>;
  const { targets, inputs } = targetsOf(form, setup.inputs);
  const filled = Object.values(setup.mapping);
  const shared = Object.fromEntries(Object.entries(inputs).filter(([name]) => !filled.includes(name)));
  const body: JsonObject = { target: setup.target, map: rules(setup.mapping), inputs: shared, keep: setup.keep.filter((column) => run.columns.includes(column)) };
  const go = async (): Promise<void> => {
    setBusy(true);
    setWrong("");
    try {
      started(await api.bulk(run.run, "start", body));
    } catch (error) {
      setWrong((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  const map = (column: string, path: string): void => {
    const { [column]: _, ...others } = setup.mapping;
    const free = Object.fromEntries(Object.entries(others).filter(([, other]) => other !== path));
    set({ ...setup, mapping: path ? { ...free, [column]: path } : others });
  };
  const missing = targets.filter((target) => target.needed && !filled.includes(target.path));
  return (
    <>
      <div className="table" tabIndex={0} role="region" aria-label="Columns">
        <table>
          <thead><tr><th scope="col">Column</th><th scope="col">First rows</th><th scope="col">Goes to</th><th scope="col">In the output</th></tr></thead>
          <tbody>
            {run.columns.map((column) => (
              <tr key={column}>
                <th scope="row">{column}</th>
                <td className="dim">{(run.first ?? []).slice(0, 2).map((row, place) => <div key={place}>{short(row[column] ?? "", 48)}</div>)}</td>
                <td>
                  <select aria-label={`Field for ${column}`} data-column={column} value={setup.mapping[column] ?? ""} disabled={!usable(column)} onChange={(event) => map(column, event.target.value)}>
                    <option value="">not used</option>
                    {targets.map((target) => <option key={target.path} value={target.path}>{target.label}{target.needed ? " (needed)" : ""}</option>)}
                  </select>
                </td>
                <td><input type="checkbox" aria-label={`${column} in the output`} checked={setup.keep.includes(column)}
                  onChange={(event) => set({ ...setup, keep: event.target.checked ? [...setup.keep, column] : setup.keep.filter((each) => each !== column) })} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {missing.length > 0 && <p className="warning">No column and no value yet for {missing.map((target) => target.label).join(", ")}.</p>}
      <p className="dim">All rows share what the step&apos;s form holds: {Object.keys(shared).length ? Object.entries(shared).map(([name, value]) => `${name} ${short(value, 40)}`).join(" · ") : "nothing"}.</p>
      {filled.length === 0 ? <p className="warning" role="status">Choose a field for one column at least.</p> : <CheckView run={run.run} body={body} />}
      {wrong && <p className="fault" role="alert">{wrong}</p>}
      <div className="actions">
        <button type="button" className="primary" disabled={busy || filled.length === 0} onClick={() => void go()}>{busy ? "Starting …" : `Run ${run.rows} ${run.rows === 1 ? "row" : "rows"}`}</button>
        <button type="button" onClick={() => void api.removeRows(run.run).then(removed, (error: Error) => setWrong(error.message))}>Remove these rows</button>
      </div>
    </>
  );
}

