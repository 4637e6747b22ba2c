"""The house rules that a machine can see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kosha_connector_openai"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROVIDERS = re.compile(r"openai|gpt|whisper|dall.?e|sora|azure|anthropic|ollama", re.IGNORECASE)
LIMIT = 330
"""Lines. Past it a second noun may have moved in, so the module says why it stays whole."""


GENERAL = sorted(path for wing in ("core", "flows", "gateway") for path in (PACKAGE / wing).rglob("*.py"))
"""The wings that serve any provider."""


@pytest.mark.parametrize("path", GENERAL, ids=lambda path: path.name)
def test_core_flows_and_gateway_name_no_provider(path: Path) -> None:
    """No provider's name occurs in them; only our own package's name does."""
    text = path.read_text(encoding="utf-8").replace("kosha_connector_openai", "")
    assert PROVIDERS.findall(text) == []


def test_a_long_module_says_why_it_is_one() -> None:
    """A module of more than 330 lines has a reason for its length in its first docstring: "One module: ..."."""
    long = {
        path.name: ast.get_docstring(ast.parse(text)) or ""
        for path in MODULES
        if (text := path.read_text(encoding="utf-8")).count("\n") > LIMIT
    }
    assert {name for name, said in long.items() if "One module" not in said} == set()


def test_the_only_python_of_our_own_provider_is_small() -> None:
    """What is OpenAI's alone in Python fits on a page: the plugin."""
    assert len((PACKAGE / "plugin.py").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_say_what_they_are(path: Path) -> None:
    """Each module begins with a docstring, if it has anything to say."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body


def test_importing_does_nothing() -> None:
    """X6: importing the whole package opens no file but Python's own, connects nowhere and reads no environment of ours."""
    code = """
import sys, os
bad = []
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        bad.append((event, str(args)[:100]))
    if event == "open" and isinstance(args[0], str) and not args[0].endswith((".py", ".pyc", ".so")):
        if not any(part in args[0] for part in ("site-packages", "/lib", "/etc/", "/usr/")):
            bad.append((event, args[0]))
sys.addaudithook(hook)
import kosha_connector_openai, kosha_connector_openai.plugin
import kosha_connector_openai.connector, kosha_connector_openai.plugins
print(bad)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_is_light() -> None:
    """The package itself loads no HTTP client, validator or model library until something is used."""
    heavy = "('httpx', 'aiohttp', 'pydantic', 'jsonschema', 'yaml', 'typer')"
    code = f"import sys, kosha_connector_openai; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
