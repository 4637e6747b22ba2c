/** A file: dropped or chosen. It becomes its base64 with its name, as the action takes it. */
import { useState, type ReactNode } from "react";
import { useForm } from "./context.ts";
import { elementId, type ValueProps } from "./FieldView.tsx";
import { isObject, type Json } from "../model/json.ts";
import { size } from "../parts/show.ts";

async function read(file: File): Promise<Json> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  return { base64: btoa(binary), filename: file.name };
}

export function FileInput({ shape, pointer, value, onChange, label, field, alone }: ValueProps): ReactNode {
  const { prefix } = useForm();
  const id = elementId(prefix, pointer);
  const [over, setOver] = useState(false);
  const [wrong, setWrong] = useState("");
  const rules = shape.file;
  const take = async (files: FileList | null): Promise<void> => {
    const given = [...(files ?? [])];
    if (given.length === 0) return;
    const large = given.find((file) => rules?.max_bytes !== undefined && file.size > rules.max_bytes);
    if (large) return setWrong(`${large.name} has ${size(large.size)}; at most ${size(rules!.max_bytes!)} are taken.`);
    setWrong("");
    const values = await Promise.all(given.map(read));
    onChange(shape.multiple ? values : values[0]);
  };
  const held = (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(name);
  return (
    <div
      className={over ? "drop over" : "drop"}
      onDragOver={(event) => event.dataTransfer.types.includes("Files") && (event.preventDefault(), event.stopPropagation(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        if (!event.dataTransfer.files.length) return;
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        void take(event.dataTransfer.files);
      }}
    >
      <input
        id={id} type="file" multiple={shape.multiple} accept={[...(rules?.types ?? []), ...(rules?.extensions ?? [])].join(",")}
        aria-label={field && !alone ? undefined : label} onChange={(event) => void take(event.target.files)}
      />
      <p className="dim">
        {held.length ? held.join(", ") : `Drop ${shape.multiple ? "files" : "a file"} here`}
        {rules?.max_bytes ? ` · at most ${size(rules.max_bytes)}` : ""}
      </p>
      {wrong && <p className="fault">{wrong}</p>}
    </div>
  );
}

function name(value: Json): string {
  if (isObject(value)) {
    const bytes = typeof value.base64 === "string" ? ` (${size(Math.floor(value.base64.length * 0.75))})` : "";
    return `${String(value.filename ?? value.path ?? "file")}${bytes}`;
  }
  if (typeof value === "string" && value.startsWith("data:")) return /;name=([^;,]+)/.exec(value)?.[1] ?? `file (${size(Math.floor(value.length * 0.75))})`;
  return "file";
}
