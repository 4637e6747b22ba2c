"""What may be shown: text without control, ANSI and bidirectional characters, JSON that escapes them, tables, and dim notes."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import typer

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
"""ANSI control sequences and strings (ECMA-48, section 5.4)."""
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Control, bidirectional and invisible characters, but for line feed, tab and the joiners that scripts and emoji need; format characters
that show something, such as the marks around Arabic numbers, stay."""


def clean(text: str) -> str:
    """``text`` as a terminal may get it, its lines and tabs kept; safe for any piece of a text that arrives in pieces."""
    return _UNSAFE.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def one_line(text: str, limit: int = 200) -> str:
    """``text`` cleaned, in one line of at most ``limit`` characters."""
    short = " ".join(clean(text).split())
    return short if len(short) <= limit else f"{short[: limit - 1]}\u2026"


def counted(number: int, word: str, many: str = "") -> str:
    """A number of things, such as ``1 page`` and ``2 pages``; ``many`` is a plural that ends in another way."""
    return f"{number} {word if number == 1 else many or f'{word}s'}"


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """``value`` as JSON (RFC 8259) in which every unsafe character is escaped, so that nothing is lost and nothing acts."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _UNSAFE.sub(lambda match: re.sub("(....)", r"\\u\1", match[0].encode("utf-16-be", "surrogatepass").hex()), text)


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Prints JSON in UTF-8, whatever the terminal's encoding."""
    typer.echo(f"{to_json(value, indent=indent)}\n".encode(), nl=False)


def note(text: str) -> None:
    """Prints a dim line beside the answer, on standard error."""
    plain = "NO_COLOR" in os.environ
    typer.secho(clean(text), dim=not plain, err=True, color=False if plain else None)


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def say_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table; where no terminal reads it, one line of tab-separated cells for each row."""
    cleaned = [[one_line(cell, 2_000) for cell in row] for row in rows]
    if not is_terminal():
        for row in cleaned:
            typer.echo("\t".join(row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, no_wrap=index == 0, overflow="fold")
    for row in cleaned:
        table.add_row(*map(Text, row))
    Console().print(table)
