/** One field with its label, help and faults, and the control for its kind of value. */
import { useEffect, useState, type ReactNode } from "react";
import { useForm, type Change } from "./context.ts";
import { Combobox } from "./Combobox.tsx";
import { FileInput } from "./FileInput.tsx";
import { JsonInput } from "./JsonInput.tsx";
import { KeyValue, ListInput, MultiSelect, ObjectInput, VariantsInput } from "./containers.tsx";
import { FaultText } from "../parts/FaultText.tsx";
import { Markdown } from "../parts/Markdown.tsx";
import { isExpression } from "../model/expression.ts";
import { resolved, type Fault, type Field, type Shape } from "../model/form.ts";
import type { Json, JsonObject } from "../model/json.ts";

export const elementId = (prefix: string, pointer: string): string => `${prefix}${pointer}`;

export interface ValueProps {
  shape: Shape;
  label: string;
  pointer: string;
  value: Json | undefined;
  beside: JsonObject;
  onChange: Change;
  needed: boolean;
  field?: Field;
  /** Whether no label of its own stands before the control. */
  alone?: boolean;
}

export function FieldView(props: { field: Field; needed: boolean; pointer: string; value: Json | undefined; beside: JsonObject; onChange: Change }): ReactNode {
  const { field, needed, pointer, value, beside, onChange } = props;
  const { prefix, defs, map, drop } = useForm();
  const whole = resolved(field, defs);
  const id = elementId(prefix, pointer);
  const grouped = GROUPED.has(whole.widget);
  const [raw, setRaw] = useState(false);
  const [over, setOver] = useState(false);
  const dropped = {
    onDragOver: (event: React.DragEvent) => event.dataTransfer.types.includes("text/x-kosha") && (event.preventDefault(), setOver(true)),
    onDragLeave: () => setOver(false),
    onDrop: (event: React.DragEvent) => {
      const expression = event.dataTransfer.getData("text/x-kosha");
      setOver(false);
      if (!expression) return;
      event.preventDefault();
      event.stopPropagation();
      drop(expression, onChange);
    },
  };
  const head = (
    <>
      <span className="label-text">{field.label}</span>
      {field.units && <span className="units"> ({field.units})</span>}
      {needed && <span className="needed" title="Needed"> *</span>}
    </>
  );
  const tools = (
    <span className="tools">
      <code className="api-name">{field.name}</code>
      {field.deprecated && <span className="chip">deprecated</span>}
      {whole.raw && !isExpression(value) && (
        <button type="button" className="small" aria-pressed={raw} onClick={() => setRaw(!raw)} aria-label={`${field.label} as JSON`}>{"{ }"}</button>
      )}
      {map && field.expression && (
        <button type="button" className="small" onClick={() => map(field.label, whole.type, onChange)} aria-label={`Map ${field.label} from an earlier step`}><span aria-hidden="true">↩ </span>map</button>
      )}
      {!needed && value !== undefined && (
        <button type="button" className="small" onClick={() => onChange(undefined)} aria-label={`Clear ${field.label}`}>✕</button>
      )}
    </span>
  );
  const body = isExpression(value) ? (
    <Mapped id={id} expression={String(value)} label={field.label} onChange={onChange} />
  ) : raw ? (
    <JsonInput id={id} value={value} onChange={onChange} label={field.label} />
  ) : (
    <ValueInput shape={whole} label={field.label} pointer={pointer} value={value} beside={beside} onChange={onChange} needed={needed} field={field} />
  );
  const help = field.help && <Markdown text={field.help} id={`${id}-help`} />;
  if (grouped && !raw && !isExpression(value)) {
    return (
      <fieldset className={over ? "field over" : "field"} data-pointer={pointer} {...dropped}>
        <legend id={`${id}-label`}>{head}</legend>
        {tools}
        {help}
        {body}
        <FieldFaults id={id} pointer={pointer} />
      </fieldset>
    );
  }
  return (
    <div className={over ? "field over" : "field"} data-pointer={pointer} {...dropped}>
      <div className="field-head">
        <label htmlFor={id}>{head}</label>
        {tools}
      </div>
      {body}
      <FieldFaults id={id} pointer={pointer} />
      {help}
    </div>
  );
}

const GROUPED = new Set(["list", "object", "variants", "key-value", "multi-select", "switch"]);

export function FieldFaults({ id, pointer }: { id: string; pointer: string }): ReactNode {
  const found: Fault[] = useForm().faults.get(pointer) ?? [];
  return (
    <>
      {found.map((fault, index) => (
        <p key={index} className="fault" id={index === 0 ? `${id}-fault` : undefined} data-fault={pointer}>
          <FaultText fault={fault} alone />
        </p>
      ))}
    </>
  );
}

/** An expression in place of a value: what it names and what it finds now. */
function Mapped({ id, expression, label, onChange }: { id: string; expression: string; label: string; onChange: Change }): ReactNode {
  const { preview } = useForm();
  return (
    <div className="mapped">
      <input id={id} value={expression} onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value)} spellCheck={false} />
      <button type="button" className="small" onClick={() => onChange(undefined)} aria-label={`${label} as a fixed value`}>Fixed value</button>
      <output className="dim">{preview(expression)}</output>
    </div>
  );
}

/** The control for a value alone. */
export function ValueInput(props: ValueProps): ReactNode {
  const { defs, prefix, faults } = useForm();
  const { pointer, value, onChange, label, field, alone } = props;
  const shape = resolved(props.shape, defs);
  const id = elementId(prefix, pointer);
  const inner = { ...props, shape };
  const aria = {
    id,
    "aria-describedby": [faults.has(pointer) ? `${id}-fault` : "", field?.help ? `${id}-help` : ""].filter(Boolean).join(" ") || undefined,
    "aria-invalid": faults.has(pointer) || undefined,
    "aria-label": field && !alone ? undefined : label,
  };
  if (shape.constant !== undefined) return <Constant {...inner} id={id} constant={shape.constant} />;
  switch (shape.widget) {
    case "multiline":
      return <textarea {...aria} rows={3} value={text(value)} placeholder={field?.placeholder} onChange={(event) => onChange(orNothing(event.target.value, value))} />;
    case "number":
    case "slider":
      return <NumberInput {...inner} aria={aria} />;
    case "switch":
      return <Switch {...inner} id={id} />;
    case "select":
      return shape.open || field?.options ? <Combobox {...inner} aria={aria} /> : <Select {...inner} aria={aria} />;
    case "multi-select":
      return <MultiSelect {...inner} />;
    case "key-value":
      return <KeyValue {...inner} />;
    case "list":
      return <ListInput {...inner} />;
    case "file":
      return <FileInput {...inner} />;
    case "date":
      return <DateInput {...inner} aria={aria} />;
    case "object":
      return <ObjectInput {...inner} />;
    case "variants":
      return <VariantsInput {...inner} />;
    case "json":
      return <JsonInput id={id} value={value} onChange={onChange} label={label} />;
    default:
      if (field?.options) return <Combobox {...inner} aria={aria} />;
      return <input {...aria} type="text" value={text(value)} placeholder={field?.placeholder} onChange={(event) => onChange(orNothing(event.target.value, value))} />;
  }
}

/** The one value that a field can have: sent or left out; where it is needed there is nothing to choose. */
function Constant({ id, constant, value, needed, onChange, label }: ValueProps & { id: string; constant: Json }): ReactNode {
  const shown = text(constant);
  if (needed && value !== undefined) return <output id={id} className="dim">{shown}</output>;
  return (
    <span className="choices">
      <label><input id={id} type="checkbox" checked={value !== undefined} aria-label={`${label}: ${shown}`} onChange={(event) => onChange(event.target.checked ? constant : undefined)} /> {shown}</label>
    </span>
  );
}

export type Aria = { id: string; "aria-describedby": string | undefined; "aria-invalid": true | undefined; "aria-label": string | undefined };

export const text = (value: Json | undefined): string => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));
/** A text that was emptied is left out; one that never was anything else stays so. */
const orNothing = (now: string, _: Json | undefined): Json | undefined => (now === "" ? undefined : now);

const leftOut = (field: Field | undefined): string =>
  field?.default !== undefined ? `Left to the provider: ${typeof field.default === "string" ? field.default : JSON.stringify(field.default)}` : "Not set";

function Select({ shape, value, onChange, needed, field, aria }: ValueProps & { aria: Aria }): ReactNode {
  const options = shape.enum ?? [];
  const index = options.findIndex((option) => option.value === value);
  return (
    <select {...aria} className={index < 0 ? "unset" : ""} value={index} onChange={(event) => onChange(options[Number(event.target.value)]?.value)}>
      <option value={-1}>{needed ? "Choose …" : leftOut(field)}</option>
      {options.map((option, place) => (
        <option key={place} value={place}>{option.label || String(option.value)}</option>
      ))}
    </select>
  );
}

function NumberInput({ shape, value, onChange, field, aria, label }: ValueProps & { aria: Aria }): ReactNode {
  const shown = value === undefined || value === null ? "" : String(value);
  const [typed, setTyped] = useState(shown);
  useEffect(() => setTyped((old) => (parsed(old) === value ? old : shown)), [shown, value]);
  const low = shape.minimum ?? shape.above;
  const high = shape.maximum ?? shape.below;
  const step = shape.step ?? (shape.type === "integer" ? 1 : undefined);
  const bounds = low !== undefined && high !== undefined ? `${low} to ${high}` : low !== undefined ? `${low} or more` : high !== undefined ? `at most ${high}` : "";
  const sliding = shape.widget === "slider" && low !== undefined && high !== undefined;
  return (
    <div className="number">
      {sliding && (
        <input
          type="range" min={low} max={high} step={step ?? "any"} aria-label={`${label}, slider`} className={value === undefined ? "unset" : ""}
          value={typeof value === "number" ? value : typeof field?.default === "number" ? field.default : low}
          onChange={(event) => onChange(Number(event.target.value))}
        />
      )}
      <input
        {...aria} type="text" inputMode={shape.type === "integer" ? "numeric" : "decimal"} value={typed}
        placeholder={field?.default !== undefined && field.default !== null ? leftOut(field) : field?.placeholder}
        onChange={(event) => {
          setTyped(event.target.value);
          onChange(event.target.value.trim() === "" ? undefined : (parsed(event.target.value) ?? event.target.value));
        }}
      />
      {bounds && <span className="dim">{bounds}</span>}
    </div>
  );
}

function parsed(typed: string): Json | undefined {
  const plain = typed.trim();
  if (/^[+-]?\d+$/.test(plain)) return Number.isSafeInteger(Number(plain)) ? Number(plain) : BigInt(plain);
  const found = Number(plain);
  return plain === "" || !Number.isFinite(found) ? undefined : found;
}

function Switch({ value, onChange, needed, field, id, label }: ValueProps & { id: string }): ReactNode {
  const choices: [string, Json | undefined][] = [["On", true], ["Off", false]];
  if (!needed) choices.unshift([field?.default === undefined ? "Not set" : `Left to the provider: ${field.default ? "on" : "off"}`, undefined]);
  return (
    <div className="choices" role="radiogroup" aria-label={label}>
      {choices.map(([name, to], index) => (
        <label key={name}>
          <input type="radio" id={index === 0 ? id : `${id}-${index}`} name={id} checked={value === to || (to === undefined && value === null)} onChange={() => onChange(to)} /> {name}
        </label>
      ))}
    </div>
  );
}

function DateInput({ shape, value, onChange, aria }: ValueProps & { aria: Aria }): ReactNode {
  if (shape.date === "date") return <input {...aria} type="date" value={text(value)} onChange={(event) => onChange(event.target.value || undefined)} />;
  const shown = typeof value === "number" ? local(value * 1000) : typeof value === "string" ? local(Date.parse(value)) : "";
  return (
    <div className="number">
      <input
        {...aria} type="datetime-local" step={1} value={shown}
        onChange={(event) => {
          const time = Date.parse(event.target.value);
          onChange(Number.isNaN(time) ? undefined : shape.date === "unix" ? Math.floor(time / 1000) : new Date(time).toISOString());
        }}
      />
      {shape.date === "unix" && <span className="dim">{value === undefined ? "" : String(value)}</span>}
    </div>
  );
}

function local(time: number): string {
  if (Number.isNaN(time)) return "";
  return new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
