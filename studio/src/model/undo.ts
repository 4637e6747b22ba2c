/** What was, what is, and what can be done again. Documents share what they have in common, so that many cost little. */

export interface History<T> {
  past: readonly T[];
  now: T;
  future: readonly T[];
  /** Changes with the same mark follow each other as one: the letters of a word that is typed. */
  mark: string;
}

const MOST = 500;

export const begin = <T>(now: T): History<T> => ({ past: [], now, future: [], mark: "" });

export function change<T>(history: History<T>, now: T, mark = ""): History<T> {
  if (now === history.now) return history;
  const joined = mark !== "" && mark === history.mark && history.past.length > 0;
  const past = joined ? history.past : [...history.past.slice(-MOST + 1), history.now];
  return { past, now, future: [], mark };
}

export function undo<T>(history: History<T>): History<T> {
  const before = history.past.at(-1);
  return before === undefined ? history : { past: history.past.slice(0, -1), now: before, future: [history.now, ...history.future], mark: "" };
}

export function redo<T>(history: History<T>): History<T> {
  const [after, ...future] = history.future;
  return after === undefined ? history : { past: [...history.past, history.now], now: after, future, mark: "" };
}
