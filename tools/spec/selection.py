"""Selection: which operations are offered, in which groups and order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kosha_connector_openai.sdk.node import Node


@dataclass(frozen=True)
class Selection:
    """Group name -> ids of its operations, and the ids that stand in no group."""

    groups: dict[str, list[str]]
    left_out: list[str]


def select(data: Node, available: Collection[str]) -> Selection:
    """The selection in `data`; raises `ValueError` where it names an unknown operation, or one twice."""
    groups: dict[str, list[str]] = data["groups"]
    chosen = [operation_id for ids in groups.values() for operation_id in ids]
    unknown = sorted(set(chosen) - set(available))
    repeated = sorted({operation_id for operation_id in chosen if chosen.count(operation_id) > 1})
    if unknown or repeated:
        raise ValueError(f"selection: unknown {unknown}, repeated {repeated}")
    return Selection(groups, left_out=[operation_id for operation_id in available if operation_id not in chosen])
