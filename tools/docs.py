"""``python -m tools.docs`` writes the generated parts of README.md and docs/*.md, and the manifest's JSON Schema for editors.

``--check`` writes nothing and names the files that are stale.

A part stands between ``<!-- generated:NAME -->`` and ``<!-- /generated -->``; NAME is a key of ``PARTS``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.cli.actions import hint_words
from kosha_connector_openai.cli.exit_codes import MEANINGS, exit_code
from kosha_connector_openai.core import errors
from kosha_connector_openai.core.errors import ConnectorError
from kosha_connector_openai.core.spec.manifest import Manifest
from kosha_connector_openai.gateway.settings import Settings

ROOT: Final = Path(__file__).parent.parent
SCHEMA: Final = ROOT / "docs" / "connector.schema.json"
_PART: Final = re.compile(r"(<!-- generated:([a-z-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
_ADVICE: Final = re.compile(r"── (\w+) +(.+)")
_RETRYABLE: Final = {True: "yes", False: "no", None: "look first"}


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def code(text: Any) -> str:
    """Text as Markdown code; nothing for nothing."""
    return f"`{text}`" if text else ""


def actions(connector: Connector) -> str:
    """All actions, a table for each group."""
    parts = []
    for group in connector.catalog.groups:
        found = [action for action in connector.catalog.values() if action.group.id == group.id]
        rows = [
            (action.title, code(action.id), code(f"{action.operation.method} {action.operation.path}"), hint_words(action))
            for action in found
        ]
        parts.append(f"**{group.title}**{f': {group.help}' if group.help else ''}\n\n" + table(("Action", "Id", "Request", "Hints"), rows))
    return "\n".join(parts)


def exit_codes(_: Connector) -> str:
    """The exit codes of the command."""
    return table(("Code", "Means", "What to do"), [(str(number.value), *words) for number, words in MEANINGS.items()])


def error_tree(_: Connector) -> str:
    """The error classes in the order of their tree, with their codes and what to do."""
    advice = dict(_ADVICE.findall(errors.__doc__ or ""))
    return table(
        ("Class", "`code`", "Meaning", "Again?", "What to do", "Exit"),
        [_error_row(kind, depth, advice) for kind, depth in _tree(ConnectorError)],
    )


def _tree(kind: type[ConnectorError], depth: int = 0) -> Iterator[tuple[type[ConnectorError], int]]:
    named = not kind.__name__.startswith("_")
    if named:
        yield kind, depth
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below, depth + named)


def _error_row(kind: type[ConnectorError], depth: int, advice: Mapping[str, str]) -> Sequence[str]:
    what = next((advice[base.__name__] for base in kind.__mro__ if base.__name__ in advice), "")
    meaning = (kind.__doc__ or "").partition("\n")[0].replace("``", "`")
    again = "by category" if issubclass(kind, errors.ApiError) else _RETRYABLE[kind.retryable]
    number = str(exit_code(kind.__new__(kind)).value)
    return ("&nbsp;&nbsp;" * depth + code(kind.__name__), code(kind.code), meaning, again, what, number)


def connection_fields(connector: Connector) -> str:
    """The connection form."""
    rows = [
        (code(entry.name), entry.help, "reference" if entry.secret else "text", ", ".join(map(code, entry.env)), code(entry.default))
        for entry in connector.manifest.connection.fields
    ]
    return table(("Field", "What it is", "Takes", "Variables, the first set one wins", "Default"), rows)


def manifest_keys(_: Connector) -> str:
    """Every key of a manifest, a table for each of its parts."""
    schema = Manifest.model_json_schema()
    parts = [_model("connector.yaml", schema)]
    return "\n".join([*parts, *(_model(name, part) for name, part in schema["$defs"].items())])


def _model(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (code(key), _type(part), "yes" if key in required else _default(part), part.get("description", "").replace("``", "`"))
        for key, part in schema.get("properties", {}).items()
    ]
    return f"**{name}**: {schema.get('description', '').replace('``', '`')}\n\n" + table(
        ("Key", "Type", "Needed, or default", "Meaning"), rows
    )


def _default(part: Mapping[str, Any]) -> str:
    value = part.get("default")
    return "" if value in (None, "", [], {}) or isinstance(value, dict) else code(str(value).lower() if isinstance(value, bool) else value)


def _type(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        return str(part["$ref"]).rpartition("/")[2]
    if "enum" in part or "const" in part:
        return " or ".join(code(value) for value in part.get("enum", [part.get("const")]))
    if "anyOf" in part:
        return " or ".join(_type(branch) for branch in part["anyOf"] if branch.get("type") != "null")
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}))}"
    if part.get("type") == "object":
        return f"object of {_type(values)}" if isinstance(values := part.get("additionalProperties"), Mapping) else "object"
    return str(part.get("type", "anything"))


def defaults(connector: Connector) -> str:
    """The limits that a connection starts from."""
    values = connector.manifest.defaults.model_dump()
    rows = [(code(f"{part}.{key}"), str(value).lower()) for part, entries in values.items() for key, value in entries.items()]
    return table(("Setting", "Default"), rows)


def gateway_settings(_: Connector) -> str:
    """Every setting of the gateway, a table for each of its parts."""
    schema = Settings.model_json_schema()
    parts = [_model("The settings", schema), *(_model(name, part) for name, part in schema["$defs"].items())]
    return "\n".join(parts)


PARTS: Final[Mapping[str, Callable[[Connector], str]]] = {
    "actions": actions,
    "exit-codes": exit_codes,
    "errors": error_tree,
    "connection-fields": connection_fields,
    "manifest-keys": manifest_keys,
    "defaults": defaults,
    "gateway-settings": gateway_settings,
}


def renewed(text: str, connector: Connector) -> str:
    """``text`` with its generated parts written anew; raises KeyError for a part of an unknown name."""
    return _PART.sub(lambda match: f"{match[1]}{PARTS[match[2]](connector)}{match[3]}", text)


def editor_schema() -> str:
    """The JSON Schema of ``connector.yaml``, as editors read it."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "connector.yaml of a Kosha connector"}
    return json.dumps(head | {key: value for key, value in Manifest.model_json_schema().items() if key != "title"}, indent=1) + "\n"


def main(arguments: Sequence[str]) -> int:
    """1 where ``--check`` was asked for and a file is stale."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with open_connector() as connector:
        texts = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
        fresh_texts = {path: renewed(text, connector) for path, text in texts.items()} | {SCHEMA: editor_schema()}
    stale = {path: fresh for path, fresh in fresh_texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != fresh}
    for path, fresh in stale.items():
        print(f"{path.relative_to(ROOT)}: {'stale' if '--check' in arguments else 'written'}")
        if "--check" not in arguments:
            path.write_text(fresh, encoding="utf-8")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
