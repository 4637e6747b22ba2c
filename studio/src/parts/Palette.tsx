/** What can be put into a flow: searched by the service, dragged by any pointer from its grip, added by Enter. */
import { memo, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { api, type ActionInfo, type Catalog } from "../api.ts";
import { filesTo } from "./files.ts";

export interface Dragged {
  action: ActionInfo;
  x: number;
  y: number;
}

export function Palette({ catalog, add, drag, rows }: {
  catalog: Catalog;
  add: (action: ActionInfo) => void;
  drag: (dragged: Dragged, done: boolean) => void;
  /** Takes a table that was dropped on an action. */
  rows: ((action: ActionInfo, file: File) => void) | null;
}): ReactNode {
  const [search, setSearch] = useState("");
  const [found, setFound] = useState<ActionInfo[] | null>(null);
  const [said, setSaid] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const all = useMemo(() => {
    const shown = catalog.items;
    const featured = shown.filter((each) => each.featured && !each.hints.deprecated);
    return [...featured, ...shown.filter((each) => !featured.includes(each))];
  }, [catalog]);
  useEffect(() => {
    if (!search.trim()) return setFound(null);
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.search(search, { signal: stop.signal }).then(
        (hits) => {
          setFound(hits);
          setSaid(`${hits.length} found`);
        },
        (error: Error) => error.name !== "AbortError" && setSaid(error.message),
      );
    }, 60);
    return () => (clearTimeout(timer), stop.abort());
  }, [search]);
  const shown = found ?? all;
  const move = (event: React.KeyboardEvent): void => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const items = [...(list.current?.querySelectorAll<HTMLElement>("[data-action]") ?? [])];
    const place = items.indexOf(document.activeElement as HTMLElement);
    const next = event.key === "ArrowDown" ? place + 1 : place - 1;
    if (next < 0) document.getElementById("search")?.focus();
    else items[Math.min(next, items.length - 1)]?.focus();
  };
  return (
    <section className="palette" aria-label="Actions" onKeyDown={move}>
      <div className="search">
        <label htmlFor="search" className="hidden">Search actions</label>
        <input
          id="search" type="search" placeholder={`Search ${all.length} actions …`} value={search} autoComplete="off"
          onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && shown[0]) add(shown[0]);
          }}
        />
        <span className="hidden" role="status">{said}</span>
      </div>
      <ul ref={list} data-count={shown.length}>
        {shown.map((action) => (
          <Item key={`${action.kind ?? "action"}:${action.id}`} action={action} add={add} drag={drag} rows={rows} />
        ))}
        {found?.length === 0 && <li className="dim empty">Nothing is called that. Try another word.</li>}
      </ul>
    </section>
  );
}

const Item = memo(function Item({ action, add, drag, rows }: { action: ActionInfo; add: (action: ActionInfo) => void; drag: (dragged: Dragged, done: boolean) => void; rows: ((action: ActionInfo, file: File) => void) | null }): ReactNode {
  const start = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const { hints } = action;
  const grip = {
    onPointerDown: (event: React.PointerEvent<HTMLElement>) => {
      if (event.button !== 0) return;
      if (event.pointerType !== "mouse" && !(event.target as HTMLElement).closest(".grip")) return; // elsewhere a finger scrolls
      start.current = { x: event.clientX, y: event.clientY, moved: false };
      event.currentTarget.setPointerCapture(event.pointerId);
    },
    onPointerMove: (event: React.PointerEvent) => {
      const from = start.current;
      if (!from) return;
      if (!from.moved && Math.hypot(event.clientX - from.x, event.clientY - from.y) < 6) return;
      from.moved = true;
      drag({ action, x: event.clientX, y: event.clientY }, false);
    },
    onPointerUp: (event: React.PointerEvent) => {
      const from = start.current;
      start.current = null;
      if (from?.moved) drag({ action, x: event.clientX, y: event.clientY }, true);
    },
    onPointerCancel: () => {
      if (start.current?.moved) drag({ action, x: -1, y: -1 }, true);
      start.current = null;
    },
  };
  return (
    <li>
      <div
        className={hints.deprecated ? "action retired" : "action"} role="button" tabIndex={0} data-action={action.id} {...grip}
        onKeyDown={(event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            add(action);
          }
        }}
        onDoubleClick={() => add(action)}
        onFocus={() => fetchSoon(action)} onPointerEnter={() => fetchSoon(action)} onPointerLeave={forgetSoon}
        {...(rows ? filesTo((file) => rows(action, file)) : {})}
        title={action.summary}
      >
        <span className="grip" aria-hidden="true"><Icon name={action.group} kind={action.kind} /></span>
        <span className="action-text">
          <span className="hidden">Add </span>
          <span className="action-title">{action.title}</span>
          <span className="action-about">
            {action.kind === "task" && <i>task</i>}
            {hints.paid && <i className="paid">paid</i>}
            {hints.destructive && <i className="deletes">deletes</i>}
            {hints.deprecated && <i>retired</i>}
            <span className="dim">{action.summary}</span>
          </span>
        </span>
      </div>
      <button type="button" className="add" tabIndex={-1} aria-label={`Put ${action.title} into the flow`} onClick={() => add(action)}>+</button>
    </li>
  );
});

let soon: ReturnType<typeof setTimeout> | undefined;
const forgetSoon = (): void => clearTimeout(soon);

/** Has the form of an action that somebody stays at ready before it is asked for. */
function fetchSoon(action: ActionInfo): void {
  forgetSoon();
  soon = setTimeout(() => {
    const task = action.kind === "task";
    void api.form(action.id, task).then(() => api.sample(action.id, task)).catch(() => {}); // the form first: a step waits for nothing else
  }, 40);
}

/** A tile with the first letters of a group: the same colour for the same group. */
export function Icon({ name, kind }: { name: string; kind?: string | undefined }): ReactNode {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.charCodeAt(0)) % 8;
  return <span className={`icon tint-${sum}`}>{kind === "task" ? "★" : name.slice(0, 2)}</span>;
}
