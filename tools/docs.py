"""``python -m tools.docs`` writes the generated parts of README.md and docs/*.md, and the manifest's JSON Schema for editors.

``--check`` writes nothing and names the files that are stale.

A part stands between ``<!-- generated:NAME -->`` and ``<!-- /generated -->``; NAME is a key of ``PARTS``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from kosha_connector_openai import Connector, errors, open_connector
from kosha_connector_openai.cli import MEANINGS, exit_code, hint_words
from kosha_connector_openai.core._moved import MOVED, PACKAGE
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.tasks import list_tasks
from kosha_connector_openai.forms import format_schema
from kosha_connector_openai.gateway import Settings
from kosha_connector_openai.gateway.pages import ACCESS, service_document
from kosha_connector_openai.manifest import Manifest, json_schema
from kosha_connector_openai.manifest.parts import FormsPart, JobKind, JobsPart, Models, PageForm, Paging, Rule
from kosha_connector_openai.sandbox.fault_injection import dialects
from tools import trigger_docs

ROOT: Final = Path(__file__).parent.parent
SCHEMA: Final = ROOT / "docs" / "connector.schema.json"
FORM_SCHEMA: Final = ROOT / "docs" / "form.schema.json"
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


def server_kinds(connector: Connector) -> str:
    """The kinds of server."""
    rows = [
        (
            code(name),
            f"{kind.title}. {kind.help}",
            ", ".join(code(f"{field}={value}") for field, value in kind.values.items()),
            ", ".join(map(code, kind.required)),
        )
        for name, kind in connector.manifest.servers.kinds.items()
    ]
    return table(("`server_kind`", "What it is", "Fills in", "Needs"), rows)


def paging(connector: Connector) -> str:
    """The forms of paging, and the lists of each."""
    parts = []
    for form in connector.part("paging", Paging).forms.values():
        found = [action for action in connector.catalog.values() if action.paging and action.paging.title == form.title]
        names = ", ".join(f"`{action.id}`{_size(action.paging, form)}" for action in found)
        parts.append((form.title, _cursor(form), code(form.send), str(form.most or ""), names))
    return table(("Form", "Next cursor", "Sent as", "Largest page", "Actions, with another largest page"), parts)


def _cursor(form: PageForm) -> str:
    found = [*map(code, form.cursor), *([f"{code(form.last)} of the last item"] if form.last else [])]
    more = f" while {code(form.more)}" if form.more and found else ""
    return f"{', else '.join(found)}{more}"


def _size(special: PageForm | None, form: PageForm) -> str:
    return f" ({special.most:,})" if special and special.most != form.most else ""


def jobs(connector: Connector) -> str:
    """The kinds of job."""
    rows = [
        (
            kind.title,
            ", ".join(f"`{name}`{f' with {code(rule.when)}' if rule.when else ''}" for name, rule in kind.start.items()),
            ", ".join(map(code, kind.running)),
            ", ".join(code(state) if state == end else f"{code(state)}: {end}" for state, end in kind.ends.items()),
            code(kind.cancel),
            "yes" if kind.lookup else "",
            _result(kind),
        )
        for kind in connector.part("jobs", JobsPart).kinds.values()
    ]
    return table(("Job", "Started by", "Goes on while", "Ends as", "Cancelled by", "Found again", "Result"), rows)


def _result(kind: JobKind) -> str:
    rule = kind.result
    words = {"text": "its text", "lines": "rows by `custom_id`", "items": "a list from", "file": "a file from", "value": "the value at"}
    if rule is None:
        return "its last state"
    where = getattr(rule, "action", None) or ", ".join(getattr(rule, "pointers", ()))
    return f"{words[rule.kind]} {code(where)}".strip()


def manifest_keys(_: Connector) -> str:
    """Every key of a manifest, a table for each of its parts."""
    return models("connector.yaml", json_schema(Manifest))


def forms_part(_: Connector) -> str:
    """Every key of the part ``forms``."""
    return models("forms.yaml", json_schema(FormsPart))


def form_format(_: Connector) -> str:
    """Every key of a form."""
    return models("The form", format_schema())


def models(name: str, schema: Mapping[str, Any]) -> str:
    """A table for a model and for each of the models inside it."""
    return "\n".join([_model(name, schema), *(_model(inner, part) for inner, part in schema["$defs"].items() if "properties" in part)])


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
    values = asdict(connector.manifest.defaults)
    rows = [
        (
            code(f"{part}.{key}"),
            "" if value is None else f"{value:g}" if isinstance(value, float) else str(value).lower(),
        )  # 5 and 5.0 alike
        for part, entries in values.items()
        if isinstance(entries, Mapping)
        for key, value in entries.items()
    ]
    return table(("Setting", "Default"), rows)


def model_rules(connector: Connector) -> str:
    """What the part `models` knows: every rule with its source and date."""
    part = connector.part("models", Models)
    rows = [
        (
            ", ".join(map(code, rule.actions)),
            ", ".join(map(code, rule.models)),
            code(rule.field[1:]),
            _does(rule),
            rule.reason,
            _told(part, rule),
        )
        for rule in part.rules
    ]
    return table(("Actions", "Models", "Input", "Rule", "Why", "From"), rows)


def _does(rule: Rule) -> str:
    limits = [
        *map(code, rule.values),
        *([f"at most {rule.most:g}"] if rule.most else []),
        *([f"of at most {rule.longest}"] if rule.longest else []),
    ]
    what = {"hide": "not taken", "rename": f"called {code(rule.to)}", "require": "needed", "allow": ", ".join(limits)}[rule.do]
    when = " and ".join(f"{code(pointer[1:])} is {', '.join(map(code, values))}" for pointer, values in rule.when.items())
    return f"{what} where {when}" if when else what


def _told(part: Models, rule: Rule) -> str:
    source = part.sources[rule.source]
    return f"[{source.title}]({source.url}), {source.date.isoformat()}"


def tasks(connector: Connector) -> str:
    """The tasks."""
    rows = [
        (
            code(info.name),
            info.summary,
            code(info.action),
            ", ".join(f"**{name}**" if entry.required else name for name, entry in info.rules.inputs.items()),
        )
        for info in list_tasks(connector)
    ]
    return table(("Task", "What it gives", "Action", "Inputs, the needed ones bold"), rows)


def gateway_settings(_: Connector) -> str:
    """Every setting of the gateway, a table for each of its parts."""
    return models("The settings", json_schema(Settings))


def gateway_pages(_: Connector) -> str:
    """The gateway's own pages: where, who may see them, what they give."""
    who = {
        "token": "whoever has a token",
        "docs": "as `docs` says",
        "catalog": "whoever has a token, where `catalog` is on",
        "people": "everyone; for a person's browser, and in no description",
        "studio": "everyone, where `studio` is on",
        "owner": "the user of this machine's `kosha-openai studio`",
    }
    rows = [
        (code(f"{method.upper()} {path}{_query(operation)}"), who.get(item[ACCESS], item[ACCESS]), operation["summary"])
        for path, item in service_document()["paths"].items()
        for method, operation in item.items()
        if method != ACCESS
    ]
    return table(("Page", "Who may see it", "What it does"), rows)


def _query(operation: Mapping[str, Any]) -> str:
    names = [part["name"] for part in operation.get("parameters", ()) if part["in"] == "query"]
    return f"?{'&'.join(names)}" if names else ""


PUBLIC: Final = (
    *("", "connector", "errors", "flows", "flows.triggers", "hookspecs", "plugin", "plugins"),
    *("sandbox", "secrets", "secrets.stores", "testing"),
)
"""The modules of the package that programs may import from; "" is the package itself."""


def public_modules() -> Iterator[ModuleType]:
    """The modules whose names are public."""
    for name in PUBLIC:
        yield import_module(f"{PACKAGE}.{name}".removesuffix("."))


def public_names(_: Connector) -> str:
    """The public names, a table for each module."""
    parts = []
    for module in public_modules():
        rows = [(code(name), _summary(getattr(module, name))) for name in sorted(module.__all__)]
        parts.append(f"**`{module.__name__}`**: {_summary(module)}\n\n" + table(("Name", "What it is"), rows))
    return "\n".join(parts)


def _summary(value: Any) -> str:
    """The first paragraph of what a name says of itself; a constant's value."""
    text = value.__doc__ if isinstance(value, ModuleType) or callable(value) else f"`{value!r}`"
    return " ".join((text or "").partition("\n\n")[0].split()).replace("``", "`")


def dialect_table(_: Connector) -> str:
    """What the sandbox can send in the manner of other servers."""
    ways = {"stream": "createChatCompletion, `stream`", "response-stream": "createResponse, `stream`"}
    rows = [
        (code(name), row["what"], ways.get(row.get("of", ""), row.get("of", "createChatCompletion")), row["is"])
        for name, row in dialects().items()
    ]
    return table(("Dialect", "What comes", "For", "What it is"), rows)


PARTS: Final[Mapping[str, Callable[[Connector], str]]] = {
    "actions": actions,
    "exit-codes": exit_codes,
    "errors": error_tree,
    "connection-fields": connection_fields,
    "server_kinds": server_kinds,
    "manifest-keys": manifest_keys,
    "paging": paging,
    "paging-keys": lambda _: models("paging", json_schema(Paging)),
    "jobs": jobs,
    "jobs-keys": lambda _: models("jobs", json_schema(JobsPart)),
    "forms-part": forms_part,
    "form-format": form_format,
    "defaults": defaults,
    "model-rules": model_rules,
    "tasks": tasks,
    "public-names": public_names,
    "moved": lambda _: table(("Old", "New"), [(code(f"{PACKAGE}.{old}"), code(f"{PACKAGE}.{new}")) for old, new in MOVED.items()]),
    "triggers": lambda connector: table(("Event", "When", "The job has ended with", "Then run"), trigger_docs.triggers(connector)),
    "polls": lambda connector: table(("Kind", "List", "Needs"), trigger_docs.polls(connector)),
    "dialects": dialect_table,
    "gateway-settings": gateway_settings,
    "gateway-pages": gateway_pages,
}


def renewed(text: str, connector: Connector) -> str:
    """``text`` with its generated parts written anew; raises KeyError for a part of an unknown name."""
    return _PART.sub(lambda match: f"{match[1]}{PARTS[match[2]](connector)}{match[3]}", text)


def editor_schema() -> str:
    """The JSON Schema of ``connector.yaml``, as editors read it."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "connector.yaml of a Kosha connector"}
    return json.dumps(head | {key: value for key, value in json_schema(Manifest).items() if key != "title"}, indent=1) + "\n"


def main(arguments: Sequence[str]) -> int:
    """1 where ``--check`` was asked for and a file is stale."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with open_connector() as connector:
        texts = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
        fresh_texts = {path: renewed(text, connector) for path, text in texts.items()}
    fresh_texts |= {SCHEMA: editor_schema(), FORM_SCHEMA: json.dumps(format_schema(), indent=1) + "\n"}
    stale = {path: fresh for path, fresh in fresh_texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != fresh}
    for path, fresh in stale.items():
        print(f"{path.relative_to(ROOT)}: {'stale' if '--check' in arguments else 'written'}")
        if "--check" not in arguments:
            path.write_text(fresh, encoding="utf-8")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
