"""The commands that read the catalog: list, search and show actions, and print their schemas."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, options
from kosha_connector_openai.cli.connection import catalog as find_catalog
from kosha_connector_openai.cli.fields import Field, example_arguments, read_fields
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, note, say_json, say_table
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows import search_catalog
from kosha_connector_openai.flows.tasks import TaskInfo
from kosha_connector_openai.text import nearest


def hint_words(action: Action) -> str:
    """The hints that people look for, in a few words."""
    return ", ".join(action.hints.words)


def list_(
    ctx: typer.Context,
    group: Annotated[str | None, typer.Option(help="Only this group.", show_default=False)] = None,
    featured: Annotated[bool, typer.Option("--featured", help="Only the actions that most people need.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those for which no credential is configured.")] = False,
    as_json: opt.AsJson = False,
    spec: opt.Spec = None,
    connection_file: opt.ConnectionFile = None,
) -> None:
    """Lists the actions by group."""
    connector = _session(ctx).connector
    catalog = find_catalog(_session(ctx), Choices(file=connection_file, spec=spec))
    if spec and not as_json:
        note(f"The description {catalog.document.name} has the SHA-256 {catalog.document.digest}.")
    groups = {found.id: found.title for found in catalog.groups}
    wanted = {key for key, title in groups.items() if group and group.lower() in (key.lower(), title.lower())}
    if group and not wanted:
        near = nearest(group, groups)
        raise InputError("No group has this name.", hint=f"Did you mean `{near}`?" if near else f"Groups: {', '.join(groups)}.")
    shown = catalog.values() if everything or group else connector.offered(catalog=catalog)
    found = [action for action in shown if (not group or action.group.id in wanted) and (action.overlay.featured or not featured)]
    _say(found, as_json)
    if not (everything or group or featured or as_json) and len(found) < len(catalog):
        note(f"{len(catalog) - len(found)} more need a credential that is not configured; --all shows them.")


def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="What you look for: words, or a name that people use.")],
    as_json: opt.AsJson = False,
    spec: opt.Spec = None,
) -> None:
    """Finds actions and tasks by words in their names, titles and summaries, and by what people call them."""
    found = search_catalog(_session(ctx).connector, " ".join(words), find_catalog(_session(ctx), Choices(spec=spec)))
    if as_json:
        say_json([thing.describe() | {"kind": "action"} if isinstance(thing, Action) else _task(thing) for thing in found])
        return
    rows = [_row(thing) if isinstance(thing, Action) else (f"task {thing.name}", thing.title, "Tasks", "") for thing in found]
    say_table(("Action", "Title", "Group", "Hints"), rows)
    if not found:
        note("No action or task has all of these words. Try fewer, or `actions list`.")


def show(ctx: typer.Context, action: opt.ActionId, as_json: opt.AsJson = False, spec: opt.Spec = None) -> None:
    """Shows one action: what it does, its inputs, its answer and an example."""
    chosen = find_catalog(_session(ctx), Choices(spec=spec))[action]
    fields = read_fields(chosen)
    if as_json:
        say_json(chosen.describe() | {"inputs": [_described(field) for field in fields.values()]})
        return
    hints, operation = chosen.hints, chosen.operation
    facts = [operation.method, operation.path, f"({hint_words(chosen)})" if hint_words(chosen) else ""]
    lines = [f"{chosen.id}: {chosen.title}", chosen.summary, " ".join(facts)]
    lines += [f"Retired{f': use {hints.replacement}' if hints.replacement else ''}."] if hints.deprecated else []
    typer.echo(clean("\n".join([*lines, f"Answers with {', '.join(chosen.output_types) or 'nothing'}", ""])))
    say_table(
        ("Input", "Takes", "Needed", "What it is"),
        [(field.name, field.words, "yes" if field.required else "", field.help) for field in fields.values()],
    )
    sample = _session(ctx).connector.forms_by(options(Choices(spec=spec)))[action].sample()
    typer.echo(clean(f"\nkosha-openai run {shlex.join([chosen.id, *example_arguments(fields.values(), sample)])}"))


def schema(
    ctx: typer.Context,
    action: opt.ActionId,
    output: Annotated[bool, typer.Option("--output", help="The schema of the answer in place of the inputs'.")] = False,
    spec: opt.Spec = None,
) -> None:
    """Prints the JSON Schema of an action's inputs, or of its answer."""
    chosen = find_catalog(_session(ctx), Choices(spec=spec))[action]
    found = chosen.output_schema if output else chosen.input_schema
    if found is None:
        raise InputError("The answer of this action is no JSON.", hint=f"It is: {', '.join(chosen.output_types) or 'empty'}.")
    say_json(found)


def _session(ctx: typer.Context) -> Session:
    session: Session = ctx.obj
    return session


def _say(found: Iterable[Action], as_json: bool) -> None:
    if as_json:
        say_json([action.describe() for action in found])
    else:
        say_table(("Action", "Title", "Group", "Hints"), map(_row, found))


def _row(action: Action) -> tuple[str, str, str, str]:
    return action.id, action.title, action.group.title, hint_words(action)


def _task(task: TaskInfo) -> dict[str, str]:
    return {"kind": "task", "name": task.name, "title": task.title, "summary": task.summary, "action": task.action}


def _described(field: Field) -> dict[str, Any]:
    return {"name": field.name, "kinds": list(field.kinds), "required": field.required, "help": field.help}
