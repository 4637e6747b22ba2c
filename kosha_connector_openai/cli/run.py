"""The commands that use an action: run it, check its inputs, show its request, test the connection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kosha_connector_openai import CallOptions, Connection, Preview
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, catalog, connect, validation
from kosha_connector_openai.cli.curl import to_curl
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.files import make_folder
from kosha_connector_openai.cli.inputs import Given, read_inputs
from kosha_connector_openai.cli.invocation import Invocation
from kosha_connector_openai.cli.output import EventWriter, ShowOptions, save_files, show, show_warnings
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.spending import Spending
from kosha_connector_openai.cli.terminal import clean, is_terminal, note, one_line, say_json, to_json
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.request import FileBody, FormPart, MultipartBody, check_inputs
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.text import decode


def run(
    ctx: typer.Context,
    action: opt.ActionId,
    inputs: opt.Inputs = None,
    input_file: opt.InputFile = None,
    input_json: opt.InputJson = None,
    literal: opt.Literally = False,
    as_json: opt.AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="The body alone, as it came.")] = False,
    short: Annotated[bool, typer.Option("--result", help="The short result as JSON: text, parsed JSON, vectors, rows, usage.")] = False,
    folder: Annotated[Path | None, typer.Option("--files", metavar="FOLDER", help="Save the files of the short result here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="PATH", help="Save the body in a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --out replace a file.")] = False,
    quiet: opt.Quiet = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    timeout: opt.Timeout = None,
    attempts: opt.Attempts = None,
    engine: opt.Engine = None,
    policy: opt.IfCut = "warn",
    caps: opt.Budget = None,
    prices: opt.PriceFile = None,
    spec: opt.Spec = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages of a list: a JSON line for each item.")] = False,
    most: Annotated[int | None, typer.Option("--max", min=1, help="With --all: at most so many items.", show_default=False)] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the long job that is started, and show its result.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start the long job and print its name.")] = False,
    wait_timeout: opt.WaitTimeout = None,
    no_mark: Annotated[bool, typer.Option("--no-mark", help="Put no mark among the job's metadata.")] = False,
    strictness: opt.Validation = None,
) -> None:
    """Runs an action: checks the inputs, sends one request, shows the answer."""
    _one_of(
        {"--json": as_json, "--raw": raw, "--result": short},
        {"--all": everything or most, "--wait": wait, "--detach": detach, "--result": short},
    )
    choices = Choices(values or (), connection_file, timeout, attempts, engine, spec, strictness)
    chosen = catalog(ctx.obj, choices)[action]
    show_options = ShowOptions(as_json, raw, quiet, out, force, short, folder)
    if not (everything or most or wait or detach):
        _check_place(chosen, show_options)
    given = read_inputs(chosen, Given(inputs or (), input_file, input_json, literal))
    connector, connection = connect(ctx.obj, choices)
    advice = connector.models.advice(action, given)
    if not (quiet or as_json or short):
        show_warnings(advice)  # before the call: where the model refuses, this says why
    spending = Spending(connector, caps or (), prices)
    call = CallOptions(out=out, overwrite=force, timeout=timeout, attempts=attempts, policy=policy, budget=spending.budget)
    invocation = Invocation(connector, connection, action, given, call, show_options)
    if everything or most:
        from kosha_connector_openai.cli.listing import run_all

        run_all(invocation, most=most)
        spending.tell_all(quiet=quiet or as_json)
    elif wait or detach:
        from kosha_connector_openai.cli.job_work import run_job

        run_job(invocation, detach=detach, timeout=wait_timeout, name=connection_file, mark=not no_mark)
    else:
        _run_once(invocation, spending, advice)


def _check_place(action: Action, options: ShowOptions) -> None:
    """An answer that is a file needs a place before the call is paid for."""
    has_place = options.out or options.for_programs or options.folder or not is_terminal()
    if action.file_out and not has_place:
        raise typer.BadParameter("This action answers with a file. Add --out PATH, or send the output somewhere.")


def _run_once(invocation: Invocation, spending: Spending, advice: Sequence[Fault]) -> None:
    """Makes one call and shows its result; ends with an exit code of its own where the answer is incomplete."""
    options, given = invocation.show, invocation.inputs
    if options.folder is not None:
        names = () if options.force else invocation.connector.outputs.file_names(invocation.action)
        make_folder(options.folder, "files", [rf"\d+-{re.escape(name)}\..*" for name in names])  # before the call is paid for
    with (
        EventWriter(options) as writer,
        invocation.connector.stream(invocation.action, given, invocation.connection, invocation.call) as stream,
    ):
        for event in stream:
            writer.add(event)
    result = stream.result
    assert result is not None
    if options.as_json:
        result.warnings = (*advice, *result.warnings)
    if options.folder is not None:
        note("\n".join(save_files(spending.output(result, given), options.folder, force=options.force)))
    if options.short:
        saved = {} if result.saved is None else {"saved": str(result.saved.path)}
        say_json(spending.output(result, given).to_dict() | saved)
    else:
        show(result, options)
    spending.tell(result, given, quiet=options.quiet or options.for_programs)
    if result.incomplete:
        note(f"Warning: the answer is incomplete: {one_line(result.incomplete)}.")
        raise typer.Exit(ExitCode.REPLY)
    if result.outcome == "failed" and invocation.call.policy != "pass":
        if options.for_programs:
            note(f"Warning: {one_line(' '.join(result.reasons), 500)}")
        raise typer.Exit(ExitCode.REPLY)


def validate(
    ctx: typer.Context,
    action: opt.ActionId,
    inputs: opt.Inputs = None,
    input_file: opt.InputFile = None,
    input_json: opt.InputJson = None,
    literal: opt.Literally = False,
    as_json: opt.AsJson = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    strictness: opt.Validation = None,
) -> None:
    """Checks inputs against the action's schema; nothing is sent and no secret is read."""
    session: Session = ctx.obj
    choices = Choices(file=connection_file, spec=spec, validation=strictness)
    chosen = catalog(session, choices)[action]
    given = read_inputs(chosen, Given(inputs or (), input_file, input_json, literal))
    warnings = (
        *check_inputs(chosen, given, validation=validation(session, choices)),
        *session.connector.models.advice(action, given),
    )
    if as_json:
        say_json(
            {"valid": True, "warnings": [{"pointer": w.pointer, "rule": w.rule, "message": w.message, "fix": w.fix} for w in warnings]}
        )
        return
    show_warnings(warnings)
    typer.echo("The inputs are valid.")


def dry_run(
    ctx: typer.Context,
    action: opt.ActionId,
    inputs: opt.Inputs = None,
    input_file: opt.InputFile = None,
    input_json: opt.InputJson = None,
    literal: opt.Literally = False,
    as_json: opt.AsJson = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    strictness: opt.Validation = None,
) -> None:
    """Shows the exact request, the credential masked, and the same as a curl command; nothing is sent."""
    session: Session = ctx.obj
    choices = Choices(values or (), connection_file, spec=spec, validation=strictness)
    chosen = catalog(session, choices)[action]
    given = read_inputs(chosen, Given(inputs or (), input_file, input_json, literal))
    connector, connection = connect(session, choices, preview=True)
    preview = connector.preview(action, given, connection)
    curl = to_curl(preview, _credential(connection, chosen), given)
    if as_json:
        headers = [list(pair) for pair in preview.headers]
        say_json({"method": preview.method, "url": preview.url, "headers": headers, "body": _body(preview), "curl": curl})
        return
    lines = [f"{preview.method} {preview.url}", *(f"{name}: {value}" for name, value in preview.headers)]
    typer.echo(clean("\n".join(lines)))
    if preview.request.body is not None:
        typer.echo(f"\n{to_json(_body(preview))}")
    typer.echo(f"\n{clean(curl)}")
    show_warnings((*preview.request.warnings, *connector.models.advice(action, given)))


def try_connection(
    ctx: typer.Context,
    as_json: opt.AsJson = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    timeout: opt.Timeout = None,
    attempts: opt.Attempts = None,
    engine: opt.Engine = None,
) -> None:
    """Tests the connection with one harmless call."""
    connector, connection = connect(ctx.obj, Choices(values or (), connection_file, timeout, attempts, engine))
    answer = connector.test(connection)
    if as_json:
        say_json({"works": True, "message": answer})
    else:
        typer.echo(clean(answer))


def _one_of(*groups: Mapping[str, object]) -> None:
    for group in groups:
        chosen = [name for name, given in group.items() if given]
        if len(chosen) > 1:
            raise typer.BadParameter(f"Choose one of {' and '.join(chosen)}.")


def _credential(connection: Connection, action: Action) -> Any:
    return connection.credential(action.operation.security)


def _body(preview: Preview) -> Any:
    """The body as JSON-ready values: a JSON body itself, the parts of a multipart one, else the media type and the size."""
    body = preview.request.body
    if body is None:
        return None
    if isinstance(body, MultipartBody):
        return {"parts": [_part(part) for part in body.parts]}
    if isinstance(body, FileBody):
        return {"file": body.file.name, "content_type": body.content_type, "size": body.length}
    content = preview.body()
    return decode(content) if (body.content_type or "").endswith("json") else content.decode("utf-8", "replace")


def _part(part: FormPart) -> dict[str, Any]:
    if isinstance(part.value, bytes):
        value = {"name": part.name, "value": part.value.decode("utf-8", "replace")}
        return value | ({"content_type": part.content_type} if part.content_type else {})
    file = part.value
    return {"name": part.name, "file": file.name, "content_type": file.content_type, "size": file.size}
