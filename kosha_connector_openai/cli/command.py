"""Commands that are imported when they are called, and whose errors become a message and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand

from kosha_connector_openai.cli.examples import epilog
from kosha_connector_openai.errors import ConnectorError

SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}


_TEXTS: Final = (str, list[str])


def spare(parameters: Sequence[Any]) -> None:
    """Lets texts and omitted options pass as they are; to convert them, typer would import pydantic for each command."""
    for parameter in parameters:
        if not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_process, parameter, parameter.process_value)


def _process(parameter: Any, convert: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    kind = getattr(parameter, "type_descriptor", None)
    is_text = bool(value) and kind is not None and kind.annotation in _TEXTS
    if not (is_text or (value is None and not parameter.required)):
        try:
            return convert(ctx, value)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # of the library that typer converts by
            raise
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


class LazyCommand(TyperCommand):
    """A name and a line of help; the command itself is imported when its arguments are parsed."""

    def __init__(self, name: str, place: str, text: str, group: str = "") -> None:
        """``place`` is ``module:function`` of this folder; ``text`` is the line that the help of the ``group`` shows."""
        super().__init__(name, help=text, rich_markup_mode=None)
        self._place = place
        self._path = f"{group} {name}".strip()

    def load(self) -> TyperCommand:
        """The command as its function declares it."""
        module, _, function = self._place.partition(":")
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        function_of = getattr(import_module(f"{__package__}.{module}"), function)
        app.command(self.name, cls=Command, context_settings=SETTINGS, epilog=epilog(self._path))(function_of)
        command = typer.main.get_command(app)
        assert isinstance(command, Command)
        return command

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """The context of the loaded command, for a call as for completion."""
        return self.load().make_context(*arguments, **settings)


class Command(TyperCommand):
    """Catches what the command raises; its option ``--json`` decides how the error is written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments."""
        spare(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; ends with the exit code of its error."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except ConnectorError as error:
            from kosha_connector_openai.cli.error_output import tell

            code = tell(error, as_json=bool(ctx.params.get("as_json")))
        except KeyboardInterrupt:
            from kosha_connector_openai.cli.exit_codes import ExitCode

            typer.echo("\nInterrupted.", err=True)
            code = ExitCode.INTERRUPTED
        except Exception as error:
            from kosha_connector_openai.cli.error_output import tell_bug
            from kosha_connector_openai.cli.streams import tell_unwritten

            code = tell_unwritten(error) or tell_bug(error)
        raise typer.Exit(code)
