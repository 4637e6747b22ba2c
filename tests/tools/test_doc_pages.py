"""The pages hold together: links lead somewhere, the index has every page, and the commands that they show exist with their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.cli.command import LazyCommand

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])
APP: Any = typer.main.get_command(make_app())
BLOCK = re.compile(r"^```(\w*).*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:\$ )?(?:\w+=\S* )*(?:\.venv/bin/)?kosha-openai (.*)")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as they are linked to."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    """The file is there, and the heading in it."""
    lost = []
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_the_index_has_every_page() -> None:
    """Each page of docs/ stands in docs/README.md, once."""
    listed = [link for link in LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8")) if "/" not in link]
    assert sorted(listed) == sorted(page.name for page in ROOT.glob("docs/*.md") if page.name != "README.md")


def shell_lines(text: str) -> Iterator[str]:
    """The lines of a page that a shell gets: those of shell blocks, those behind a prompt, and those of indented blocks."""
    for kind, block in BLOCK.findall(text):
        if kind in ("sh", "shell", "bash", "console"):
            yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"^ {4}(?=\S)(.*)$", BLOCK.sub("", text), re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each ``kosha-openai`` command that a page shows, up to the first pipe."""
    for line in shell_lines(page.read_text(encoding="utf-8")):
        for part in re.split(r"\||&&", line):
            if match := COMMAND.match(part.partition(" #")[0].strip()):
                yield shlex.split(match[1].replace("…", "x").removesuffix("&"))


@by_page
def test_commands_exist_with_their_options(page: Path) -> None:
    """A command that was renamed, or lost an option, is found on the page that shows it; the README shows some, too."""
    wrong = [" ".join(words) for words in commands(page) if not known(words)]
    assert wrong == []


def below(command: Any) -> dict[str, Any]:
    """The commands of a group by name; none for a command."""
    return getattr(command, "commands", {})


def known(words: list[str]) -> bool:
    """True where the words name a command, and each word that begins with a dash is an option of it."""
    here = APP
    options: set[str] = {"--help", "-h"}
    for word in words:
        options |= {name for param in here.params for name in (*param.opts, *param.secondary_opts)}
        here = below(here).get(word, here)
        here = here.load() if isinstance(here, LazyCommand) else here
    options |= {name for param in here.params for name in (*param.opts, *param.secondary_opts)}
    dashed = [word for word in words if re.match(r"--?[a-zA-Z]", word)]
    return not below(here) and set(dashed) <= options


def test_the_page_of_the_command_line_has_every_command() -> None:
    """Each command and each group stands in the table of docs/cli.md."""
    app = below(APP)
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("## Inputs")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    shown = {re.sub(r"`([a-z-]+).*", r"\1", row.strip()) for row in rows}
    assert shown == set(app)
    for name, group in app.items():
        row = " ".join(row for row in rows if row.strip().startswith(f"`{name} "))
        assert [command for command in below(group) if not re.search(rf"\b{command}\b", row)] == [], name


def leaves(app: Any) -> Iterator[Any]:
    """Each command, as its function declares it."""
    for command in below(app).values():
        if below(command):
            yield from leaves(command)
        else:
            yield command.load() if isinstance(command, LazyCommand) else command


def test_every_option_stands_on_a_page() -> None:
    """By one of its names, long or short: of --test and --no-test one is enough."""
    told = set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", "\n".join(page.read_text(encoding="utf-8") for page in PAGES)))
    options = {(command.name, *option.opts, *option.secondary_opts) for command in leaves(APP) for option in command.params}
    dashed = [(name, *names) for name, *names in sorted(options) if names[0].startswith("-")]
    lost = [" ".join(option) for option in dashed if not told & set(option[1:])]
    assert not lost, "\n".join(lost)
