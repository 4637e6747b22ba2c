"""A package for Node-RED: an npm tarball with a node for each task and featured action, one for any action, and the gateway's settings.

The nodes' forms are those of the actions, one level deep; the token is a credential of Node-RED, so that an exported flow holds none.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.exports.chosen import chosen_actions
from kosha_connector_openai.flows.tasks import TaskInfo, list_tasks

_ASSETS: Final = Path(__file__).parent / "assets"
_COLOR: Final = "#c7d9e8"
_MOST_CHOICES: Final = 40
_NAME: Final = re.compile(r"[\w.-]+", re.ASCII)
"""What a name may be that becomes a type of nodes or, without dots and dashes, the id of an element: a description may have any other."""
_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object"})


def write_node_red(connector: Connector, actions: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """The tarball's name and bytes, the same each time. ``actions`` and ``groups`` replace the featured ones; raises InputError."""
    name = f"node-red-contrib-kosha-{connector.id}"
    nodes = [_task_node(connector, info) for info in list_tasks(connector)]
    nodes += [_action_node(connector, action) for action in _shown(connector, actions, groups)]
    nodes.append(_any_node(connector))
    data = {
        "gateway": f"kosha-{connector.id}-gateway",
        "category": re.sub("[<>&\"']", "", connector.manifest.title),  # which the editor's palette takes for HTML
        "color": _COLOR,
        "nodes": nodes,
    }
    files = {
        "package.json": _json(_package(connector, name)),
        "nodes.json": _json(data),
        "kosha.js": (_ASSETS / "node-red-runtime.js").read_bytes(),
        "kosha.html": _page(data).encode(),
        "README.md": _readme(connector, name).encode(),
        "examples/Ask and see.json": _json(_example(connector, data)),
    }
    return f"{name}-{connector.manifest.version}.tgz", _packed({f"package/{path}": content for path, content in files.items()})


def _shown(connector: Connector, actions: tuple[str, ...], groups: tuple[str, ...]) -> list[Action]:
    found = [action for action in chosen_actions(connector, actions, groups) if _NAME.fullmatch(action.id)]
    return found if actions or groups else [action for action in found if action.overlay.featured or not list_tasks(connector)]


def _action_node(connector: Connector, action: Action) -> dict[str, Any]:
    shown = [
        field
        for field in connector.forms[action.id].fields
        if field["name"].isidentifier()
        and field["visibility"] != "internal"
        and (field["required"] or field["group"] in ("main", "options"))
    ]
    first = next(
        (field["name"] for field in reversed(shown) if field["required"] and field.get("type") == "string" and "enum" not in field), ""
    )
    return {
        "type": f"kosha-{connector.id}-{action.id}",
        "kind": "action",
        "target": action.id,
        "title": action.title,
        "summary": action.summary,
        "paid": action.hints.paid,
        "streams": action.hints.streams,
        "fields": [_field(field, payload=field["name"] == first) for field in shown],
    }


def _field(field: Mapping[str, Any], *, payload: bool = False) -> dict[str, Any]:
    kind = field.get("type") if field.get("type") in _TYPES else "object"
    out: dict[str, Any] = {"name": field["name"], "label": field["label"], "type": kind, "required": bool(field["required"])}
    out["help"] = field.get("help", "")
    choices = [choice["value"] for choice in field.get("enum", ())]
    if choices and kind == "string" and len(choices) <= _MOST_CHOICES and all(isinstance(each, str) for each in choices):
        out["choices"] = choices
    if "file" in field:
        out["file"] = True
    return out | _start(out, field.get("example", field.get("placeholder")), payload=payload)


def _start(field: Mapping[str, Any], example: Any, *, payload: bool) -> dict[str, Any]:
    """What a field holds in a node that was just dragged in, such that a required one has something to try."""
    if not field["required"]:
        return {"value": "", "from": "none"}
    if field.get("file") or payload:
        return {"value": "payload", "from": "msg"}
    if field["type"] == "string":
        known = example if isinstance(example, str) else (field.get("choices") or [""])[0]
        return {"value": known, "from": "choice" if known in field.get("choices", ()) else "str"}
    return {"value": "" if example is None else json.dumps(example), "from": "json" if field["type"] in ("array", "object") else "num"}


def _task_node(connector: Connector, info: TaskInfo) -> dict[str, Any]:
    fields = []
    first = next((name for name, entry in info.rules.inputs.items() if entry.required), "")
    for name, entry in info.rules.inputs.items():
        takes = entry.takes if not entry.file else {"type": "string"}
        kind = takes.get("type")
        field: dict[str, Any] = {
            "name": name,
            "label": entry.label,
            "type": kind if kind in _TYPES else "object",
            "required": entry.required,
        }
        field["help"] = entry.help
        if all(isinstance(each, str) for each in takes.get("enum", (0,))):
            field["choices"] = list(takes["enum"])
        if entry.file:
            field["file"] = True
        fields.append(field | _start(field, entry.example, payload=name == first))
    return {
        "type": f"kosha-{connector.id}-task-{info.name}",
        "kind": "task",
        "target": info.name,
        "title": info.title,
        "summary": info.summary,
        "paid": connector.catalog[info.action].hints.paid,
        "streams": False,
        "fields": fields,
    }


def _any_node(connector: Connector) -> dict[str, Any]:
    return {
        "type": f"kosha-{connector.id}-action",
        "kind": "any",
        "target": "",
        "title": "Any action",
        "summary": "Runs an action by its id, with the inputs of `msg.inputs`.",
        "paid": False,
        "streams": True,
        "fields": [],
    }


def _package(connector: Connector, name: str) -> dict[str, Any]:
    manifest = connector.manifest
    return {
        "name": name,
        "version": manifest.version,
        "description": f"{manifest.title} for Node-RED, through a Kosha gateway: checked before it is sent, no key in a flow.",
        "keywords": ["node-red", "kosha", manifest.id],
        "license": manifest.license,
        "author": manifest.publisher.name,
        "engines": {"node": ">=18"},
        "node-red": {"version": ">=3.0.0", "nodes": {f"kosha-{manifest.id}": "kosha.js"}},
    }


def _page(data: Mapping[str, Any]) -> str:
    """The editor's file: a template and a help text for each node, and the script that registers them."""
    script = (_ASSETS / "node-red-editor.js").read_text(encoding="utf-8")
    # `<` in a text of the connector must not end the script.
    values = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    pieces = [_gateway_template(data["gateway"])]
    for node in data["nodes"]:
        pieces += [_template(node), _help(node)]
    return "\n".join([*pieces, f'<script type="text/javascript">\n{script.replace("DATA", values, 1)}</script>', ""])


def _gateway_template(kind: str) -> str:
    return f"""<script type="text/html" data-template-name="{kind}">
{_row("config-input-name", "Name")}
{_row("config-input-url", "Address")}
{_row("config-input-token", "Token", kind="password")}
</script>"""


def _template(node: Mapping[str, Any]) -> str:
    rows = [_row("input-name", "Name"), _row("input-gateway", "Gateway")]
    if node["kind"] == "any":
        rows.append(_row("input-action", "Action"))
    rows += [_row(f"input-f_{field['name']}", field["label"], field["help"], typed=True) for field in node["fields"]]
    rows.append(_row("input-more", "More inputs", "Further inputs by name, as a JSON object.", typed=True))
    return f'<script type="text/html" data-template-name="{node["type"]}">\n' + "\n".join(rows) + "\n</script>"


def _row(place: str, label: str, text: str = "", *, typed: bool = False, kind: str = "text") -> str:
    hidden = f'<input type="hidden" id="node-{place}_type">' if typed else ""
    title = f' title="{html.escape(text)}"' if text else ""
    return (
        f'<div class="form-row"{title}><label for="node-{place}">{html.escape(label)}</label>'
        f'<input type="{kind}" id="node-{place}" style="width: 70%">{hidden}</div>'
    )


def _help(node: Mapping[str, Any]) -> str:
    paid = "<p>Each call is paid.</p>" if node["paid"] else ""
    fields = "".join(
        f"<dt>{html.escape(field['label'])} <span class='property-type'>{html.escape(field['name'])}</span></dt>"
        f"<dd>{html.escape(field['help'])}</dd>"
        for field in node["fields"]
    )
    return f"""<script type="text/html" data-help-name="{node["type"]}">
<p>{html.escape(node["summary"])}</p>{paid}
<h3>Inputs</h3><dl class="message-properties">{fields}
<dt>msg.inputs</dt><dd>An object of inputs by name; it goes before the fields. A Buffer is sent as a file.</dd></dl>
<h3>Outputs</h3><dl class="message-properties"><dt>msg.payload</dt><dd>The text, the value or the file (a Buffer).</dd>
<dt>msg.kosha</dt><dd>The whole answer.</dd><dt>msg.files</dt><dd>Its files: name, contentType, data.</dd></dl>
<p>A call that fails goes to a catch node with the message as it came.</p>
</script>"""


def _example(connector: Connector, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A flow for the menu: a text, the first task or action, the debug panel."""
    first = data["nodes"][0]
    known = {f"f_{field['name']}": field["value"] for field in first["fields"]}
    known |= {f"f_{field['name']}_type": field["from"] for field in first["fields"]}
    base = {"z": "tab", "wires": [["asked"]]}
    return [
        {"id": "tab", "type": "tab", "label": connector.manifest.title},
        {"id": "gateway", "type": data["gateway"], "name": "", "url": "http://127.0.0.1:8010"},
        {**base, "id": "begin", "type": "inject", "name": "", "props": [{"p": "payload"}], "payload": "Why is the sea salty?",
         "payloadType": "str", "x": 140, "y": 80},
        {**base, "id": "asked", "type": first["type"], "name": "", "gateway": "gateway", **known, "more": "", "more_type": "none",
         "x": 340, "y": 80, "wires": [["seen"]]},
        {**base, "id": "seen", "type": "debug", "name": "", "active": True, "tosidebar": True, "complete": "payload",
         "targetType": "msg", "x": 540, "y": 80, "wires": []},
    ]  # fmt: skip


def _readme(connector: Connector, name: str) -> str:
    return f"""# {name}

{connector.manifest.tagline}

Nodes for {connector.manifest.title} in Node-RED, which call a Kosha gateway. Each call is checked before it is sent; the key stays
with the gateway, and the gateway's token with Node-RED's credentials, so an exported flow holds neither.

Install the tarball by *Manage palette*, *Install*, *Upload module tgz file*. Drag a node in, name the gateway and its token once, deploy.
"""


def _packed(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, filename="") as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path, content in _in_order(files):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 499_162_500  # npm's own fixed time
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _in_order(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    yield from sorted(files.items(), key=lambda item: (item[0] != "package/package.json", item[0]))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
