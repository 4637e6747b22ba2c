import { createContext, useContext } from "react";
import type { Option, Defs, Fault } from "../model/form.ts";
import type { Json, JsonObject } from "../model/json.ts";

/** What the fields of one form share. */
export interface FormContext {
  /** Begins the ids of the form's elements. */
  prefix: string;
  defs: Defs;
  faults: ReadonlyMap<string, Fault[]>;
  /** What a field is offered from the account. */
  options?: (field: string, search: string, signal: AbortSignal) => Promise<{ options: (Option & { about?: string })[]; note: string }>;
  /** Opens the picker of values of earlier steps; null where there are none. */
  map: ((label: string, type: string | undefined, onChange: Change) => void) | null;
  /** What an expression finds now, as a short text. */
  preview: (expression: string) => string;
  drop: (source: string, onChange: Change) => void;
}

export const Context = createContext<FormContext | null>(null);
export const useForm = (): FormContext => useContext(Context)!;
export type Change = (value: Json | undefined) => void;
export interface Inner {
  pointer: string;
  value: Json | undefined;
  onChange: Change;
  beside: JsonObject;
}
