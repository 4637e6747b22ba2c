/** What a check of rows found, and a run over rows while it goes on and after. */
import { useEffect, useState, type ReactNode } from "react";
import { api, type BulkCheck, type BulkRun } from "../api.ts";
import { isObject, toText, type JsonObject } from "../model/json.ts";
import { placeOf } from "../model/rows.ts";
import { FaultText } from "./FaultText.tsx";
import { seconds } from "./show.ts";

const LATER = 300;
const STOPS: { [stop: string]: string } = {
  cancelled: "It was cancelled; what was under way is kept.",
  interrupted: "The service ended while it ran. Rows that were under way may have run.",
  service: "The service was stopped; what was under way is kept.",
  disk: "The runs take as much of the disk as they may. Remove some.",
  budget: "A budget is used up.",
  access: "The key, its permissions, its balance or a limit of more than a day do not let rows through.",
  failures: "Too many rows failed one after the other.",
  input: "The input is another than the run began with.",
  ledger: "What came back could not be kept.",
  error: "It could not go on.",
};

/** Every row checked by the service, again with each change; nothing is sent. */
export function CheckView({ run, body }: { run: string; body: JsonObject }): ReactNode {
  const [check, setCheck] = useState<BulkCheck | null>(null);
  const [wrong, setWrong] = useState("");
  const asked = toText(body);
  useEffect(() => {
    const stop = new AbortController();
    setCheck(null);
    setWrong("");
    const timer = setTimeout(() => {
      api.checkRows(run, body, { signal: stop.signal }).then(setCheck, (error: Error) => error.name !== "AbortError" && setWrong(error.message));
    }, LATER);
    return () => (clearTimeout(timer), stop.abort());
  }, [run, asked]);
  if (wrong) return <p className="fault" role="alert">{wrong}</p>;
  if (!check) return <p className="dim" role="status">Checking every row …</p>;
  const request = check.first[0];
  return (
    <section aria-label="Check" data-valid={check.valid}>
      <p role="status" className={check.valid ? "summary good" : "summary"}>
        {check.valid ? `All ${check.rows} rows are fine.` : `${check.fault_count} ${check.fault_count === 1 ? "fault" : "faults"} in ${check.rows} rows.`}
        {check.equal ? ` ${check.equal} are equal to others.` : ""}
        {check.tokens && check.tokens[0] !== undefined ? ` About ${check.tokens[0].toLocaleString()} to ${check.tokens[1].toLocaleString()} tokens go out; what answers use comes on top.` : ""}
        {check.cost ? ` From ${check.cost[0].toFixed(4)} to ${check.cost[1].toFixed(4)} ${check.currency ?? ""}.` : ""}
      </p>
      {check.faults.length > 0 && (
        <ul className="faults" tabIndex={0} aria-label="Faults">
          {check.faults.map((fault, place) => <li key={place} className="fault"><strong>{placeOf(fault.pointer)}</strong>: <FaultText fault={fault} /></li>)}
          {check.fault_count > check.faults.length && <li className="dim">These are the first {check.faults.length} of {check.fault_count}.</li>}
        </ul>
      )}
      {request && <details><summary>The first request, without its key</summary><pre tabIndex={0} aria-label="First request">{shown(request)}</pre></details>}
    </section>
  );
}

function shown(request: JsonObject): string {
  const { method, url, body } = request;
  return typeof url === "string" ? `${String(method)} ${url}\n\n${typeof body === "string" ? body : ""}` : toText(request, 2);
}

const words = (run: BulkRun): string => [
  `${run.done ?? 0} of ${run.total ?? run.rows} done`,
  run.failed ? `${run.failed} failed` : "",
  run.unknown ? `${run.unknown} may have run` : "",
  run.in_flight ? `${run.in_flight} under way` : "",
  run.rate && run.state === "running" ? `${run.rate.toFixed(1)} rows a second` : "",
  run.left ? `about ${seconds(run.left * 1000)} left` : "",
  run.pause ? `paused for ${seconds(run.pause * 1000)}` : "",
  run.tokens ? `${run.tokens.toLocaleString()} tokens` : "",
  typeof run.cost === "number" ? `${run.cost.toFixed(4)} ${run.currency ?? ""}`.trim() : "",
].filter(Boolean).join(" · ");

/** A run that was started. Its service goes on with it whether anybody looks or not. */
export function RunView({ run, set, removed }: { run: BulkRun; set: (run: BulkRun) => void; removed: () => void }): ReactNode {
  const [wrong, setWrong] = useState("");
  const [unknown, setUnknown] = useState("hold");
  const [sure, setSure] = useState(false);
  const [again, setAgain] = useState(0);
  const live = run.state === "running" || run.state === "stopping";
  useEffect(() => {
    if (!live) return;
    const stop = new AbortController();
    api.waitRows(run.run, (event) => event.name === "progress" && isObject(event.data) && set(event.data as unknown as BulkRun), stop.signal).then(
      (last) => (set(last), setAgain((count) => count + 1)),
      (error: Error) => error.name !== "AbortError" && setWrong(`${error.message} The run goes on; close this and open it again to look.`),
    );
    return () => stop.abort();
  }, [run.run, live, again]);
  const act = (work: Promise<BulkRun>): void => (setWrong(""), void work.then(set, (error: Error) => setWrong(error.message)));
  const over = (run.done ?? 0) + (run.failed ?? 0) + (run.unknown ?? 0);
  const whole = run.state === "ended" && !run.reason; // with a reason, such as a full disk, not all of it could be kept
  const more = (run.waiting ?? 0) > 0 || ((run.unknown ?? 0) > 0 && unknown !== "hold");
  return (
    <section aria-label="Run" data-run={run.run} data-state={run.state}>
      <progress aria-label="Rows that have ended" max={run.total ?? run.rows} value={over} />
      <p aria-live={live ? "off" : "polite"}>{words(run)}</p>
      {!live && <p role="status" className={whole && !run.failed && !run.unknown ? "summary good" : "summary"}>{whole ? "The run has ended." : (STOPS[run.stop ?? ""] ?? "It stopped.")} {run.reason?.message ?? ""} {run.reason?.hint ?? ""}</p>}
      {wrong && <p className="fault" role="alert">{wrong}</p>}
      {!live && (run.unknown ?? 0) > 0 && (
        <div className="field">
          <label htmlFor="rows-unknown">Rows that were sent and whose answer was never seen</label>
          <select id="rows-unknown" value={unknown} onChange={(event) => setUnknown(event.target.value)}>
            <option value="hold">leave them as they are</option>
            <option value="retry">send them again; they may be paid for twice</option>
            <option value="skip">count them as failed</option>
          </select>
        </div>
      )}
      {!live && (run.troubled?.length ?? 0) > 0 && (
        <details>
          <summary>Rows that failed or may have run</summary>
          <ul className="faults" tabIndex={0} aria-label="Rows that failed or may have run">
            {run.troubled!.map((row) => <li key={row.row}><strong>Row {row.row}</strong>: {row.state}{row.category ? ` (${row.category})` : ""} {row.facts.message}</li>)}
          </ul>
        </details>
      )}
      <div className="actions">
        {run.state === "running" && <button type="button" onClick={() => act(api.bulk(run.run, "cancel"))}>Cancel the run</button>}
        {run.state === "stopping" && <span className="dim">Ending what is under way …</span>}
        {!live && more && <button type="button" className="primary" onClick={() => act(api.bulk(run.run, "resume", { unknown }))}>Go on</button>}
        {!live && (run.failed ?? 0) > 0 && <button type="button" onClick={() => act(api.bulk(run.run, "resume", { retry_failed: true, unknown }))}>Send failed rows again</button>}
        {!live && (run.files ?? []).map((file) => <a key={file.name} href={file.href} download={downloadName(run, file.name)}>Download {file.name}</a>)}
        {!live && (sure
          ? <button type="button" onClick={() => void api.removeRows(run.run).then(removed, (error: Error) => setWrong(error.message))}>Yes, delete rows and answers</button>
          : <button type="button" onClick={() => setSure(true)}>Remove</button>)}
      </div>
    </section>
  );
}

/** `tickets.csv` and `output.jsonl` make `tickets.output.jsonl`. */
const downloadName = (run: BulkRun, file: string): string => `${run.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "-") || "rows"}.${file}`;
