"""Selection: which operations are offered, in which groups and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tools.spec.node import Node
from tools.spec.source import Operation


@dataclass(frozen=True)
class Selection:
    """Group name -> ids of its operations; `core` are the ids that must have texts."""

    groups: dict[str, list[str]]
    core: frozenset[str]


def select(data: Node, available: Mapping[str, Operation], *, everything: bool = False) -> Selection:
    """The selection in `data`, with every other available operation behind it when `everything` is set."""
    groups = {name: list(ids) for name, ids in data["groups"].items()}
    core = [operation_id for ids in groups.values() for operation_id in ids]
    _refuse_unknown(core, available)
    if everything:
        for operation in available.values():
            if operation.id not in core:
                tags = operation.object.get("tags") or [data["others"]]
                groups.setdefault(tags[0], []).append(operation.id)
    return Selection(groups=groups, core=frozenset(core))


def _refuse_unknown(ids: list[str], available: Mapping[str, Operation]) -> None:
    unknown = sorted(set(ids) - set(available))
    repeated = sorted({operation_id for operation_id in ids if ids.count(operation_id) > 1})
    if unknown or repeated:
        raise ValueError(f"selection: unknown {unknown}, repeated {repeated}")
