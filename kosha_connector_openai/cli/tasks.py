"""The commands for tasks: list them, show one with its form, run one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.fields import Field, example_arguments, fields_of
from kosha_connector_openai.cli.inputs import Given, read_given
from kosha_connector_openai.cli.output import show_warnings
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.spending import Spending
from kosha_connector_openai.cli.terminal import clean, counted, is_terminal, note, one_line, say_json, say_table, to_json
from kosha_connector_openai.connector import CallOptions
from kosha_connector_openai.core.result import FileSink
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.tasks import TaskInfo, TaskProgress, TaskResult, find_task, list_tasks, run_task


def complete_task(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """The names of tasks that begin with what is typed, and their titles."""
    params = ctx.find_root().params
    try:
        for info in list_tasks(Session(params.get("plugin") or (), params.get("connector")).connector):
            if info.name.startswith(incomplete):
                yield info.name, info.title
    except ConnectorError:
        return


TaskName = Annotated[str, typer.Argument(metavar="TASK", help="The task's name.", autocompletion=complete_task, show_default=False)]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE",
        help="An input: NAME=VALUE, NAME:=JSON, or NAME=@FILE for a file or a text in a file.",
        show_default=False,
    ),
]


def list_(ctx: typer.Context, as_json: opt.AsJson = False) -> None:
    """Lists the tasks."""
    session: Session = ctx.obj
    found = list_tasks(session.connector)
    if as_json:
        say_json([info.describe() for info in found])
    else:
        say_table(("Task", "Title", "What it gives"), [(info.name, info.title, info.summary) for info in found])


def show(ctx: typer.Context, task: TaskName, as_json: opt.AsJson = False) -> None:
    """Shows one task: what it does, its inputs, its result and an example."""
    info = _find(ctx, task)
    if as_json:
        say_json(info.describe())
        return
    fields = fields_of(info.input_schema)
    typer.echo(clean(f"{info.name}: {info.title}\n{info.summary}\nRuns {info.action}\n"))
    defaults = {name: entry.default for name, entry in info.rules.inputs.items() if entry.default is not None}
    say_table(
        ("Input", "Takes", "Needed, or default", "What it is"),
        [(field.name, field.words, _default(field, defaults), field.help) for field in fields.values()],
    )
    typer.echo(f"\nResult, for example: {to_json(info.sample, indent=None)}")
    typer.echo(clean(f"\nkosha-openai task run {shlex.join([info.name, *example_arguments(fields.values(), info.example)])}"))


def run(
    ctx: typer.Context,
    task: TaskName,
    inputs: Inputs = None,
    input_file: opt.InputFile = None,
    input_json: opt.InputJson = None,
    literal: opt.Literally = False,
    files: Annotated[
        list[str] | None, typer.Option("--file", metavar="NAME=@PATH", help="A file input; the same as NAME=@PATH.", show_default=False)
    ] = None,
    on_incomplete: Annotated[
        Literal["fail", "warn", "pass"],
        typer.Option(
            "--on-incomplete",
            "--if-cut",
            help="What becomes of an answer that was refused, cut short or breaks its form: an error, a warning, nothing.",
        ),
    ] = "fail",
    as_json: opt.AsJson = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="PATH", help="Save the value in a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --out replace a file.")] = False,
    quiet: opt.Quiet = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    timeout: opt.Timeout = None,
    attempts: opt.Attempts = None,
    engine: opt.Engine = None,
    caps: opt.Budget = None,
    prices: opt.PriceFile = None,
    spec: opt.Spec = None,
    strictness: opt.Validation = None,
) -> None:
    """Runs a task: checks its inputs, makes the calls it needs, shows the typed result."""
    info = _find(ctx, task)
    arguments = Given(inputs or (), input_file, input_json, literal, [*map(_file, files or ())])
    given = read_given(lambda: fields_of(info.input_schema), arguments)
    info.form.check(given)  # before a connection is made
    sink = FileSink(out, overwrite=force) if out else None
    if sink is not None:
        sink.check()
    connector, connection = connect(ctx.obj, Choices(values or (), connection_file, timeout, attempts, engine, spec, strictness))
    spending = Spending(connector, caps or (), prices)
    call = CallOptions(timeout=timeout, attempts=attempts, budget=spending.budget)
    result = run_task(connector, task, given, connection, on_incomplete=on_incomplete, options=call, progress=_progress(quiet))
    if sink is not None:
        sink.write(_text(result.value).encode())
        sink.commit("text/plain" if isinstance(result.value, str) else "application/json")
    _show(result, out, as_json=as_json, quiet=quiet)
    spending.tell_all(quiet=quiet or as_json)
    if result.outcome != "ok" and on_incomplete == "warn":
        raise typer.Exit(ExitCode.REJECTED if result.outcome == "refused" else ExitCode.REPLY)


def _progress(quiet: bool) -> Callable[[TaskProgress], None]:
    """Tells on a terminal how far a task of several calls has come."""
    if quiet or not sys.stderr.isatty():
        return lambda _: None
    return lambda now: note(
        f"Call {now.calls}: {now.done:.0f}" + (f" of {now.total:.0f} texts" if now.total is not None else " s of sound")
    )


def _find(ctx: typer.Context, name: str) -> TaskInfo:
    session: Session = ctx.obj
    return find_task(session.connector, name)


def _file(text: str) -> str:
    name, sign, path = text.partition("=")
    if not sign or not name or not path:
        raise typer.BadParameter("A file is written NAME=@PATH.", param_hint="--file")
    return f"{name}=@{path.removeprefix('@')}"


def _default(field: Field, defaults: dict[str, Any]) -> str:
    return "yes" if field.required else to_json(defaults[field.name], indent=None) if field.name in defaults else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value) + "\n"


def _show(result: TaskResult, out: Path | None, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        say_json(result.to_dict() | ({"saved": str(out)} if out else {}))
        return
    if out is not None:
        typer.echo(clean(f"{out}: saved"))
    else:
        _show_value(result.value)
    if quiet:
        return
    show_warnings([warning for warning in result.warnings if warning.rule != result.outcome])
    if any(warning.rule == result.outcome for warning in result.warnings):
        note(f"Warning: {one_line(result.reason)}")
    usage = [f"{name} {count}" for name, count in result.usage.items() if isinstance(count, (int, float))]
    facts = [f"{counted(result.calls, 'call')} in {result.duration:.2f} s", *usage]
    facts += [one_line(result.model)] if result.model else []
    facts += [f"request {', '.join(map(one_line, result.request_ids))}"] if result.request_ids else []
    note(" \u00b7 ".join(facts))


def _show_value(value: Any) -> None:
    rows = value if isinstance(value, list) and value and all(isinstance(row, dict) for row in value) else None
    if isinstance(value, str):
        typer.echo(clean(value), nl=not value.endswith("\n"))
    elif rows and is_terminal():
        names = list(dict.fromkeys(name for row in rows for name in row))
        say_table(names, [[one_line(str(row.get(name, ""))) for name in names] for row in rows])
    else:
        say_json(value)
