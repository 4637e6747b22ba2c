"""The command ``kosha-openai``: arguments and files come in; answers, faults and an exit code go out. It uses the facade alone."""

from __future__ import annotations


def main() -> None:
    """Runs the command with the process's arguments and ends the process with one of the documented exit codes."""
    from kosha_connector_openai.cli.app import make_app  # noqa: PLC0415 - importing the package stays cheap

    make_app()(prog_name="kosha-openai")
