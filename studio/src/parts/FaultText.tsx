/** What is wrong and what to do, as the service says it; its names are drawn as such. */
import type { ReactNode } from "react";
import { Inline } from "./Markdown.tsx";

/** `alone`: no place stands before it, so it begins a sentence. */
export function FaultText({ fault, alone }: { fault: { message: string; fix?: string }; alone?: boolean }): ReactNode {
  const text = [fault.message, fault.fix].filter(Boolean).join(" ");
  return <Inline text={alone ? text.replace(/^[a-z]/, (letter) => letter.toUpperCase()) : text} />;
}
