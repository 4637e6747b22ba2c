/** What the page knows: the flow with its past, what came of its steps, and the draft that outlives the page. */
import { useEffect, useReducer, useRef } from "react";
import type { Envelope } from "./api.ts";
import { begin, change, redo, undo, type History } from "./model/undo.ts";
import { isDocument, newDocument, type Document } from "./model/document.ts";
import type { Json, JsonObject } from "./model/json.ts";
import type { Job } from "./parts/JobsDialog.tsx";
import type { Place } from "./model/layout.ts";
import type { Setups } from "./parts/RowsDialog.tsx";

export interface Draft {
  document: Document;
  places: { [step: string]: Place };
  /** What the flow is tried with. */
  values: JsonObject;
  file: string;
}
export interface Outcome {
  state: "running" | "ok" | "failed" | "stopped";
  text: string;
  pieces: number;
  started: number;
  milliseconds?: number;
  envelope?: Envelope;
  body?: Json;
  failure?: { message: string; hint?: string; code?: string; faults?: { pointer: string; message: string; fix?: string }[]; requestId?: string };
}

type Message = { type: "change"; change: (draft: Draft) => Draft; mark?: string } | { type: "undo" } | { type: "redo" } | { type: "open"; draft: Draft };

function step(history: History<Draft>, message: Message): History<Draft> {
  switch (message.type) {
    case "change": return change(history, message.change(history.now), message.mark);
    case "undo": return undo(history);
    case "redo": return redo(history);
    case "open": return begin(message.draft);
  }
}

export const emptyDraft = (connector: string): Draft => ({ document: newDocument(connector), places: {}, values: {}, file: "flow.arazzo.yaml" });

export function useDraft(first: Draft) {
  const [history, send] = useReducer(step, first, begin);
  const now = history.now;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void keepDraft(now), 250);
    const leave = (): void => void keepDraft(now);
    addEventListener("pagehide", leave);
    return () => removeEventListener("pagehide", leave);
  }, [now]);
  return { draft: now, send, canUndo: history.past.length > 0, canRedo: history.future.length > 0 };
}

// The draft lies in the browser's own database: it holds what was built, and nothing that came back.
const NAME = "kosha-studio";

function database(): Promise<IDBDatabase> {
  return new Promise((done, failed) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("drafts");
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
}

export const keepDraft = (draft: Draft): Promise<void> => keep("now", draft);

export async function keep(name: string, value: unknown): Promise<void> {
  try {
    const opened = await database();
    opened.transaction("drafts", "readwrite").objectStore("drafts").put(value, name);
    opened.close();
  } catch {
    // A browser that keeps nothing still lets one work; the flow can be saved as a file.
  }
}

/** Jobs that were started from this browser: their handles, by which anybody with the key can go on with them. */
export const keepJobs = (jobs: Job[]): Promise<void> => keep("jobs", jobs);
export const keptJobs = async (): Promise<Job[]> => (await kept<Job[]>("jobs")) ?? [];

/** What was chosen for rows that were sent; the rows themselves are the service's. */
export const keepSetups = (setups: Setups): Promise<void> => keep("rows", setups);
export const keptSetups = async (): Promise<Setups> => (await kept<Setups>("rows")) ?? {};

export async function keptDraft(): Promise<Draft | null> {
  const found = await kept<Draft>("now");
  return found && isDocument(found.document) ? found : null;
}

export async function kept<T>(name: string): Promise<T | null> {
  try {
    const opened = await database();
    const found = await new Promise<T | undefined>((done, failed) => {
      const asked = opened.transaction("drafts").objectStore("drafts").get(name);
      asked.onsuccess = () => done(asked.result as T | undefined);
      asked.onerror = () => failed(asked.error);
    });
    opened.close();
    return found ?? null;
  } catch {
    return null;
  }
}
