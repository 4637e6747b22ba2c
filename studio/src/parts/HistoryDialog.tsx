import { useEffect, useRef, useState, type ReactNode } from "react";
import { api, type PastRun } from "../api.ts";
import { seconds } from "./show.ts";

/** What was run from here before: outcome, usage, ids; contents only where the studio was started to keep them. */
export function HistoryDialog({ contents, close }: { contents: boolean; close: () => void }): ReactNode {
  const box = useRef<HTMLDialogElement>(null);
  const [runs, setRuns] = useState<PastRun[] | null>(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    box.current?.showModal();
    api.runs().then(setRuns, (error: Error) => setWrong(error.message));
  }, []);
  return (
    <dialog ref={box} className="history" aria-label="History" onClose={close}>
      <h2>History</h2>
      <p className="dim">{contents ? "With what went in and came out." : <>Outcomes, usage and request ids alone; <code>--keep-contents</code> keeps the rest, too.</>}</p>
      {wrong && <p className="fault">{wrong}</p>}
      {runs?.length === 0 && <p>Nothing was run yet.</p>}
      <div className="table" tabIndex={0} role="region" aria-label="Runs">
        <table>
          <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Outcome</th><th scope="col">Time</th><th scope="col">Usage</th><th scope="col">Request id</th></tr></thead>
          <tbody>
            {(runs ?? []).map((run, index) => (
              <tr key={index}>
                <td>{new Date(run.at * 1000).toLocaleString()}</td><td>{run.what}</td><td>{run.outcome}</td><td>{run.seconds === null ? "" : seconds(run.seconds * 1000)}</td>
                <td>{Object.entries(run.usage ?? {}).filter(([, count]) => typeof count === "number").map(([name, count]) => `${name.replaceAll("_", " ")} ${String(count)}`).join(", ")}</td>
                <td>{run.request_id && <code>{run.request_id}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="actions">
        <button type="button" autoFocus onClick={() => box.current?.close()}>Close</button>
        <button type="button" disabled={!runs?.length} onClick={() => api.forgetRuns().then(() => setRuns([]), (error: Error) => setWrong(error.message))}>Forget all</button>
      </div>
    </dialog>
  );
}
