"""``run --all``: a whole list as it arrives, a JSON line for each item, or with ``--json`` one object that is written piece by piece."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import Final

import typer

from kosha_connector_openai.cli.error_output import tell
from kosha_connector_openai.cli.exit_codes import exit_code
from kosha_connector_openai.cli.invocation import Invocation
from kosha_connector_openai.cli.output import ShowOptions
from kosha_connector_openai.cli.terminal import clean, counted, note, one_line, to_json
from kosha_connector_openai.connector import CallOptions
from kosha_connector_openai.core.result import FileSink
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows import Pager, PagingOptions

_WAYS: Final = "--all writes JSON lines, or one object with --json; --raw has no meaning with it."


def run_all(invocation: Invocation, *, most: int | None) -> None:
    """Walks the list; what came before an error is written, then the error and from where to go on. Ends with the error's code."""
    call, options = invocation.call, invocation.show
    if options.raw:
        raise typer.BadParameter(_WAYS)
    paging = PagingOptions(items=most, timeout=call.timeout, call=CallOptions(attempts=call.attempts))
    pager = Pager(invocation.connector, invocation.action, invocation.inputs, invocation.connection, paging)
    sink = FileSink(options.out, overwrite=options.force) if options.out else None
    if sink:
        sink.check()
    write = sink.write if sink else _to_stdout
    error = _walk(pager, write, invocation.action if options.as_json else None)
    if sink:
        sink.commit("application/json" if options.as_json else "application/jsonl")
    if error is not None and (sink or not options.as_json):
        tell(error, as_json=False)
    _say_rest(pager, options, error)
    if error is not None:
        raise typer.Exit(exit_code(error))


def _walk(pager: Pager, write: Callable[[bytes], None], action: str | None) -> ConnectorError | None:
    """Writes the items; for ``action`` as one object that says how the walk ended."""
    error: ConnectorError | None = None
    if action is not None:
        write(f'{{"action": {to_json(action)}, "items": ['.encode())
    first = True
    try:
        for item in pager.items():
            line = to_json(item, indent=None)
            write((f"{line}\n" if action is None else f"{'' if first else ','}\n{line}").encode())
            first = False
    except ConnectorError as raised:
        error = raised
    if action is not None:
        walk = pager.walk
        complete = error is None and walk.stopped is None
        end = {"complete": complete, "pages": walk.pages, "cursor": walk.cursor, "error": error.to_dict() if error else None}
        write(f"\n], {to_json(end, indent=None)[1:]}\n".encode())
    return error


def _to_stdout(data: bytes) -> None:
    typer.echo(data, nl=False)
    sys.stdout.flush()


def _say_rest(pager: Pager, output: ShowOptions, error: ConnectorError | None) -> None:
    """On standard error: how many came, and how to go on where there is more."""
    walk, form = pager.walk, pager.walk.form
    if output.quiet and error is None:
        return
    facts = f"{counted(walk.items, 'item')} in {counted(walk.pages, 'page')}"
    if walk.cursor is not None and form.send:
        cursor = one_line(str(walk.cursor))
        note(f"{facts} \u00b7 go on with {clean(shlex.quote(f'{form.send}={cursor}'))}")
    else:
        note(f"{facts} \u00b7 the API has more and no way to ask for it" if walk.stopped == "one page" else facts)
