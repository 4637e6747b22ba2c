/** Places for the steps of a flow, by layers: each below what leads to it, branches side by side. */
import type { Edge } from "./document.ts";

export interface Place {
  x: number;
  y: number;
}
const ACROSS = 290;
const DOWN = 140;

export function layout(ids: readonly string[], edges: readonly Edge[], loose: ReadonlySet<string> = new Set()): Map<string, Place> {
  const order = new Map(ids.map((id, index) => [id, index]));
  const layer = new Map<string, number>();
  // Edges that lead back are left out: the longest way from the start decides.
  const forward = edges.filter((edge) => edge.to !== null && order.has(edge.from) && order.has(edge.to) && order.get(edge.from)! < order.get(edge.to)!);
  for (const id of ids) {
    const before = forward.filter((edge) => edge.to === id && !loose.has(edge.from)).map((edge) => (layer.get(edge.from) ?? 0) + 1);
    layer.set(id, Math.max(0, ...before));
  }
  const columns = new Map<number, number>();
  const found = new Map<string, Place>();
  const deepest = Math.max(-1, ...ids.filter((id) => !loose.has(id)).map((id) => layer.get(id)!));
  let rest = 0;
  for (const id of ids) {
    if (loose.has(id)) {
      found.set(id, { x: ACROSS * rest++, y: DOWN * (deepest + 1) + 40 });
      continue;
    }
    const row = layer.get(id)!;
    const column = columns.get(row) ?? 0;
    columns.set(row, column + 1);
    found.set(id, { x: ACROSS * column, y: DOWN * row });
  }
  return found;
}
