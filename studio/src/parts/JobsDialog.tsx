/** Long jobs: started from a step, waited for with their progress, cancelled, taken up again after a reload, and fetched. */
import { useEffect, useRef, useState, type ReactNode } from "react";
import { api, type JobTick } from "../api.ts";
import { isObject, type Json, type JsonObject } from "../model/json.ts";
import { Files, Tree } from "./ResultView.tsx";

export interface Job {
  id: string;
  title: string;
  handle: JsonObject;
  state: string;
  end: string | null;
}

export function JobsDialog({ jobs, set, close }: { jobs: Job[]; set: (change: (jobs: Job[]) => Job[]) => void; close: () => void }): ReactNode {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current?.showModal(), []);
  return (
    <dialog ref={box} className="jobs" aria-label="Jobs" onClose={close}>
      <h2>Jobs</h2>
      {jobs.length === 0 && <p className="dim">No job was started here. An action that takes long has a button for it at its step.</p>}
      {jobs.map((job) => <JobView key={job.id} job={job} set={(to) => set((old) => old.flatMap((each) => (each.id === job.id ? (to ? [to] : []) : [each])))} />)}
      <div className="actions"><button type="button" autoFocus onClick={() => box.current?.close()}>Close</button></div>
    </dialog>
  );
}

function JobView({ job, set }: { job: Job; set: (job: Job | null) => void }): ReactNode {
  const [busy, setBusy] = useState<AbortController | null>(null);
  const [tick, setTick] = useState<JobTick | null>(null);
  const [wrong, setWrong] = useState("");
  const [result, setResult] = useState<JsonObject | null>(null);
  useEffect(() => () => busy?.abort(), [busy]);
  const seen = (answer: JsonObject): void =>
    set({ ...job, handle: isObject(answer.handle) ? answer.handle : job.handle, state: String(answer.state ?? job.state), end: typeof answer.end === "string" ? answer.end : null });
  const act = async (work: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    const stop = new AbortController();
    setBusy(stop);
    setWrong("");
    try {
      await work(stop.signal);
    } catch (error) {
      if ((error as Error).name !== "AbortError") setWrong((error as Error).message);
    } finally {
      setBusy(null);
    }
  };
  const share = tick?.percent ?? null;
  return (
    <section className="entry" aria-label={job.title} data-job={job.id} data-end={job.end ?? ""}>
      <div className="entry-head"><strong>{job.title}</strong><span>{job.end ?? job.state}</span></div>
      {busy && (share === null ? <progress aria-label="Under way" /> : <progress aria-label="Progress" max={100} value={share} />)}
      {busy && tick && <p className="dim">{tick.state}{tick.done !== null && tick.total !== null ? `, ${tick.done} of ${tick.total}` : ""}</p>}
      {wrong && <p className="fault" role="alert">{wrong}</p>}
      <div className="actions">
        {busy ? <button type="button" onClick={() => busy.abort()}>Stop waiting</button> : job.end === null && (
          <button type="button" className="primary" onClick={() => void act(async (signal) => seen(await api.job("wait", { handle: job.handle, timeout: 3600 }, (event) => {
            if (event.name === "tick" && isObject(event.data)) setTick(tickOf(event.data));
          }, signal)))}>Wait</button>
        )}
        {job.end === null && <button type="button" onClick={() => void act(async (signal) => seen(await api.job("cancel", { handle: job.handle }, () => {}, signal)))}>Cancel job</button>}
        {job.end !== null && <button type="button" className="primary" onClick={() => void act(async (signal) => setResult(await api.job("fetch", { handle: job.handle, file: "link" }, () => {}, signal)))}>Fetch result</button>}
        <button type="button" onClick={() => set(null)}>Forget</button>
      </div>
      {result && <><Files values={[result.files ?? null, result.value ?? null]} /><Tree value={result.value ?? null} name="result" pointer="" /></>}
    </section>
  );
}

function tickOf(data: JsonObject): JobTick {
  const number = (value: Json | undefined): number | null => (typeof value === "number" ? value : null);
  const done = number(data.done);
  const total = number(data.total);
  return { state: String(data.state ?? ""), percent: number(data.percent) ?? (done !== null && total ? (100 * done) / total : null), done, total };
}
