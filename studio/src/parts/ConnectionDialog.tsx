/** The connection: where calls go and whose key they carry. The secret goes to the service and is never shown again. */
import { useEffect, useRef, useState, type ReactNode } from "react";
import { api, type Workbench } from "../api.ts";
import { isObject, type Json, type JsonObject } from "../model/json.ts";
import { Markdown } from "./Markdown.tsx";
import { SecretInput } from "./SecretInput.tsx";

interface Property {
  name: string;
  title: string;
  description: string;
  secret: boolean;
  choices: { value: string; title: string }[];
  example: string;
  required: boolean;
}

function properties(schema: JsonObject): Property[] {
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(isObject(schema.properties) ? schema.properties : {}).flatMap(([name, each]) => {
    if (!isObject(each)) return [];
    const choices = (Array.isArray(each.oneOf) ? each.oneOf : []).filter(isObject).map((choice) => ({ value: String(choice.const), title: String(choice.title ?? choice.const) }));
    const listed = Array.isArray(each.enum) ? each.enum.map((value) => ({ value: String(value), title: String(value) })) : [];
    return [{
      name, title: String(each.title ?? name), description: String(each.description ?? ""), secret: each.writeOnly === true, choices: choices.length ? choices : listed,
      example: Array.isArray(each.examples) ? String(each.examples[0]) : "", required: required.includes(name),
    }];
  });
}

export function ConnectionDialog({ bench, close, connected }: { bench: Workbench | null; close: (() => void) | null; connected: () => void }): ReactNode {
  const box = useRef<HTMLDialogElement>(null);
  const [form, setForm] = useState<Property[]>([]);
  const [card, setCard] = useState<JsonObject | null>(null);
  const [values, setValues] = useState<{ [name: string]: string }>(bench?.sandbox ? { server_url: bench.server } : {});
  const [keep, setKeep] = useState("");
  const [name, setName] = useState("");
  const [told, setTold] = useState<{ good: boolean; text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const [more, setMore] = useState(false);
  const [round, setRound] = useState(0);
  useEffect(() => {
    box.current?.showModal();
    api.connection().then((schema) => setForm(properties(schema)), (error: Error) => setTold({ good: false, text: error.message }));
    api.card().then(setCard, () => {});
  }, []);
  useEffect(() => {
    if (form.length) box.current?.querySelector<HTMLElement>(".field input, .field select")?.focus();
  }, [form]);
  const given = Object.fromEntries(Object.entries(values).filter(([, text]) => text.trim() !== ""));
  const act = (work: Promise<string>): void => {
    setBusy(true);
    setTold(null);
    work.then((text) => setTold({ good: true, text }), (error: Error) => setTold({ good: false, text: error.message })).finally(() => setBusy(false));
  };
  const important = form.filter((each) => each.required || each.secret || ["server_kind", "server_url"].includes(each.name) || values[each.name]);
  const rest = form.filter((each) => !important.includes(each));
  const field = (each: Property): ReactNode => {
    const id = `connection/${each.name}`;
    const set = (text: string): void => setValues((old) => ({ ...old, [each.name]: text }));
    const help = each.secret ? "It goes to the studio's process and is never shown again." : each.description;
    return (
      <div className="field" key={each.name}>
        <label htmlFor={id}><span className="label-text">{each.title}</span>{each.required && <span className="needed"> *</span>}</label>
        {each.choices.length ? (
          <select id={id} value={values[each.name] ?? ""} onChange={(event) => set(event.target.value)}>
            <option value="">Not set</option>
            {each.choices.map((choice) => <option key={choice.value} value={choice.value}>{choice.title}</option>)}
          </select>
        ) : each.secret ? (
          <SecretInput key={round} id={id} onChange={set} />
        ) : (
          <input id={id} type="text" autoComplete="off" spellCheck={false} value={values[each.name] ?? ""} placeholder={each.example} onChange={(event) => set(event.target.value)} />
        )}
        <Markdown text={help} />
      </div>
    );
  };
  return (
    <dialog ref={box} className="connection" aria-label="Connection" onClose={() => close?.()} onCancel={(event) => close === null && event.preventDefault()}>
      {card && <Card card={card} />}
      <h2>Connection</h2>
      {bench && (
        <p className="dim">
          {bench.connected ? `Calls go to ${bench.server}${bench.key_from.length ? `; the key comes from ${bench.key_from.map((each) => WHERE[each] ?? each).join(", ")}` : ""}.` : "There is no key yet."}
          {bench.sandbox ? " This is the sandbox: nothing leaves this machine, and nothing costs." : ""}
        </p>
      )}
      {!bench && <p>Where calls go is set by whoever runs this service.</p>}
      <form onSubmit={(event) => event.preventDefault()}>
        {bench && (
          <>
            {important.map(field)}
            {rest.length > 0 && (
              <details open={more} onToggle={(event) => setMore(event.currentTarget.open)}>
                <summary>{rest.length} more</summary>
                {more && rest.map(field)}
              </details>
            )}
            {bench.stores.length > 0 && (
              <div className="field">
                <label htmlFor="connection-keep"><span className="label-text">Keep it</span></label>
                <select id="connection-keep" value={keep} onChange={(event) => setKeep(event.target.value)}>
                  <option value="">Until the studio stops</option>
                  {bench.stores.map((store) => <option key={store} value={store}>{STORES[store] ?? store}</option>)}
                </select>
                {keep && <input type="text" aria-label="Name of the connection" placeholder="name" value={name} onChange={(event) => setName(event.target.value)} />}
              </div>
            )}
          </>
        )}
        {told && <p className={told.good ? "good" : "fault"} role={told.good ? "status" : "alert"} data-told={told.good}>{told.text}</p>}
        <div className="actions">
          <button type="button" disabled={busy} onClick={() => act(api.test(given))}>Test</button>
          {bench && (
            <button type="button" className="primary" disabled={busy || Object.keys(given).length === 0 || (keep !== "" && !name)}
              onClick={() => act(api.connect(given, keep ? { name, store: keep } : null).then((answer) => {
                setValues({});
                setRound(round + 1);
                connected();
                return `${answer.message}${answer.saved ? ` Kept in ${answer.saved}; next time: --connection ${name}` : ""}`;
              }))}>Connect</button>
          )}
          {close && <button type="button" onClick={() => box.current?.close()}>Close</button>}
        </div>
      </form>
    </dialog>
  );
}

const WHERE: { [scheme: string]: string } = { env: "an environment variable", file: "a file", keyring: "the system's keyring", vault: "a vault", submitted: "what was typed here" };
const STORES: { [store: string]: string } = { keyring: "In the system's keyring", file: "In a file of yours, mode 0600" };

/** Who stands behind the connector, under which licence, and where data goes. */
function Card({ card }: { card: JsonObject }): ReactNode {
  const publisher = isObject(card.publisher) ? card.publisher : {};
  const list = (value: Json | undefined): string => (Array.isArray(value) ? value.map(String).join(", ") : "");
  const facts: [string, string][] = [
    ["Publisher", String(publisher.name ?? "")], ["Licence", String(card.license ?? "")], ["Maturity", String(card.maturity ?? "")], ["Version", String(card.version ?? "")],
    ["Talks to", list(card.hosts)], ["Data that leaves", "the inputs of each run, to these hosts and nowhere else"],
  ];
  return (
    <section className="card" aria-label="About this connector">
      <h2>{typeof card.icon === "string" && <img src={card.icon} alt="" width={28} height={28} />} {String(card.title ?? "")}</h2>
      <p className="dim">{String(card.tagline ?? "")}</p>
      <dl className="facts">{facts.filter(([, fact]) => fact).map(([name, fact]) => <div key={name}><dt>{name}</dt><dd>{fact}</dd></div>)}</dl>
      {typeof card.changelog === "string" && <details><summary>What changed</summary><pre>{card.changelog}</pre></details>}
    </section>
  );
}
