/** The little Markdown of help texts: paragraphs, `code` and links. */
import { Fragment, type ReactNode } from "react";

const PIECE = /`([^`]+)`|\[([^\]]+)\]\((https:\/\/[^)\s]+)\)|\*\*([^*]+)\*\*/g;

export function Markdown({ text, id }: { text: string; id?: string }): ReactNode {
  return (
    <div className="help" id={id}>
      {text.split(/\n{2,}/).map((paragraph, index) => (
        <p key={index}><Inline text={paragraph} /></p>
      ))}
    </div>
  );
}

/** A sentence with its `code` and links. */
export function Inline({ text }: { text: string }): ReactNode {
  const out: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(PIECE)) {
    out.push(text.slice(end, match.index));
    const [all, code, label, href, strong] = match;
    if (code) out.push(<code>{code}</code>);
    else if (strong) out.push(<strong>{strong}</strong>);
    else out.push(<a href={href} target="_blank" rel="noreferrer noopener">{label}</a>);
    end = match.index + all.length;
  }
  out.push(text.slice(end));
  return out.map((piece, index) => <Fragment key={index}>{piece}</Fragment>);
}
