"""A document as a tree that people read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kosha_connector_openai.flows.workflows.model import Step, StepAction, Workflow, WorkflowDocument

Tree = tuple[str, Sequence["Tree"]]


def draw(document: WorkflowDocument) -> Iterator[str]:
    """The lines of the tree: workflows, their inputs and steps, criteria, actions and outputs."""
    yield f"{document.title} {document.version}" + (f": {document.summary}" if document.summary else "")
    yield from _lines([_workflow(workflow) for workflow in document.workflows.values()])


def _lines(trees: Sequence[Tree], before: str = "") -> Iterator[str]:
    for number, (text, below) in enumerate(trees, 1):
        last = number == len(trees)
        yield f"{before}{'└─' if last else '├─'} {text}"
        yield from _lines(below, f"{before}{'   ' if last else '│  '}")


def _workflow(workflow: Workflow) -> Tree:
    parts: list[Tree] = []
    if workflow.depends_on:
        parts.append((f"needs {', '.join(workflow.depends_on)}", ()))
    needed = workflow.inputs.required
    parts += [(f"input {name}{' (needed)' if name in needed else ''}", ()) for name in sorted(workflow.inputs.names)]
    parts += [(f"{number}. {text}", below) for number, (text, below) in enumerate(map(_step, workflow.steps), 1)]
    parts += [(f"output {name}", ()) for name in workflow.outputs]
    return f"{workflow.id}" + (f": {workflow.summary}" if workflow.summary else ""), parts


def _step(step: Step) -> Tree:
    verbs = {"operation": "", "workflow": "workflow ", "task": "task ", "job": "job "}
    parts: list[Tree] = [(f"must hold: {_asked(criterion.kind, criterion.text)}", ()) for criterion in step.criteria]
    parts += [("on success: " + _action(action), ()) for action in step.on_success]
    parts += [("on failure: " + _action(action), ()) for action in step.on_failure]
    if step.outputs:
        parts.append((f"gives {', '.join(step.outputs)}", ()))
    return f"{step.id} -> {verbs[step.runner]}{step.target}", parts


def _asked(kind: str, text: str) -> str:
    return text if kind == "simple" else f"{kind} {text}"


def _action(action: StepAction) -> str:
    where = action.step or action.workflow
    text = f"{action.turn} {where}" if where and action.turn == "goto" else action.turn
    if action.turn == "retry":
        text += f" {action.retry_limit}x" + (f" after {action.retry_after:g} s" if action.retry_after else "")
        text += f", {where} first" if where else ""
    asked = " and ".join(_asked(criterion.kind, criterion.text) for criterion in action.criteria)
    return f"{text} if {asked}" if asked else text
