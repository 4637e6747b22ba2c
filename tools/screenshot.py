"""``python -m tools.screenshot`` draws images/terminal.svg: real commands, run against the offline sandbox, as a terminal shows them.

``python -m tools.screenshot form`` takes images/form.png: a form as react-jsonschema-form draws it in Chromium, filled in by tests/browser
(``make e2e`` installs what that needs).
``python -m tools.screenshot mcp`` takes images/mcp.png: the inspector of the Model Context Protocol, connected to the gateway.
``python -m tools.screenshot studio`` takes images/studio*.png: the studio as tests/browser drives it in Chromium, after a flow was run.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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


def form() -> int:
    """Writes the picture of a form; 1 where the browser or its packages are not here."""
    return _taken({"responses.png": "form.png"}, "test_forms.py::test_what_a_person_submits_passes_the_check[responses]")


def mcp() -> int:
    """Writes the picture of the inspector; 1 where it or the browser is not here."""
    return _taken({"inspector.png": "mcp.png"}, "test_inspector.py")


def studio() -> int:
    """Writes the pictures of the studio; 1 where the browser, its packages or the built page are not here."""
    pictures = {"flow.png": "studio.png", "dark.png": "studio-dark.png", "touch.png": "studio-touch.png"}
    names = ("a_flow_is_dragged_filled_in_and_run", "by_keys_alone_in_the_dark", "by_touch_on_a_small_screen")
    return _taken(pictures, *(f"test_studio.py::test_{name}" for name in names))


def _taken(pictures: Mapping[str, str], *tests: str) -> int:
    """Copies the pictures that browser tests take into images/; 1 where one was not taken."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-m", "e2e", *(f"tests/browser/{test}" for test in tests)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "KOSHA_SHOTS": folder}, check=False)
        if done.returncode or not all((Path(folder) / name).is_file() for name in pictures):
            return 1
        for name, to in pictures.items():
            shutil.copyfile(Path(folder) / name, ROOT / "images" / to)
    return 0


def terminal() -> int:
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
    made = next((draw for draw in (form, mcp, studio) if draw.__name__ in sys.argv[1:]), terminal)
    sys.exit(made())
