"""A command whose errors become a message and an exit code."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from kosha_connector_openai.cli.error_output import tell, tell_bug
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.errors import ConnectorError


class Command(TyperCommand):
    """Catches what the command raises; its option ``--json`` decides how it is told."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; ends with the exit code of its error."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except ConnectorError as error:
            code = tell(error, as_json=bool(ctx.params.get("as_json")))
        except KeyboardInterrupt:
            typer.echo("\nInterrupted.", err=True)
            code = ExitCode.INTERRUPTED
        except Exception as error:
            code = tell_bug(error)
        raise typer.Exit(code)
