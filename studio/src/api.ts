/** The gateway's HTTP API, which is all that the page talks to. */
import type { Fault, Form, Option } from "./model/form.ts";
import { toText, type Json, type JsonObject } from "./model/json.ts";

export class ApiFailure extends Error {
  /** What there was until then. */
  result: JsonObject | undefined;
  constructor(
    readonly status: number,
    message: string,
    readonly faults: Fault[] = [],
    readonly detail: JsonObject = {},
  ) {
    super(message);
  }
}

export interface ActionInfo {
  id: string;
  title: string;
  summary: string;
  group: string;
  kind?: string;
  /** Of a task: the action that it runs. */
  action?: string;
  featured?: boolean;
  icon?: string;
  aliases?: string[];
  cost?: string | JsonObject | null;
  /** The kind of long job that the action starts. */
  job?: string | null;
  hints: { [hint: string]: boolean | string | null };
}
interface TaskInfo {
  name: string;
  title: string;
  summary: string;
  action: string;
  group?: string;
  aliases?: string[];
}
interface Answer {
  connector: string;
  version: string;
  groups: { id: string; title: string; help?: string }[];
  actions: ActionInfo[];
  tasks?: TaskInfo[];
  results?: { kind: string; id?: string; name?: string }[];
}
/** Actions and tasks in one list, in the order of the answer: that of the search, or the catalog's. */
export interface Catalog {
  connector: string;
  items: ActionInfo[];
}
export interface Sample {
  inputs: JsonObject;
  answer: Json;
  result: JsonObject;
  result_schema: JsonObject;
}
export interface Envelope {
  action: string;
  status: number;
  kind: string;
  value: Json;
  content_type?: string;
  request_id?: string | null;
  model?: string | null;
  usage?: JsonObject | null;
  warnings?: Fault[];
  incomplete?: string | null;
  result?: JsonObject;
  files?: Json;
}
/** What only the user of this machine's studio is told. */
export interface Workbench {
  sandbox: boolean;
  connected: boolean;
  server: string;
  key_from: string[];
  stores: string[];
  contents: boolean;
}
export interface PastRun {
  at: number;
  what: string;
  outcome: string;
  seconds: number | null;
  request_id: string | null;
  usage: JsonObject | null;
  contents: JsonObject | null;
}
/** A run over rows: what was sent, how it stands, and what came of it. */
export interface BulkRun {
  run: string;
  name: string;
  format: string;
  bytes: number;
  rows: number;
  columns: string[];
  created: number;
  state: "ready" | "running" | "stopping" | "stopped" | "ended";
  first?: JsonObject[];
  target?: string;
  total?: number;
  done?: number;
  failed?: number;
  unknown?: number;
  waiting?: number;
  in_flight?: number;
  tokens?: number;
  cost?: number | null;
  currency?: string | null;
  rate?: number;
  left?: number | null;
  pause?: number;
  stop?: string;
  reason?: { message: string; hint?: string } | null;
  troubled?: { row: number; state: string; category: string; facts: { message: string } }[];
  files?: { name: string; href: string; content_type: string }[];
}
export interface BulkCheck {
  valid: boolean;
  rows: number;
  equal?: number;
  message?: string;
  faults: Fault[];
  fault_count: number;
  first: JsonObject[];
  tokens: [number, number] | null;
  cost: [number, number] | null;
  currency?: string | null;
}
export interface JobTick {
  state: string;
  percent: number | null;
  done: number | null;
  total: number | null;
}
export interface StreamEvent {
  name: string;
  data: Json;
}

/** A task as an item of the palette; what its action costs, it costs. */
function item(task: TaskInfo, actions: ReadonlyMap<string, ActionInfo>): ActionInfo {
  const action = actions.get(task.action);
  const hints = { paid: action?.hints.paid ?? null };
  return { id: task.name, title: task.title, summary: task.summary, group: action?.group ?? task.group ?? "Tasks", kind: "task", action: task.action, featured: true, hints };
}

let all: ReadonlyMap<string, ActionInfo> = new Map();

function listed(answer: Answer): ActionInfo[] {
  const actions = new Map(answer.actions.map((action) => [action.id, action]));
  if (actions.size > all.size) all = actions;
  const tasks = new Map((answer.tasks ?? []).map((task) => [task.name, item(task, all)]));
  if (!answer.results) return [...tasks.values(), ...actions.values()];
  return answer.results.flatMap((each) => (each.kind === "task" ? tasks.get(each.name ?? "") : actions.get(each.id ?? "")) ?? []);
}

const ROOT = "/kosha/v1";
let signedOut: () => void = () => {};
/** Calls `then` once the service no longer knows who asks. */
export const whenSignedOut = (then: () => void): void => void (signedOut = then);

async function failure(response: Response): Promise<ApiFailure> {
  if (response.status === 401) signedOut();
  const body = (await response.json().catch(() => null)) as { error?: JsonObject | string } | null;
  const error = body?.error;
  if (typeof error === "string") return new ApiFailure(response.status, error);
  return failureOf(response.status, (error ?? {}) as JsonObject);
}

function failureOf(status: number, error: JsonObject): ApiFailure {
  const detail = (error.detail ?? {}) as JsonObject;
  return new ApiFailure(status, String(error.message ?? `The service answered ${status}.`), (detail.faults ?? []) as unknown as Fault[], detail);
}

async function call(method: string, path: string, body?: Json | FormData | File, more: RequestInit & { accept?: string } = {}): Promise<Response> {
  const { accept, ...init } = more;
  const headers: Record<string, string> = { accept: accept ?? "application/json" };
  const raw = body instanceof FormData || body instanceof File;
  if (body !== undefined && !raw) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: raw ? body : toText(body) }),
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiFailure(0, "The studio's service does not answer. Is it still running?");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

const get = async <T>(path: string, init?: RequestInit): Promise<T> => (await call("GET", path, undefined, init)).json() as Promise<T>;
const post = async <T>(path: string, body: Json, init?: RequestInit): Promise<T> => (await call("POST", path, body, init)).json() as Promise<T>;
const part = encodeURIComponent;

const kept = new Map<string, Promise<unknown>>();
/** The answer of the first time; one that failed is asked for again. */
function once<T>(path: string): Promise<T> {
  let found = kept.get(path) as Promise<T> | undefined;
  if (!found) {
    found = get<T>(path);
    kept.set(path, found);
    found.catch(() => kept.delete(path));
  }
  return found;
}
export const forget = (): void => kept.clear();

export const api = {
  signIn: (body: JsonObject) => call("POST", `${ROOT}/session`, body),
  signOut: () => call("DELETE", `${ROOT}/session`),
  catalog: async (): Promise<Catalog> => {
    const answer = await once<Answer>(`${ROOT}/actions`);
    return { connector: answer.connector, items: listed(answer) };
  },
  search: async (text: string, init?: RequestInit): Promise<ActionInfo[]> => listed(await get<Answer>(`${ROOT}/actions?search=${part(text)}`, init)),
  form: (id: string, task = false) => once<Form>(`${ROOT}/${task ? "tasks" : "actions"}/${part(id)}/form`),
  sample: async (id: string, task = false): Promise<Sample> => {
    const found = await once<Sample>(`${ROOT}/${task ? "tasks" : "actions"}/${part(id)}/sample`);
    return task ? { ...found, answer: found.result } : found;
  },
  validate: (id: string, inputs: JsonObject, init?: RequestInit, task = false) =>
    post<{ valid: boolean; faults: Fault[]; warnings: Fault[] }>(`${ROOT}/${task ? "tasks" : "actions"}/${part(id)}/validate`, { inputs }, init),
  options: (id: string, field: string, body: JsonObject, init?: RequestInit) =>
    post<{ options: (Option & { about?: string })[]; source: string; more: boolean; problem: JsonObject | null }>(
      `${ROOT}/actions/${part(id)}/options/${part(field)}`, body, init),
  connection: () => once<JsonObject>(`${ROOT}/connection`),
  card: () => once<JsonObject>(`${ROOT}/connector`),
  workbench: async (): Promise<Workbench | null> => {
    try {
      return await get<Workbench>(`${ROOT}/studio`);
    } catch (error) {
      if ((error as ApiFailure).status === 404) return null;
      throw error;
    }
  },
  /** Tries credentials as they stand, or the connection in use where there are none; the sentence that says how it went. */
  test: async (values: { [name: string]: string }): Promise<string> => (await post<{ message: string }>("/api/v2/specification/test", values)).message,
  connect: (values: { [name: string]: string }, keep: { name: string; store: string } | null) =>
    post<{ message: string; saved: string | null }>(`${ROOT}/studio/connection`, keep ? { values, keep } : { values }),
  runs: async (): Promise<PastRun[]> => (await get<{ runs: PastRun[] }>(`${ROOT}/studio/runs`)).runs,
  addRun: (run: JsonObject) => post(`${ROOT}/studio/runs`, run),
  forgetRuns: () => call("DELETE", `${ROOT}/studio/runs`),
  job: (verb: string, body: JsonObject, onEvent: (event: StreamEvent) => void, signal: AbortSignal) =>
    stream<JsonObject>(`${ROOT}/jobs/${verb}`, body, onEvent, signal),
  /** The runs over rows of whoever is signed in; null where the service keeps none. */
  bulkRuns: async (): Promise<BulkRun[] | null> => {
    const { bulk } = await once<{ bulk?: string }>(ROOT);
    return bulk ? (await get<{ runs: BulkRun[] }>(bulk)).runs : null;
  },
  bulkRun: (run: string) => get<BulkRun>(`${ROOT}/bulk/runs/${part(run)}`),
  sendRows: async (file: File, format: string): Promise<BulkRun> =>
    (await call("POST", `${ROOT}/bulk/runs?format=${format}&name=${part(file.name.slice(0, 200))}`, file)).json() as Promise<BulkRun>,
  checkRows: (run: string, body: JsonObject, init?: RequestInit) => post<BulkCheck>(`${ROOT}/bulk/runs/${part(run)}/check`, body, init),
  bulk: (run: string, verb: "start" | "resume" | "cancel", body: JsonObject = {}) => post<BulkRun>(`${ROOT}/bulk/runs/${part(run)}/${verb}`, body),
  waitRows: (run: string, onEvent: (event: StreamEvent) => void, signal: AbortSignal) => stream<BulkRun>(`${ROOT}/bulk/runs/${part(run)}/wait`, {}, onEvent, signal),
  removeRows: (run: string) => call("DELETE", `${ROOT}/bulk/runs/${part(run)}`),
  file: async (href: string): Promise<Blob> => {
    const response = await call("GET", href, undefined, { accept: "*/*" });
    return new Blob([await response.arrayBuffer()], { type: response.headers.get("x-kosha-content-type") ?? "application/octet-stream" });
  },
  /** Runs an action or a task; events as they come go to `onEvent`. */
  run: (id: string, body: JsonObject, onEvent: (event: StreamEvent) => void, signal: AbortSignal, task = false) =>
    stream<Envelope>(`${ROOT}/${task ? "tasks" : "actions"}/${part(id)}/run`, body, onEvent, signal),
  checkFlow: (document: JsonObject, init?: RequestInit) =>
    post<{ valid: boolean; faults: Fault[]; warnings: Fault[] }>(`${ROOT}/workflows/check`, { document }, init),
  runFlow: (body: JsonObject | FormData, onEvent: (event: StreamEvent) => void, signal: AbortSignal) =>
    stream<JsonObject>(`${ROOT}/workflows/run`, body, onEvent, signal),
  raw: { get, post, call },
};

async function stream<T>(path: string, body: JsonObject | FormData, onEvent: (event: StreamEvent) => void, signal: AbortSignal): Promise<T> {
  const response = await call("POST", path, body, { accept: "text/event-stream, application/json;q=0.5", signal });
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) return (await response.json()) as T;
  let last: T | undefined;
  for await (const event of events(response.body!)) {
    if (event.name === "result") last = event.data as T;
    else if (event.name === "error") {
      const failed = failureOf(0, ((event.data as JsonObject).error ?? {}) as JsonObject);
      failed.result = (event.data as JsonObject).result as JsonObject | undefined;
      throw failed;
    }
    else onEvent(event);
  }
  if (last === undefined) throw new ApiFailure(0, "The answer ended before it was whole.");
  return last;
}

/** The events of a stream (WHATWG HTML, section 9.2.6), each with its JSON. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let parts: string[] = []; // joined once an event is whole, since one may be of many megabytes
  for (;;) {
    const { done, value = "" } = await reader.read();
    const ends = value.includes("\n\n") || (value.startsWith("\n") && parts.at(-1)?.endsWith("\n"));
    if (value) parts.push(value);
    let rest = ends ? parts.join("") : "";
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
      const name = lines.find((line) => line.startsWith("event:"))?.slice(6).trim() ?? "message";
      if (data) yield { name, data: JSON.parse(data) as Json };
    }
    if (ends) parts = rest ? [rest] : [];
    if (done) return;
  }
}
