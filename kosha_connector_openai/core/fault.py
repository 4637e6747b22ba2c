"""What every error is made of: faults, and the root of the tree that ``core/errors.py`` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one place: where, which rule, why, and what to do. Never the value itself.

    ``pointer`` is an RFC 6901 JSON Pointer; ``rule`` is a JSON Schema keyword or one of our own words (``unknown``, ``control``,
    ``dot-segment``, ...); ``allowed`` holds the bound or the permitted values where the rule has them.
    """

    pointer: str
    rule: str
    message: str
    fix: str = ""
    allowed: Any = None

    def __str__(self) -> str:
        where = self.pointer or "/"
        return f"{where}: {self.message}" + (f" {self.fix}" if self.fix else "")


class ConnectorError(Exception):
    """The root. ``code`` is stable and documented; ``hint`` says what to do next."""

    code: ClassVar[str] = "connector_error"
    retryable: bool | None = False
    """True: trying again is safe and may help. False: it will not help. None: nobody can know; look first."""

    def __init__(self, message: str, *, hint: str = "", pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.pointer = pointer

    def __str__(self) -> str:
        where = f"{self.pointer}: " if self.pointer else ""
        return f"{where}{self.message}" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.__dict__.copy())

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready values, as printed by ``--json`` and returned to hosts."""
        values: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.hint:
            values["hint"] = self.hint
        if self.pointer:
            values["pointer"] = self.pointer
        return values


def _revive(kind: type[ConnectorError], values: dict[str, Any]) -> ConnectorError:
    """An error that another process had; its values, and neither its cause nor its frames."""
    error = kind.__new__(kind, values["message"])
    error.__dict__.update(values)
    return error


class _Faulty(ConnectorError):
    """An error that lists faults, all of them, the most telling first."""

    def __init__(self, message: str, faults: Sequence[Fault] = (), *, hint: str = "", pointer: str = "") -> None:
        super().__init__(message, hint=hint, pointer=pointer)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {fault}" for fault in self.faults)])

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"faults": [asdict(fault) for fault in self.faults]}
