"""The command that compares two descriptions: what changed, and whom it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, note, say_json
from kosha_connector_openai.core.connection import read_options
from kosha_connector_openai.openapi import REFRESHED, Document, read_document
from kosha_connector_openai.openapi import diff as changes

OURS: Final = "ours"
BREAKING: Final = 1
"""The exit code where something breaks; 0 where nothing does."""
_ONLY: Final[Mapping[str, str]] = {"requests": "request", "responses": "response"}

Old = Annotated[
    str,
    typer.Argument(metavar="OLD", help="A file, JSON or YAML; `ours`: the connector's own; `refreshed`: that of `spec refresh`."),
]
New = Annotated[str, typer.Argument(metavar="NEW", help="The description to compare with it, given likewise.")]


def diff(
    ctx: typer.Context,
    before: Old,
    after: New,
    as_json: opt.AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown, for a review.")] = False,
    only: Annotated[
        Literal["requests", "responses"] | None, typer.Option(help="Only what is sent, or what comes back.", show_default=False)
    ] = None,
    strip_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Leave this out of all paths; found by itself where most paths differ by it.", show_default=False
        ),
    ] = None,
    texts: Annotated[bool, typer.Option("--texts", help="Say where a description changed, too.")] = False,
    intended: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A list of intended differences; they are left out.", show_default=False)
    ] = None,
) -> None:
    """Compares two descriptions: each difference, and whether it breaks senders or readers. Ends with 1 where it does."""
    if as_json and markdown:
        raise typer.BadParameter("Choose one of --json and --markdown.")
    session: Session = ctx.obj
    report = changes.compare_documents(_read(session, before), _read(session, after), prefix=strip_prefix, texts=texts)
    if intended:
        judged = changes.judge(report, changes.read_intended(intended))
        report = judged.unexplained
        for entry in judged.stale:
            note(f"Explains nothing: {entry.reason}")
    if only:
        report = report.only(lambda change: change.direction == _ONLY[only])
    if as_json:
        say_json(changes.to_json(report))
    else:
        typer.echo(clean(changes.to_markdown(report) if markdown else changes.to_text(report)))
    raise typer.Exit(BREAKING if report.is_breaking else 0)


def _read(session: Session, name: str) -> Document:
    if name == REFRESHED:
        return session.connector.catalog_by(read_options({"spec": REFRESHED})).document
    return session.connector.catalog.document if name == OURS else read_document(Path(name))
