"""Libraries that only some uses need: how to install the extra that brings one."""

from __future__ import annotations

from typing import Final

_PACKAGE: Final = __name__.partition(".")[0].replace("_", "-")


def install(extra: str) -> str:
    """The advice, with a command that can be pasted into a shell."""
    return f"Install it: pip install '{_PACKAGE}[{extra}]'."
