import type { ReactNode } from "react";

/** A secret that is typed. Its element is given no value: React would write that into an attribute, where the document holds it. */
export function SecretInput({ id, onChange }: { id: string; onChange: (text: string) => void }): ReactNode {
  return <input id={id} type="password" autoComplete="off" spellCheck={false} onChange={(event) => onChange(event.target.value)} />;
}
