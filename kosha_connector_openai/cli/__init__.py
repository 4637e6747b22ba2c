"""The command ``kosha-openai``: arguments and files come in; answers, faults and an exit code go out. It uses the facade alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.cli.actions import *
    from kosha_connector_openai.cli.exit_codes import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "actions": "hint_words",
            "exit_codes": "MEANINGS exit_code",
        },
    )


def main() -> None:
    """Runs the command with the process's arguments and ends the process with one of the documented exit codes."""
    from kosha_connector_openai.cli.streams import open_missing, tell_unwritten

    open_missing()
    try:
        _run()
    except KeyboardInterrupt:  # while the program is loaded; a command tells its own
        from kosha_connector_openai.cli.exit_codes import ExitCode

        sys.exit(ExitCode.INTERRUPTED)
    except OSError as error:  # the version or a page of help; a command tells its own errors
        code = tell_unwritten(error)
        if code is None:
            raise
        sys.exit(code)


def _run() -> None:
    if sys.argv[1:] == ["--version"]:  # answered before typer is imported
        from kosha_connector_openai import __version__

        sys.stdout.write(f"{__version__}\n")
        sys.stdout.flush()
        return
    from kosha_connector_openai.cli.app import make_app

    make_app()(prog_name="kosha-openai")
