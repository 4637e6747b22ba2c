/** What came of a run: text as it grows, pictures, sounds, tables and values; what it cost; or what went wrong and what to do. */
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { api } from "../api.ts";
import { isObject, toText, type Json, type JsonObject } from "../model/json.ts";
import type { Outcome } from "../state.ts";
import { FaultText } from "./FaultText.tsx";
import { seconds, short, size } from "./show.ts";

const PART = 50;

export function ResultView({ outcome, source }: { outcome: Outcome; source?: string }): ReactNode {
  const { envelope, failure } = outcome;
  const result = isObject(envelope?.result) ? envelope.result : null;
  const inner = result && "result" in result ? result.result! : (envelope?.value ?? null);
  const media = useMemo(() => (envelope ? files([envelope.result ?? null, envelope.files ?? null, envelope.value]) : []), [envelope]);
  const written = outcome.text || textOf(inner);
  const rows = useMemo(() => tableOf(inner), [inner]);
  return (
    <div className="result">
      {failure && (
        <div className="failure" role="alert">
          <p><strong>{failure.message}</strong></p>
          {failure.hint && <p>{failure.hint}</p>}
          {(failure.faults ?? []).map((fault, index) => (
            <p key={index}><code>{fault.pointer}</code> <FaultText fault={fault} /></p>
          ))}
          {failure.requestId && <p className="dim">Request id: <code>{failure.requestId}</code></p>}
        </div>
      )}
      {written && <Text text={written} live={outcome.state === "running"} pieces={outcome.pieces} />}
      {outcome.state === "running" && !written && <p className="dim">Waiting for the answer …</p>}
      {media.map((each) => <Media key={each.href ?? each.name} file={each} />)}
      {envelope?.incomplete && <p className="warning">The answer is not whole: {envelope.incomplete}</p>}
      {rows && <Table rows={rows} />}
      {(envelope?.warnings ?? []).map((warning, index) => (
        <p key={index} className="warning"><code>{warning.pointer}</code> <FaultText fault={warning} /></p>
      ))}
      {envelope && <Facts outcome={outcome} result={result} />}
      {outcome.body !== undefined && (
        <details>
          <summary>Values of the answer</summary>
          <Tree value={outcome.body} name="answer" pointer="" source={source} />
        </details>
      )}
    </div>
  );
}

function Facts({ outcome, result }: { outcome: Outcome; result: JsonObject | null }): ReactNode {
  const { envelope } = outcome;
  const usage = isObject(result?.usage) ? result.usage : envelope?.usage;
  const facts: [string, ReactNode][] = [];
  if (outcome.milliseconds !== undefined) facts.push(["Time", seconds(outcome.milliseconds)]);
  if (envelope?.model) facts.push(["Model", envelope.model]);
  if (isObject(usage)) {
    const shown = Object.entries(usage).filter(([, count]) => typeof count === "number" && count > 0);
    if (shown.length) facts.push(["Usage", shown.map(([name, count]) => `${name.replaceAll("_", " ")} ${String(count)}`).join(", ")]);
  }
  const cost = result?.cost;
  if (cost !== null && cost !== undefined) facts.push(["Cost", isObject(cost) ? Object.entries(cost).map(([name, part]) => `${name} ${short(part)}`).join(", ") : String(cost)]);
  if (envelope?.request_id) facts.push(["Request id", <code key="id">{envelope.request_id}</code>]);
  return (
    <dl className="facts">
      {facts.map(([name, fact]) => (
        <div key={name}><dt>{name}</dt><dd>{fact}</dd></div>
      ))}
    </dl>
  );
}

const LONG = 20_000;

function Text({ text, live, pieces }: { text: string; live: boolean; pieces: number }): ReactNode {
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > LONG;
  return (
    <div className="answer" aria-live={live ? "off" : "polite"} data-pieces={pieces}>
      {cut ? text.slice(0, LONG) : text}
      {live && <span className="caret" aria-hidden="true">▍</span>}
      {cut && <button type="button" className="link" onClick={() => setWhole(true)}>… {size(text.length - LONG)} more</button>}
    </div>
  );
}

/** The files of some values, drawn. */
export function Files({ values }: { values: (Json | undefined)[] }): ReactNode {
  const found = useMemo(() => files(values), [values[0], values[1]]);
  return found.map((each) => <Media key={each.href ?? each.name} file={each} />);
}

interface FoundFile {
  name: string;
  type: string;
  href: string | null;
  base64: string | null;
  size: number | null;
}

/** The files anywhere in a result: what has a link, or its bytes. */
function files(values: (Json | undefined)[]): FoundFile[] {
  const found = new Map<string, FoundFile>();
  const walk = (value: Json | undefined, depth: number): void => {
    if (depth > 8 || found.size >= 40) return;
    if (Array.isArray(value)) value.slice(0, 100).forEach((part) => walk(part, depth + 1));
    else if (isObject(value)) {
      const href = typeof value.href === "string" && value.href.startsWith("/kosha/") ? value.href : null;
      const base64 = typeof value.base64 === "string" ? value.base64 : null;
      if (href ?? base64) {
        const key = typeof value.sha256 === "string" ? value.sha256 : (href ?? base64!.slice(0, 60));
        if (!found.has(key)) {
          found.set(key, {
            name: String(value.name ?? value.filename ?? "file"), type: String(value.content_type ?? "application/octet-stream"), href, base64,
            size: typeof value.size === "number" ? value.size : null,
          });
        }
      } else Object.values(value).forEach((part) => walk(part, depth + 1));
    }
  };
  values.forEach((value) => walk(value, 0));
  return [...found.values()];
}

const PICTURES = /^image\/(png|jpeg|webp|gif|avif)$/;
const SOUNDS = /^audio\//;
const FILMS = /^video\//;

function Media({ file }: { file: FoundFile }): ReactNode {
  const [url, setUrl] = useState<string | null>(null);
  const [type, setType] = useState(file.type);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    let made: string | null = null;
    let gone = false;
    void (async () => {
      try {
        const blob = file.href ? await api.file(file.href) : new Blob([Uint8Array.from(atob(file.base64!), (char) => char.charCodeAt(0))], { type: file.type });
        if (gone) return;
        const kind = (file.type !== "application/octet-stream" ? file.type : blob.type).split(";")[0]!.trim();
        setType(kind);
        made = URL.createObjectURL(new Blob([blob], { type: kind }));
        setUrl(made);
      } catch (error) {
        setWrong((error as Error).message);
      }
    })();
    return () => {
      gone = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [file]);
  if (wrong) return <p className="warning">{file.name}: {wrong}</p>;
  if (!url) return <p className="dim">Fetching {file.name} …</p>;
  return (
    <figure>
      {PICTURES.test(type) ? <img src={url} alt={`Result: ${file.name}`} /> : SOUNDS.test(type) ? <audio src={url} controls aria-label={`Result: ${file.name}`} /> : FILMS.test(type) ? <video src={url} controls aria-label={`Result: ${file.name}`} /> : null}
      <figcaption>
        <a href={url} download={file.name}>Save {file.name}</a> <span className="dim">{type}{file.size !== null ? ` · ${size(file.size)}` : ""}</span>
      </figcaption>
    </figure>
  );
}

/** The text of an answer, where it has one. */
function textOf(value: Json): string {
  if (typeof value === "string") return value;
  if (isObject(value) && typeof value.text === "string") return value.text;
  return "";
}

type Row = { [column: string]: Json | undefined };

/** The first list of objects of single values, as rows. */
function tableOf(value: Json, depth = 0): Row[] | null {
  if (Array.isArray(value)) {
    const rows = value.filter(isObject);
    if (rows.length < 2 || rows.length !== value.length) return null;
    return rows.every((row) => Object.values(row).filter((part) => typeof part !== "object" || part === null).length >= 2) ? rows : null;
  }
  if (!isObject(value) || depth > 2) return null;
  for (const part of Object.values(value)) {
    const found = tableOf(part, depth + 1);
    if (found) return found;
  }
  return null;
}

function Table({ rows }: { rows: Row[] }): ReactNode {
  const [most, setMost] = useState(PART);
  const columns = [...new Set(rows.slice(0, 20).flatMap((row) => Object.keys(row)))].filter((name) => rows.some((row) => typeof row[name] !== "object" || row[name] === null)).slice(0, 12);
  return (
    <div className="table" tabIndex={0} role="region" aria-label="Result as a table">
      <table>
        <thead><tr>{columns.map((name) => <th key={name} scope="col">{name.replaceAll("_", " ")}</th>)}</tr></thead>
        <tbody>
          {rows.slice(0, most).map((row, index) => (
            <tr key={index}>{columns.map((name) => <td key={name}>{row[name] === undefined || row[name] === null ? "" : short(row[name], 120)}</td>)}</tr>
          ))}
        </tbody>
      </table>
      {rows.length > most && <button type="button" className="link" onClick={() => setMost(most + PART)}>{rows.length - most} more rows</button>}
    </div>
  );
}

/** A value, drawn part by part as it is opened. Leaves of a step can be dragged into a field. */
export function Tree({ value, name, pointer, source }: { value: Json; name: string; pointer: string; source?: string | undefined }): ReactNode {
  const [open, setOpen] = useState(pointer === "");
  const [most, setMost] = useState(PART);
  const dragged = source === undefined ? {} : {
    draggable: true,
    onDragStart: (event: React.DragEvent) => {
      event.stopPropagation();
      event.dataTransfer.setData("text/x-kosha", `${source}\n${pointer}`);
      event.dataTransfer.effectAllowed = "copy";
    },
  };
  if (typeof value !== "object" || value === null) {
    return <div className="leaf" data-value={pointer} {...dragged}><span className="dim">{name}</span> <code>{short(value, 200)}</code></div>;
  }
  const parts: [string, Json][] = Array.isArray(value) ? value.slice(0, most).map((part, index) => [String(index), part]) : Object.entries(value).slice(0, most);
  const count = Array.isArray(value) ? value.length : Object.keys(value).length;
  return (
    <details className="tree" open={open} onToggle={(event) => (event.stopPropagation(), setOpen(event.currentTarget.open))} {...dragged}>
      <summary><span className="dim">{name}</span> {Array.isArray(value) ? `list of ${count}` : `${count} ${count === 1 ? "value" : "values"}`}</summary>
      {open && parts.map(([key, part]) => (
        <Tree key={key} value={part} name={key} pointer={`${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`} source={source} />
      ))}
      {open && count > parts.length && <button type="button" className="link" onClick={() => setMost(most + PART)}>{count - parts.length} more</button>}
    </details>
  );
}

export const asJson = (value: Json): string => toText(value, 2);
