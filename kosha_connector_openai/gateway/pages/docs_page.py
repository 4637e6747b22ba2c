"""The description as one page for people: no script, nothing fetched from elsewhere, so that it works offline and can do no harm."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Action

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2330;--dim:#5b6677;--line:#d9dee6;--back:#fff;--chip:#eef1f6;--mark:#0b66c3}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf2;--dim:#9aa6b8;--line:#313a48;--back:#141a23;--chip:#222b38;--mark:#7ab8ff}}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.6rem;margin:0 0 .3rem}p{margin:.4rem 0}.dim{color:var(--dim)}
pre{background:var(--chip);padding:.8rem 1rem;border-radius:.4rem;overflow:auto;font-size:.85rem}
details{border-top:1px solid var(--line);padding:.5rem 0}
summary{cursor:pointer;font-weight:600}summary span{font-weight:400;margin-left:.5rem}
ul{list-style:none;padding:0;margin:.4rem 0}li{padding:.35rem 0 .35rem .2rem}
code{font:.85rem ui-monospace,monospace}b.m{display:inline-block;min-width:4.2rem;font:.75rem ui-monospace,monospace;color:var(--mark)}
i{font-style:normal;font-size:.75rem;background:var(--chip);border-radius:.3rem;padding:.05rem .4rem;margin-left:.4rem}
a{color:var(--mark)}
"""
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The page's Content Security Policy: one style sheet by its digest, and nothing else."""


def docs_page(connector: Connector, *, protected: bool) -> bytes:
    """The page, in UTF-8."""
    manifest = connector.manifest
    key = "the service's token" if protected else "any word, since no token is needed here"
    token = " -H &quot;Authorization: Bearer $TOKEN&quot;" if protected else ""
    prefix = _prefix(connector)
    behind = f" with <code>{escape(prefix)}</code> behind it" if prefix else ""
    parts = [
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{escape(manifest.title)} connector</title><style>{_STYLE}</style><main>"
        ),
        f"<h1>{escape(manifest.title)} connector</h1><p class=dim>{escape(manifest.tagline)}</p>",
        (
            f"<p>A client of this API needs two settings: <code>base_url</code>, this service{behind}, "
            f'and as its key {key}. The whole description, for generators of clients: <a href="/openapi.json">openapi.json</a>.</p>'
        ),
        *_example(connector, token),
        *_groups(connector),
        "</main></html>",
    ]
    return "".join(parts).encode()


def _prefix(connector: Connector) -> str:
    """The segment with which all paths begin, such as ``/v1``; "" where they have none in common."""
    firsts = {action.operation.path.split("/")[1] for action in connector.catalog.values()}
    return f"/{firsts.pop()}" if len(firsts) == 1 else ""


def _example(connector: Connector, token: str) -> Iterator[str]:
    """A call that costs nothing: the one that tests a connection, where it needs no inputs."""
    test = connector.manifest.connection.test
    operation = connector.catalog[test.action].operation if test and test.action in connector.catalog else None
    if operation and operation.method == "GET" and "{" not in operation.path:
        yield f"<pre>curl $GATEWAY{escape(operation.path)}{token}</pre>"


def _groups(connector: Connector) -> Iterator[str]:
    for group in connector.catalog.groups:
        actions = [action for action in connector.catalog.values() if action.group.id == group.id]
        note = f"{len(actions)} \u00b7 {group.help}" if group.help else f"{len(actions)}"
        yield f"<details><summary>{escape(group.title)}<span class=dim>{escape(note)}</span></summary><ul>"
        yield from map(_action, actions)
        yield "</ul></details>"


def _action(action: Action) -> str:
    hints = "".join(f"<i>{word}</i>" for word in action.hints.words)
    operation = action.operation
    where = f"<b class=m>{operation.method}</b><code>{escape(operation.path)}</code>"
    return f"<li>{where}{hints}<br>{escape(action.title)} <code class=dim>{escape(action.id)}</code></li>"
