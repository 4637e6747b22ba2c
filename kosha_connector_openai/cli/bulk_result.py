"""How a run over rows has ended: in words, as JSON, as an exit code, and with the command that goes on with it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import typer

from kosha_connector_openai.cli.bulk_progress import duration
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.terminal import clean, counted, note, one_line, say_json
from kosha_connector_openai.flows.bulk import BulkResult, failed_path

_KEPT: Final = frozenset({
    "unknown", "in_flight", "requests", "tokens", "attempts", "timeout", "sync", "caps", "prices",
    "on", "temporal", "auth", "span", "connection_file", "spec", "validation",
})  # fmt: skip
"""Options that belong to no run, and that the next command needs as this one did."""
_LISTED: Final = 50
"""Rows that are named one by one."""
_STOPS: Final[Mapping[str, str]] = {
    "signal": "The run was asked to end.",
    "budget": "The budget is used up.",
    "access": "The key, its permissions, its balance or a limit of more than a day do not let rows through.",
    "failures": "Too many rows failed one after the other; the run was stopped.",
    "input": "The input is another than the run began with; the run was stopped.",
    "ledger": "The ledger or the output could not be written.",
}


def tell(result: BulkResult, resume: str, *, as_json: bool, quiet: bool) -> None:
    """Shows the result, and what to do next; ``resume`` is the command that goes on with the run."""
    if as_json:
        say_json(result.to_dict())
        return
    counts = [
        f"{result.done} done",
        *(f"{getattr(result, name)} {name}" for name in ("failed", "unknown", "waiting") if getattr(result, name)),
    ]
    typer.echo(clean(f"{result.out}: {counted(result.total, 'row')}: {', '.join(counts)}"))
    if result.files.is_dir() and not quiet:
        note(clean(f"Answers that are files are in {result.files}."))
    if result.stop:
        note(_STOPS[result.stop])
        if result.reason is not None:
            note(str(result.reason))
    if result.unkept:
        more = len(result.unkept) - _LISTED
        lost = ", ".join(map(str, result.unkept[:_LISTED])) + (f" and {more} more" if more > 0 else "")
        note(f"Answers came and could not be kept for rows {lost}: they may be paid for and are told as unknown.")
    if result.failed and not quiet:
        reasons = ", ".join(f"{count} {one_line(name)}" for name, count in result.categories.items())
        note(f"Failed: {reasons}. The rows are in {failed_path(result.out).name}.")
        note("`bulk status` lists why, `bulk retry-failed` sends them again.")
    if result.unknown:
        note(f"Sent without a readable answer: {result.unknown}. They may have run. `bulk status` lists them; --unknown decides.")
    if result.waiting or result.stop:
        note(clean(f"To go on: {resume}"))
    elif not quiet:
        note(duration(result.seconds) + (f", {result.tokens} tokens" if result.tokens else ""))


def resume_command(ctx: typer.Context, result: BulkResult) -> str:
    """The command that goes on with the run, with the options of this one by which rows are sent; a cap that is used up is left open."""
    root, kept = ctx.find_root(), _KEPT
    caps: tuple[str, ...] = ()
    if result.stop == "budget":
        kept, caps = kept - {"caps"}, ("--budget", "CAP=NUMBER")
    return shlex.join(["kosha-openai", *_given(root), "bulk", "resume", str(result.out), *_given(ctx, kept), *caps])


def _given(ctx: Any, names: Collection[str] | None = None) -> Iterator[str]:
    """The options that stand on the command line, by their names."""
    for option in ctx.command.params:
        name = option.name or ""
        source = ctx.get_parameter_source(name)
        if (names is None or name in names) and source is not None and source.name == "COMMANDLINE":
            value = ctx.params[name]
            for each in value if isinstance(value, (list, tuple)) else [value]:
                yield from (option.opts[0], str(each).removesuffix(".0") if isinstance(each, float) else str(each))


def leave(result: BulkResult) -> None:
    """The exit code: the budget, then what goes on later, then rows that may have run, then rows that failed."""
    if result.stop == "budget":
        raise typer.Exit(ExitCode.BUDGET)
    if result.stop or result.waiting:
        raise typer.Exit(ExitCode.PENDING)
    if result.unknown:
        raise typer.Exit(ExitCode.UNKNOWN)
    if result.failed:
        raise typer.Exit(ExitCode.ENDED)
