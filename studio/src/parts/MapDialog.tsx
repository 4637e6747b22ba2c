/** Values of earlier steps and inputs of the flow, to put in place of a field's value: searched, chosen by pointer or key. */
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { isObject, type Json } from "../model/json.ts";
import { short } from "./show.ts";

export interface Source {
  /** A step's id; null for the inputs of the flow. */
  step: string | null;
  body: Json;
  from: "result" | "sample" | "inputs";
}
export interface Picked {
  step: string | null;
  pointer: string;
  value: Json;
}

interface Leaf extends Picked {
  path: string;
}
const MOST = 2_000;
const SHOWN = 80;

function leaves(source: Source): Leaf[] {
  const found: Leaf[] = [];
  const walk = (value: Json, pointer: string, path: string): void => {
    if (found.length >= MOST) return;
    if (pointer !== "" || source.step !== null) found.push({ step: source.step, pointer, path: path || "the whole answer", value });
    const parts: [string, Json][] = Array.isArray(value) ? value.slice(0, 5).map((part, index) => [String(index), part]) : isObject(value) ? Object.entries(value) : [];
    for (const [name, part] of parts) walk(part, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, path ? `${path} › ${name}` : name);
  };
  walk(source.body, "", "");
  return found;
}

export const kindOf = (value: Json): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value)) ? "integer" : typeof value;
const WORDS: { [kind: string]: string } = { string: "a text", integer: "a whole number", number: "a number", boolean: "yes or no", array: "a list", object: "an object", null: "nothing" };

/** What a field that takes `wanted` makes of a value; "" where it takes it. */
export function misfit(wanted: string | undefined, value: Json): string {
  if (!wanted || wanted === "any") return "";
  const kind = kindOf(value);
  if (kind === wanted || (wanted === "number" && kind === "integer")) return "";
  return `is ${WORDS[kind] ?? kind}; the field takes ${WORDS[wanted] ?? wanted}`;
}

export function MapDialog({ label, wanted, sources, pick, newInput, close }: {
  label: string;
  wanted: string | undefined;
  sources: Source[];
  pick: (picked: Picked) => void;
  newInput: (name: string) => void;
  close: () => void;
}): ReactNode {
  const box = useRef<HTMLDialogElement>(null);
  const [search, setSearch] = useState("");
  const [name, setName] = useState("");
  useEffect(() => box.current?.showModal(), []);
  const all = useMemo(() => sources.map((source) => ({ source, leaves: leaves(source) })), [sources]);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return (
    <dialog ref={box} className="map" aria-label={`Value for ${label}`} onClose={close} onClick={(event) => event.target === box.current && box.current?.close()}>
      <form method="dialog">
        <h2>Value for {label}</h2>
        <input type="search" aria-label="Search values" placeholder="Search values …" value={search} autoFocus onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && event.preventDefault()} />
        {all.map(({ source, leaves: found }) => {
          const hits = found.filter((leaf) => words.every((word) => `${leaf.step ?? "input"} ${leaf.path} ${short(leaf.value, 60)}`.toLowerCase().includes(word)));
          const fitting = [...hits.filter((leaf) => !misfit(wanted, leaf.value)), ...hits.filter((leaf) => misfit(wanted, leaf.value))];
          if (hits.length === 0 && source.step !== null) return null;
          return (
            <section key={source.step ?? ""}>
              <h3>{source.step === null ? "Inputs of the flow" : source.step} <span className="dim">{source.from === "sample" ? "from the sample: run the step to see its own" : source.from === "result" ? "from its last result" : ""}</span></h3>
              <ul>
                {fitting.slice(0, SHOWN).map((leaf) => {
                  const wrong = misfit(wanted, leaf.value);
                  return (
                    <li key={leaf.pointer}>
                      <button type="button" className={wrong ? "value misfit" : "value"} data-pick={`${leaf.step ?? "inputs"}#${leaf.pointer}`} onClick={() => pick(leaf)}>
                        <span>{leaf.path}</span> <code>{short(leaf.value, 60)}</code>
                        {wrong && <span className="warning">{wrong}</span>}
                      </button>
                    </li>
                  );
                })}
              </ul>
              {fitting.length > SHOWN && <p className="dim">{fitting.length - SHOWN} more: search to find them.</p>}
              {source.step === null && (
                <div className="number">
                  <input type="text" aria-label="Name of a new input" placeholder="new input" value={name} onChange={(event) => setName(event.target.value)}
                    onKeyDown={(event) => event.key === "Enter" && (event.preventDefault(), /^[A-Za-z0-9_-]+$/.test(name) && newInput(name))} />
                  <button type="button" disabled={!/^[A-Za-z0-9_-]+$/.test(name)} onClick={() => newInput(name)}>Use a new input</button>
                </div>
              )}
            </section>
          );
        })}
        <button type="submit">Cancel</button>
      </form>
    </dialog>
  );
}
