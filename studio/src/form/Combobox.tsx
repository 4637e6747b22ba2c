/** A text with offers: known values, and those of the account, which are looked up while one types. */
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useForm } from "./context.ts";
import { text, type Aria, type ValueProps } from "./FieldView.tsx";
import type { Option } from "../model/form.ts";

const MOST = 60;

export function Combobox({ shape, value, onChange, field, needed, aria }: ValueProps & { aria: Aria }): ReactNode {
  const { options } = useForm();
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState<string | null>(null);
  const [active, setActive] = useState(-1);
  const [live, setLive] = useState<{ options: (Option & { about?: string })[]; note: string } | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const picker = field?.options !== undefined && options !== undefined ? options : null;
  const search = typed ?? "";
  useEffect(() => {
    if (!open || !picker) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      picker(field!.name, search, stop.signal).then(setLive, () => {});
    }, 120);
    return () => (clearTimeout(timer), stop.abort());
    // eslint-like note: the picker is made anew at each drawing; what counts is what was typed.
  }, [open, search, field?.name]);
  const known = live?.options ?? shape.enum ?? [];
  const found = known.filter((each) => !search || `${each.label} ${String(each.value)}`.toLowerCase().includes(search.toLowerCase()));
  const shown = found.slice(0, MOST);
  const list = `${aria.id}-list`;
  const choose = (option: Option | undefined): void => {
    if (option) onChange(option.value);
    setOpen(false);
    setTyped(null);
    setActive(-1);
  };
  const hint = field?.default !== undefined ? `Left to the provider: ${String(field.default)}` : (field?.placeholder ?? (needed ? "Choose or type …" : ""));
  return (
    <div className="combo" ref={box} onBlur={(event) => !box.current?.contains(event.relatedTarget) && choose(undefined)}>
      <input
        {...aria} role="combobox" aria-expanded={open} aria-controls={list} aria-autocomplete="list" autoComplete="off" spellCheck={false}
        aria-activedescendant={open && active >= 0 ? `${list}-${active}` : undefined}
        value={text(value)} placeholder={hint}
        onFocus={() => setTyped(null)}
        onClick={() => setOpen(true)}
        onChange={(event) => {
          setTyped(event.target.value);
          setOpen(true);
          setActive(-1);
          onChange(event.target.value || undefined);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            if (!open) setOpen(true);
            else setActive((active + (event.key === "ArrowDown" ? 1 : shown.length - 1) + shown.length) % Math.max(1, shown.length));
          } else if (event.key === "Enter" && open && active >= 0) {
            event.preventDefault();
            choose(shown[active]);
          } else if (event.key === "Escape" && open) {
            event.stopPropagation();
            choose(undefined);
          }
        }}
      />
      {open && (
        <div className="offers">
          <ul role="listbox" id={list} aria-label="Known values">
            {shown.map((option, index) => (
              <li
                key={String(option.value)} id={`${list}-${index}`} role="option" aria-selected={index === active}
                onPointerDown={(event) => (event.preventDefault(), choose(option))}
              >
                {option.label || String(option.value)}
                {"about" in option && option.about ? <span className="dim"> {String(option.about)}</span> : null}
              </li>
            ))}
          </ul>
          <p className="dim">{found.length > MOST ? `${found.length - MOST} more: type to find them. ` : ""}{live?.note}</p>
        </div>
      )}
    </div>
  );
}
