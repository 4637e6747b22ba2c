/** A value as JSON text; what is no JSON is told, and is not taken over. */
import { useEffect, useState, type ReactNode } from "react";
import type { Change } from "./context.ts";
import { same, toText, type Json } from "../model/json.ts";

export function JsonInput({ id, value, onChange, label }: { id: string; value: Json | undefined; onChange: Change; label: string }): ReactNode {
  const shown = value === undefined ? "" : toText(value, 2);
  const [typed, setTyped] = useState(shown);
  const [wrong, setWrong] = useState("");
  useEffect(() => setTyped((old) => (same(parse(old).value, value) ? old : shown)), [shown, value]);
  return (
    <>
      <textarea
        id={id} className="code" rows={4} spellCheck={false} value={typed} aria-label={label} aria-invalid={wrong !== "" || undefined}
        onChange={(event) => {
          const found = parse(event.target.value);
          setTyped(event.target.value);
          setWrong(found.wrong);
          if (!found.wrong) onChange(found.value);
        }}
      />
      {wrong && <p className="fault">{wrong}</p>}
    </>
  );
}

function parse(text: string): { value?: Json; wrong: string } {
  if (text.trim() === "") return { wrong: "" };
  try {
    return { value: JSON.parse(text) as Json, wrong: "" };
  } catch (error) {
    return { wrong: `This is no JSON: ${(error as Error).message}` };
  }
}
