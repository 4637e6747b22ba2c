"""``python -m tools.screenshot`` draws images/terminal.svg: real commands, run against the offline sandbox, as a terminal shows them."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from kosha_connector_openai.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
COMMANDS = (
    'run createCompletion model=gpt-3.5-turbo-instruct prompt="Say this is a test" max_tokens=7 temperature=0',
    'run createCompletion modl=gpt-3.5-turbo-instruct prompt="Say this is a test" temperature=warm',
    'dry-run createEmbedding model=text-embedding-3-small input="two words"',
)


def main() -> int:
    """Writes the drawing."""
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True)
    with Sandbox() as sandbox:
        environment = {**os.environ, "OPENAI_API_KEY": sandbox.key, "SERVER_URL": sandbox.url, "COLUMNS": "104"}
        for command in COMMANDS:
            console.print(Text(f"$ kosha-openai {command}", style="bold"))
            line = [sys.executable, "-m", "kosha_connector_openai.cli", *shlex.split(command)]
            done = subprocess.run(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            console.print(Text(done.stdout.replace(sandbox.url, "http://127.0.0.1:8787").strip() + "\n"))
    drawing = console.export_svg(title="kosha-openai")
    # No fonts from elsewhere: a page that shows the drawing must not call third parties.
    drawing = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", drawing, flags=re.DOTALL)
    (ROOT / "images" / "terminal.svg").write_text(drawing, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
