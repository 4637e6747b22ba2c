"""The commands that show what a form and a sample of an action look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, options
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, is_terminal, note, say_json, say_table
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.schema import sample as schema_sample

_HEADINGS: Final = ("Field", "Label", "Widget", "Needed", "Default", "Help")
_CHOICES: Final = 6


def form(
    ctx: typer.Context,
    action: opt.ActionId,
    as_json: opt.AsJson = False,
    rjsf: Annotated[bool, typer.Option("--rjsf", help="As JSON Schema and uiSchema of react-jsonschema-form.")] = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
) -> None:
    """Shows the form of an action: its fields by group, with widget, default and help."""
    session: Session = ctx.obj
    found = session.connector.forms_by(options(Choices(file=connection_file, spec=spec)))[action]
    if rjsf:
        say_json({"schema": found.to_json_schema(), "uiSchema": found.to_ui_schema()})
        return
    if as_json:
        say_json(found.to_dict())
        return
    head = found.head()
    lines = [f"{head['action']}: {head['title']}", head.get("help") or head["summary"]]
    if is_terminal():
        typer.echo(clean("\n".join(lines)))
    shown = [field for field in found.fields if field["visibility"] != "internal"]
    for group in head["groups"]:
        rows = [_row(field) for field in shown if field["group"] == group["id"]]
        if rows:
            if is_terminal():
                typer.echo(f"\n{group['label']}")
            say_table(_HEADINGS, rows)
    if not shown:
        note("This action takes no inputs.")


def sample(
    ctx: typer.Context,
    action: opt.ActionId,
    output: Annotated[bool, typer.Option("--output", help="A sample of the answer in place of the inputs.")] = False,
    full: Annotated[bool, typer.Option("--full", help="With the optional inputs.")] = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
) -> None:
    """Prints inputs to try an action with, or what an answer looks like; neither needs a key or a network."""
    session: Session = ctx.obj
    described = options(Choices(file=connection_file, spec=spec))
    chosen = session.connector.catalog_by(described)[action]
    if not output:
        form = session.connector.forms_by(described)[action]
        made = form.sample(minimal=not full)
        say_json(made)
        lacking = [field["name"] for field in form.fields if full and field["name"] not in made and field["location"] != "extra"]
        if lacking:
            note(f"Left out, since no sample is made for them or another input excludes them: {', '.join(map(clean, lacking))}.")
        return
    if chosen.output_schema is None:
        raise InputError("The answer of this action is no JSON.", hint=f"It is: {', '.join(chosen.output_types) or 'empty'}.")
    say_json(schema_sample(chosen.output_schema, hidden="writeOnly"))


def _row(field: Mapping[str, Any]) -> tuple[str, ...]:
    needed = "yes" if field["required"] else "if" if "required_when" in field else ""
    return field["name"], field["label"], _widget(field), needed, _default(field), _help(field)


def _widget(field: Mapping[str, Any]) -> str:
    """The widget, and what it takes in a few words."""
    words = [field["widget"]]
    if choices := [str(option["value"]) for option in field.get("enum", ())]:
        more = ", ..." if len(choices) > _CHOICES or field.get("open") else ""
        words.append(f"{', '.join(choices[:_CHOICES])}{more}")
    if variants := [variant["label"] for variant in field.get("variants", ())]:
        words.append(" or ".join(variants))
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None or high is not None:
        words.append(f"{'' if low is None else low}..{'' if high is None else high}")
    words += [field["units"]] if "units" in field else []
    if extensions := field.get("file", {}).get("extensions"):
        words.append(" ".join(extensions))
    if "options" in field:
        words.append(f"picker {field['options']}")
    return "; ".join(words)


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _help(field: Mapping[str, Any]) -> str:
    tests = [*(("Shown", test) for test in field.get("visible_when", ())), *(("Needed", test) for test in field.get("required_when", ()))]
    words = [f"{verb} when {_test(test)}." for verb, test in tests]
    words += [f"Not with {', '.join(field['excludes'])}."] if "excludes" in field else []
    return " ".join([field["help"], *words])


def _test(test: Mapping[str, Any]) -> str:
    if "given" in test:
        return f"{test['field']} is {'given' if test['given'] else 'left out'}"
    return f"{test['field']} is {' or '.join(str(value).lower() if isinstance(value, bool) else str(value) for value in test['in'])}"
