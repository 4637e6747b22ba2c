/** Values with parts: lists, objects, maps, choices of several, and values of one of several shapes. */
import { useState, type ReactNode } from "react";
import { useForm } from "./context.ts";
import { FieldFaults, FieldView, ValueInput, elementId, type ValueProps } from "./FieldView.tsx";
import { JsonInput } from "./JsonInput.tsx";
import { Markdown } from "../parts/Markdown.tsx";
import { isExpression } from "../model/expression.ts";
import { isNeeded, isShown, resolved, seed, variantOf, variantSeed, withField, type Shape, type Variant } from "../model/form.ts";
import { escapeToken, fromPairs, isObject, same, type Json } from "../model/json.ts";

export function ObjectInput({ shape, pointer, value, onChange, label }: ValueProps): ReactNode {
  const { defs, prefix } = useForm();
  const [more, setMore] = useState(false);
  if (value !== undefined && !isObject(value)) return <JsonInput id={elementId(prefix, pointer)} value={value} onChange={onChange} label={label} />;
  const beside = value ?? {};
  const fields = (shape.fields ?? []).filter((field) => isShown(field, beside, shape.fields ?? []));
  const unknown = isObject(value) ? Object.keys(value).filter((name) => !(shape.fields ?? []).some((field) => field.name === name)) : [];
  const first = fields.filter((field) => isNeeded(field, beside, fields) || Object.hasOwn(beside, field.name) || fields.length <= 3);
  const rest = fields.filter((field) => !first.includes(field));
  if (fields.length === 0 && shape.closed !== true && !(shape.fields ?? []).length) {
    return <JsonInput id={elementId(prefix, pointer)} value={value} onChange={onChange} label={label} />;
  }
  return (
    <div className="object" data-object={pointer}>
      {[...first, ...(more ? rest : [])].map((field) => (
        <FieldView
          key={field.name} field={field} needed={isNeeded(field, beside, fields)} pointer={`${pointer}/${escapeToken(field.name)}`}
          value={beside[field.name]} beside={beside} onChange={(to) => onChange(withField(shape, defs, value, field.name, to))}
        />
      ))}
      {unknown.map((name) => (
        <div className="field" key={name}>
          <span className="label-text">{name}</span>
          <JsonInput
            id={elementId(prefix, `${pointer}/${escapeToken(name)}`)} value={beside[name]} label={name}
            onChange={(to) => onChange(withField(shape, defs, value, name, to))}
          />
        </div>
      ))}
      {rest.length > 0 && (
        <button type="button" className="link" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? "Fewer fields" : `${rest.length} more of ${label}: ${rest.slice(0, 3).map((field) => field.label).join(", ")}${rest.length > 3 ? " …" : ""}`}
        </button>
      )}
      {fields.length === 0 && (value === undefined ? <button type="button" onClick={() => onChange(seed(shape, defs) ?? {})}>Set {label}</button> : <p className="dim">Set.</p>)}
    </div>
  );
}

/** Entries of a list that are drawn at once. */
const PART = 30;

export function ListInput({ shape, pointer, value, onChange, label, needed }: ValueProps): ReactNode {
  const { defs, prefix } = useForm();
  const [most, setMost] = useState(PART);
  const items = shape.items ?? { widget: "json" };
  const whole = resolved(items, defs);
  const noun = (items.label ?? whole.label ?? "entry").toLowerCase();
  if (value !== undefined && !Array.isArray(value)) return <JsonInput id={elementId(prefix, pointer)} value={value} onChange={onChange} label={label} />;
  // A list that needs an entry shows its first one before it is there.
  const ghost = value === undefined && needed;
  const entries: (Json | undefined)[] = ghost ? [undefined] : (value ?? []);
  const set = (index: number, to: Json | undefined): void => {
    const next = entries.map((entry, place) => (place === index ? to : entry));
    if (to === undefined && !["object", "list", "key-value"].includes(whole.widget)) next[index] = "";
    onChange(next.filter((entry): entry is Json => entry !== undefined));
  };
  const add = (): void => {
    setMost(Math.max(most, entries.length + 1));
    onChange([...entries.filter((entry): entry is Json => entry !== undefined), seed(items, defs) ?? blank(whole)]);
  };
  const full = shape.max_items !== undefined && entries.length >= shape.max_items;
  return (
    <div className="list">
      {entries.slice(0, most).map((entry, index) => (
        <div className="entry" key={index} data-entry={`${pointer}/${index}`}>
          <div className="entry-head">
            <span className="label-text">{items.label ?? whole.label ?? "Entry"} {index + 1}</span>
            {!ghost && (
              <span className="tools">
                {index > 0 && <button type="button" className="small" aria-label={`Move ${noun} ${index + 1} up`} onClick={() => onChange(moved(entries as Json[], index))}>↑</button>}
                <button type="button" className="small" aria-label={`Remove ${noun} ${index + 1}`} onClick={() => onChange(nothing((entries as Json[]).toSpliced(index, 1)))}>✕</button>
              </span>
            )}
          </div>
          {isExpression(entry) ? (
            <input
              id={elementId(prefix, `${pointer}/${index}`)} aria-label={`${label} ${index + 1}`} value={String(entry)}
              onChange={(event) => set(index, event.target.value)}
            />
          ) : (
            <ValueInput shape={items} label={`${items.label ?? label} ${index + 1}`} pointer={`${pointer}/${index}`} value={entry} beside={{}} onChange={(to) => set(index, to)} needed />
          )}
          <FieldFaults id={elementId(prefix, `${pointer}/${index}`)} pointer={`${pointer}/${index}`} />
        </div>
      ))}
      {entries.length > most && <button type="button" className="link" onClick={() => setMost(most + PART)}>{entries.length - most} more</button>}
      {!ghost && <button type="button" className="small" id={elementId(prefix, pointer)} disabled={full} onClick={add}>Add {noun}</button>}
    </div>
  );
}

const moved = (entries: Json[], index: number): Json[] => entries.map((entry, place) => (place === index - 1 ? entries[index]! : place === index ? entries[index - 1]! : entry));
const nothing = (entries: Json[]): Json[] | undefined => (entries.length ? entries : undefined);
const blank = (shape: Shape): Json => (shape.type === "integer" || shape.type === "number" ? (shape.minimum ?? 0) : shape.type === "boolean" ? false : "");

export function VariantsInput({ shape, pointer, value, onChange, label, needed, field }: ValueProps): ReactNode {
  const { defs, prefix } = useForm();
  const variants = shape.variants ?? [];
  const found = variantOf(shape, value);
  const [picked, setPicked] = useState<number | null>(null);
  const shown = found >= 0 ? found : (picked ?? (needed || value === undefined ? (needed ? 0 : -1) : -1));
  const variant = variants[shown];
  const id = elementId(prefix, pointer);
  const other = value !== undefined && found < 0; // a value of no kind that the form knows
  const choose = (index: number): void => {
    setPicked(index);
    const chosen = variants[index];
    if (!chosen) return onChange(undefined);
    onChange(carried(chosen, value) ?? variantSeed(chosen, defs));
  };
  return (
    <div className="variants">
      {(variants.length > 1 || !needed || other) && (
        <select id={`${id}-kind`} aria-label={`Kind of ${label.toLowerCase()}`} className={shown < 0 ? "unset" : ""} value={other ? -2 : shown} onChange={(event) => choose(Number(event.target.value))}>
          {other && <option value={-2}>Other, as JSON</option>}
          {!needed && <option value={-1}>{field?.default !== undefined ? `Left to the provider: ${typeof field.default === "string" ? field.default : JSON.stringify(field.default)}` : "Not set"}</option>}
          {variants.map((each, index) => (
            <option key={each.id} value={index}>{each.label}</option>
          ))}
        </select>
      )}
      {variant?.help && !other && <Markdown text={variant.help} />}
      {other && <JsonInput id={id} value={value} onChange={onChange} label={label} />}
      {variant && !other && <ValueInput shape={variant} label={variant.label === label ? label : `${label}: ${variant.label}`} pointer={pointer} value={value} beside={{}} onChange={onChange} needed={needed} alone {...(field ? { field } : {})} />}
    </div>
  );

  /** What of the old value the new shape keeps: the fields that both have. */
  function carried(chosen: Variant, old: Json | undefined): Json | undefined {
    const fresh = variantSeed(chosen, defs);
    if (!isObject(old) || !isObject(fresh)) return undefined;
    const names = new Set((resolved(chosen, defs).fields ?? []).filter((each) => each.visibility !== "internal").map((each) => each.name));
    return { ...fresh, ...fromPairs(Object.entries(old).filter(([name]) => names.has(name) && !Object.hasOwn(fresh, name))) };
  }
}

export function MultiSelect({ shape, pointer, value, onChange, label }: ValueProps): ReactNode {
  const { prefix } = useForm();
  const id = elementId(prefix, pointer);
  const chosen = Array.isArray(value) ? value : [];
  return (
    <div className="choices" role="group" aria-label={label}>
      {(shape.enum ?? []).map((option, index) => (
        <label key={index}>
          <input
            id={index === 0 ? id : `${id}-${index}`} type="checkbox" checked={chosen.some((each) => same(each, option.value))}
            onChange={(event) => onChange(nothing(event.target.checked ? [...chosen, option.value] : chosen.filter((each) => !same(each, option.value))))}
          /> {option.label || String(option.value)}
        </label>
      ))}
    </div>
  );
}

export function KeyValue({ shape, pointer, value, onChange, label }: ValueProps): ReactNode {
  const { prefix, defs } = useForm();
  const id = elementId(prefix, pointer);
  const [name, setName] = useState("");
  if (value !== undefined && !isObject(value)) return <JsonInput id={id} value={value} onChange={onChange} label={label} />;
  const pairs = Object.entries(value ?? {});
  const values = shape.values ?? { widget: "text", type: "string" };
  const set = (next: [string, Json][]): void => onChange(next.length ? fromPairs(next) : undefined);
  const add = (): void => {
    if (!name || pairs.some(([known]) => known === name)) return;
    set([...pairs, [name, seed(values, defs) ?? blank(resolved(values, defs))]]);
    setName("");
  };
  return (
    <div className="list">
      {pairs.map(([key, held], index) => (
        <div className="entry" key={key}>
          <div className="entry-head">
            <span className="label-text">{key}</span>
            <button type="button" className="small" aria-label={`Remove ${key}`} onClick={() => set(pairs.toSpliced(index, 1))}>✕</button>
          </div>
          <ValueInput
            shape={values} label={`${label}: ${key}`} pointer={`${pointer}/${escapeToken(key)}`} value={held} beside={{}} needed
            onChange={(to) => set(pairs.map(([each, old], place) => [each, place === index ? (to ?? "") : old]))}
          />
          <FieldFaults id={elementId(prefix, `${pointer}/${escapeToken(key)}`)} pointer={`${pointer}/${escapeToken(key)}`} />
        </div>
      ))}
      <div className="number">
        <input id={id} type="text" aria-label={`New name in ${label.toLowerCase()}`} placeholder="name" value={name} onChange={(event) => setName(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && (event.preventDefault(), add())} />
        <button type="button" className="small" onClick={add} disabled={!name}>Add {label.toLowerCase()}</button>
      </div>
    </div>
  );
}
