"""Versions as Python packages number them (PEP 440, without epochs and local parts): their order, and the ranges a host may be in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from kosha_connector_openai.errors import ConnectorPackageError, Fault

_VERSION: Final = re.compile(
    r"(\d+(?:\.\d+)*)(?:[-_.]?(a|b|rc|alpha|beta|c)[-_.]?(\d*))?(?:[-_.]?post(\d*))?(?:[-_.]?dev(\d*))?", re.IGNORECASE
)
_STAGES: Final = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2}
_FINAL: Final = 3
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}
_CLAUSE: Final = re.compile(r"(>=|<=|==|!=|~=|>|<)\s*([\w.-]+)")
Order = tuple[Any, ...]


def order(version: str) -> Order:
    """Something that sorts as versions do. Raises ConnectorPackageError for what is no version."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        raise ConnectorPackageError(
            "A version cannot be read.", [Fault("/version", "version", "is no version.", "Write it as 1.2.3 or 1.2.3rc1.")]
        )
    numbers, stage, count, post, dev = found.groups()
    release = [int(number) for number in numbers.split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    begun = dev is not None and stage is None and post is None
    rank = -1 if begun else _STAGES[stage.lower()] if stage else _FINAL
    return (tuple(release), rank, int(count or 0), -1 if post is None else int(post or 0), float("inf") if dev is None else int(dev or 0))


def in_range(version: str, clauses: str) -> bool:
    """Whether a version is in a range such as ``>=1.2,<2``; a clause that is not understood leaves it out."""
    own = order(version)
    for clause in filter(None, (part.strip() for part in clauses.split(","))):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            return False
        sign, wanted = found.groups()
        if sign == "~=":
            upper = wanted.split(".")[:-1]
            upper[-1:] = [str(int(upper[-1]) + 1)] if upper and upper[-1].isdigit() else ["0"]
            if not order(wanted) <= own < order(".".join(upper)):
                return False
        elif not _COMPARE[sign](own, order(wanted)):
            return False
    return True


def normalised(version: str) -> str:
    """A version as a wheel's name writes it: ``1.0.0-beta.1`` is ``1.0.0b1``. Raises ConnectorPackageError."""
    order(version)
    found = _VERSION.fullmatch(version.strip())
    assert found is not None
    release, stage, count, post, dev = found.groups()
    short = {0: "a", 1: "b", 2: "rc"}
    text = release + (f"{short[_STAGES[stage.lower()]]}{int(count or 0)}" if stage else "")
    return text + ("" if post is None else f".post{int(post or 0)}") + ("" if dev is None else f".dev{int(dev or 0)}")
