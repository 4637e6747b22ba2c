"""What the steps of ``make demo`` say, and how one says that it went wrong."""

from __future__ import annotations


class DemoError(Exception):
    """A step gave something else than it should."""


def check(holds: bool, what: str) -> None:
    """Raises DemoError where a step did not give ``what``."""
    if not holds:
        raise DemoError(f"This was not {what}.")


def say(what: str, text: str) -> None:
    """Prints a line at once: what it is about, and what came of it, on one line of readable characters."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    print(f"{what:<13}{shown if len(shown) <= 160 else shown[:157] + '...'}", flush=True)
