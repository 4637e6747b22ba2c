/** The flow as a drawing: steps with their state, what comes after each, and branches. */
import { Background, BackgroundVariant, Controls, Handle, MarkerType, Position, ReactFlow, useReactFlow, useStore, type Connection, type Edge as DrawnEdge, type Node, type NodeProps, type NodeChange } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { memo, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { ActionInfo } from "../api.ts";
import { edges, reachable, stepViews, type Document, type Edge, type StepView } from "../model/document.ts";
import { layout, type Place } from "../model/layout.ts";
import type { Outcome } from "../state.ts";
import { Icon } from "./Palette.tsx";
import { seconds, short } from "./show.ts";

interface StepData extends Record<string, unknown> {
  view: StepView;
  title: string;
  group: string;
  kind: string | undefined;
  paid: boolean;
  loose: boolean;
  first: boolean;
  outcome: Outcome | undefined;
}
type StepNode = Node<StepData, "step">;
type EndNode = Node<{ label: string }, "end">;

const STATES = { running: "running …", ok: "done", failed: "failed", stopped: "stopped" };

const Step = memo(function Step({ data }: NodeProps<StepNode>): ReactNode {
  const { view, outcome } = data;
  const tokens = outcome?.envelope?.usage?.total_tokens ?? outcome?.envelope?.usage?.total;
  return (
    <div className={`step ${outcome?.state ?? ""} ${data.loose ? "loose" : ""}`}>
      {!data.first && <Handle type="target" position={Position.Top} id="in" />}
      <div className="step-head">
        <Icon name={data.group} kind={data.kind} />
        <span className="step-names">
          <strong>{view.id}</strong>
          <span className="dim">{data.title}</span>
        </span>
      </div>
      <div className="step-state">
        {outcome ? (
          <>
            <span className={`state ${outcome.state}`}>{STATES[outcome.state]}</span>
            {outcome.milliseconds !== undefined && <span>{seconds(outcome.milliseconds)}</span>}
            {typeof tokens === "number" && <span>{tokens} tokens</span>}
          </>
        ) : (
          <span className="dim">{data.loose ? "not connected: does not run" : "not run yet"}</span>
        )}
        {data.paid && <i className="paid">paid</i>}
      </div>
      {view.undrawn.length > 0 && <p className="undrawn">Kept, not drawn: {view.undrawn.join("; ")}</p>}
      <Handle type="source" position={Position.Bottom} id="next" />
      <Handle type="source" position={Position.Right} id="branch" title="Branch on a condition" />
    </div>
  );
});

const End = memo(function End({ data }: NodeProps<EndNode>): ReactNode {
  return (
    <div className="end">
      <Handle type="target" position={Position.Left} id="in" isConnectable={false} />
      {data.label}
    </div>
  );
});

const STEP_WIDTH = 240;
const STEP_HEIGHT = 82;
const END_HEIGHT = 26;
/** Room for the words of a condition between a step and its end. */
const END_ACROSS = 450;

const TYPES = { step: Step, end: End };

export interface CanvasProps {
  document: Document;
  index: number;
  places: { [step: string]: Place };
  outcomes: { [step: string]: Outcome };
  actions: ReadonlyMap<string, ActionInfo>;
  selected: string | null;
  select: (id: string | null) => void;
  move: (id: string, place: Place) => void;
  connect: (from: string, to: string, branch: boolean) => void;
  remove: (id: string) => void;
  cut: (edge: Edge) => void;
  /** Where a point of the screen is on the canvas. */
  onReady: (toCanvas: (point: Place) => Place, fit: () => void) => void;
}

export function Canvas(props: CanvasProps): ReactNode {
  const { document, index, places, outcomes, actions, selected, onReady } = props;
  const flow = useReactFlow();
  useInSight(selected);
  const [filled] = useState(document && stepViews(document, index).length > 0);
  const [moving, setMoving] = useState<{ [id: string]: Place }>({});
  // What was measured stays known: a node without its size is hidden until it is measured again.
  const [sizes, setSizes] = useState<{ [id: string]: { width: number; height: number } }>({});
  const drawn = useMemo(() => {
    const views = stepViews(document, index);
    const lines = edges(document, index);
    const reached = reachable(document, index);
    const loose = new Set(views.filter((view) => !reached.has(view.id)).map((view) => view.id));
    return { views, lines, loose, laid: layout(views.map((view) => view.id), lines, loose) };
  }, [document, index]);
  useEffect(() => onReady((point) => flow.screenToFlowPosition(point), () => void flow.fitView({ padding: 0.2, maxZoom: 1, duration: 0 })), [flow, onReady]);
  // A node that is as it was stays the same object, so that it is not drawn anew.
  const before = useRef(new Map<string, StepNode | EndNode>());
  const nodes = useMemo(() => {
    const found: (StepNode | EndNode)[] = drawn.views.map((view, place) => {
      const about = actions.get(view.task ? `task:${view.task}` : view.action) ?? actions.get(view.action);
      return {
        id: view.id, type: "step" as const, ...(sizes[view.id] ? { measured: sizes[view.id]! } : {}), position: moving[view.id] ?? places[view.id] ?? drawn.laid.get(view.id)!, selected: view.id === selected,
        ariaLabel: `Step ${view.id}, ${about?.title ?? view.action}`,
        data: {
          view, title: about?.title ?? view.action, group: about?.group ?? "?", kind: view.task ? "task" : undefined, paid: about?.hints.paid === true,
          loose: drawn.loose.has(view.id), first: place === 0, outcome: outcomes[view.id],
        },
      };
    });
    drawn.lines.forEach((line) => {
      if (line.to !== null || line.action === null || line.kind === "next") return;
      const { position: from, measured } = found.find((node) => node.id === line.from)!;
      const middle = (measured?.height ?? STEP_HEIGHT) / 2; // where the line to a branch begins
      found.push({
        id: endId(line), type: "end", ...(sizes[endId(line)] ? { measured: sizes[endId(line)]! } : {}), position: { x: from.x + END_ACROSS, y: from.y + middle - (sizes[endId(line)]?.height ?? END_HEIGHT) / 2 + 40 * line.action }, data: { label: line.kind === "failure" ? "end, failed" : "end" },
        selectable: false, draggable: false, focusable: false,
      });
    });
    const kept = found.map((node) => {
      const old = before.current.get(node.id);
      return old && alike(old, node, 4) ? old : node;
    });
    before.current = new Map(kept.map((node) => [node.id, node]));
    return kept;
  }, [drawn, places, moving, outcomes, actions, selected, sizes]);
  const lines = useMemo(
    () =>
      drawn.lines.flatMap((line): DrawnEdge[] => {
        if (line.to === null && (line.action === null || line.kind === "next")) return [];
        return [{
          id: `${line.from}|${line.kind}|${line.action ?? ""}`, source: line.from, target: line.to ?? endId(line), sourceHandle: line.kind === "next" ? "next" : "branch",
          targetHandle: "in", ...(line.label ? { label: brief(line.label) } : {}), className: line.kind, data: { line }, markerEnd: { type: MarkerType.ArrowClosed },
          ariaLabel: `${line.kind === "next" ? "Then" : line.label}: from ${line.from} to ${line.to ?? "the end"}`,
        }];
      }),
    [drawn],
  );
  const onNodesChange = (changes: NodeChange[]): void => {
    for (const change of changes) {
      if (change.type === "position" && change.position) {
        if (change.dragging) setMoving((old) => ({ ...old, [change.id]: change.position! }));
        else {
          setMoving(({ [change.id]: _, ...rest }) => rest);
          props.move(change.id, change.position);
        }
      } else if (change.type === "dimensions" && change.dimensions) {
        const { width, height } = change.dimensions;
        setSizes((old) => (old[change.id]?.width === width && old[change.id]?.height === height ? old : { ...old, [change.id]: { width, height } }));
      } else if (change.type === "select" && change.selected) props.select(change.id);
    }
  };
  return (
    <ReactFlow
      nodes={nodes} edges={lines} nodeTypes={TYPES} onNodesChange={onNodesChange} fitView={filled} fitViewOptions={{ padding: 0.2, maxZoom: 1 }} minZoom={0.1}
      onPaneClick={() => props.select(null)}
      onNodeClick={(_, node) => node.type === "step" && props.select(node.id)}
      onConnect={(made: Connection) => props.connect(made.source, made.target, made.sourceHandle === "branch")}
      onNodesDelete={(gone) => gone.forEach((node) => node.type === "step" && props.remove(node.id))}
      onEdgesDelete={(gone) => gone.forEach((edge) => props.cut(edge.data!.line as Edge))}
      onBeforeDelete={async ({ nodes: gone, edges: cut }) => ({ nodes: gone, edges: gone.length ? [] : cut })}
      deleteKeyCode={["Delete", "Backspace"]} connectionRadius={36} multiSelectionKeyCode={null} selectionKeyCode={null} onlyRenderVisibleElements
      proOptions={{ hideAttribution: false }}
    >
      <Background variant={BackgroundVariant.Dots} gap={20} />
      <Controls showInteractive={false} />
    </ReactFlow>
  );
}

/** Moves the drawing to the chosen step where its middle is out of sight: when it is chosen, and when the canvas gets another size. */
function useInSight(selected: string | null): void {
  const flow = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useEffect(() => {
    const node = selected === null ? undefined : flow.getInternalNode(selected);
    if (!node || !width || !height) return;
    const { x, y, zoom } = flow.getViewport();
    const middle = { x: node.internals.positionAbsolute.x + (node.measured.width ?? STEP_WIDTH) / 2, y: node.internals.positionAbsolute.y + (node.measured.height ?? STEP_HEIGHT) / 2 };
    const [left, top] = [middle.x * zoom + x, middle.y * zoom + y];
    if (left < 0 || left > width || top < 0 || top > height) void flow.setCenter(middle.x, middle.y, { zoom, duration: 0 });
  }, [flow, selected, width, height]);
}

/** Whether two values are the same, as deep as is looked. */
function alike(left: unknown, right: unknown, depth: number): boolean {
  if (Object.is(left, right)) return true;
  if (depth === 0 || typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  const names = Object.keys(left) as (keyof typeof left)[];
  return names.length === Object.keys(right).length && names.every((name) => Object.hasOwn(right, name) && alike(left[name], right[name], depth - 1));
}

/** A condition as a line has room for it: the last name of a path stands for the whole. */
const brief = (label: string): string => short(label.replace(/\$response\.body#(?:\/[^\s/]+)*\/([^\s/]+)/g, "$1"), 26);

const endId = (line: Edge): string => `end|${line.from}|${line.kind}|${line.action}`;
