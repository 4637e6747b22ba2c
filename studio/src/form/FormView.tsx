/** A whole form: its groups, the fields that are asked for, and what is wrong at the head. */
import { useId, useMemo, useState, type ReactNode } from "react";
import { Context, type FormContext } from "./context.ts";
import { FieldView, elementId } from "./FieldView.tsx";
import { FaultText } from "../parts/FaultText.tsx";
import { isNeeded, isShown, type Fault, type Field, type Form } from "../model/form.ts";
import { escapeToken, withName, type Json, type JsonObject } from "../model/json.ts";

export interface FormProps {
  form: Form;
  value: JsonObject;
  onChange: (value: JsonObject, mark?: string) => void;
  faults: Fault[];
  options?: FormContext["options"];
  map: FormContext["map"];
  preview: FormContext["preview"];
  drop: FormContext["drop"];
}

export function FormView({ form, value, onChange, faults, options, map, preview, drop }: FormProps): ReactNode {
  const prefix = useId();
  const byPointer = useMemo(() => {
    const found = new Map<string, Fault[]>();
    for (const fault of faults) found.set(fault.pointer, [...(found.get(fault.pointer) ?? []), fault]);
    return found;
  }, [faults]);
  const context: FormContext = {
    prefix, defs: form.$defs, faults: byPointer, map, preview, drop,
    ...(options ? { options } : {}),
  };
  const set = (field: Field, to: Json | undefined): void => onChange(withName(value, field.name, to), field.name);
  return (
    <Context value={context}>
      <div className="form">
        {form.groups.map((group) => {
          const fields = form.fields.filter((field) => field.group === group.id && isShown(field, value, form.fields) && !excluded(field, value));
          if (fields.length === 0) return null;
          const body = fields.map((field) => (
            <FieldView
              key={field.name}
              field={field}
              needed={isNeeded(field, value, form.fields)}
              pointer={`/${escapeToken(field.name)}`}
              value={value[field.name]}
              beside={value}
              onChange={(to) => set(field, to)}
            />
          ));
          return group.id === "main" ? (
            <div key={group.id} className="group">{body}</div>
          ) : (
            <Group key={group.id} label={group.label} fields={fields} value={value} faults={faults}>{body}</Group>
          );
        })}
      </div>
    </Context>
  );
}

function Group({ label, fields, value, faults, children }: { label: string; fields: Field[]; value: JsonObject; faults: Fault[]; children: ReactNode }): ReactNode {
  const filled = fields.filter((field) => Object.hasOwn(value, field.name)).length;
  const wrong = faults.some((fault) => fields.some((field) => fault.pointer === `/${field.name}` || fault.pointer.startsWith(`/${field.name}/`)));
  const [open, setOpen] = useState(false);
  return (
    <details className="group" open={open || wrong} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label} <span className="dim">{filled ? `${filled} of ${fields.length} set` : fields.length}</span>
      </summary>
      {(open || wrong) && children}
    </details>
  );
}

const excluded = (field: Field, value: JsonObject): boolean =>
  !Object.hasOwn(value, field.name) && (field.excludes ?? []).some((name) => Object.hasOwn(value, name)) && field.visibility !== "important";

/** What is wrong, each with a way to its place. */
export function Faults({ faults, prefix }: { faults: Fault[]; prefix?: string }): ReactNode {
  if (faults.length === 0) return null;
  return (
    <ul className="faults">
      {faults.map((fault, index) => (
        <li key={index}>
          <code>{fault.pointer || "/"}</code> <FaultText fault={fault} />
          {prefix && <button type="button" className="link" onClick={() => document.getElementById(elementId(prefix, fault.pointer))?.focus()}>Go there</button>}
        </li>
      ))}
    </ul>
  );
}
