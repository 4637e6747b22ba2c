"""The description as pages for people: a search, every action with its fields and an example. No script, nothing fetched from elsewhere."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html import escape
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import ConnectorError, UnknownActionError
from kosha_connector_openai.flows import search_catalog
from kosha_connector_openai.flows.tasks import TaskInfo
from kosha_connector_openai.gateway.pages.failures import failed
from kosha_connector_openai.gateway.pages.html import HEADERS, document
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse

_KEPT: Final = 64
_LONGEST: Final = 200
"""Characters of a search."""
_NAMED: Final = 8
"""Values of a list that are named."""


class DocsPages:
    """The pages of one connector."""

    def __init__(self, connector: Connector, *, protected: bool, catalog: bool = True) -> None:
        """``protected``: callers need a token; ``catalog``: builders' paths are offered."""
        self._connector = connector
        self._token = ' -H "Authorization: Bearer $TOKEN"' if protected else ""
        self._protected = protected
        self._catalog = catalog
        self.page = lru_cache(_KEPT)(self._page)

    async def answer(self, request: Request) -> Response | JsonResponse:
        """The page that a request's query asks for."""
        query, address = request.query_params, f"{request.url.scheme}://{request.headers['host']}"
        try:
            page = await asyncio.to_thread(self.page, address, query.get("search", ""), query.get("action", ""))
        except ConnectorError as error:
            return failed(error)
        return Response(page, headers=HEADERS)

    def _page(self, address: str, search: str = "", action: str = "") -> bytes:
        """The index, what a search found, or one action; ``address`` is the service's own, as the reader has it.

        Raises UnknownActionError.
        """
        if action:
            return self._of_action(address, action)
        manifest = self._connector.manifest
        parts = [
            f"<h1>{escape(manifest.title)} connector</h1><p class=dim>{escape(manifest.tagline)}</p>",
            _search_form(search),
            *(self._found(search[:_LONGEST]) if search.strip() else (*self._words(address), *self._groups())),
        ]
        return document(f"{manifest.title} connector", *parts)

    def _words(self, address: str) -> Iterator[str]:
        key = "the service's token" if self._protected else "any word, since no token is needed here"
        prefix = _prefix(self._connector)
        yield (
            f"<p>A client of this API needs two settings: <code>base_url</code>, <code>{escape(address + prefix)}</code>, "
            f'and as its key {key}. The whole description, for generators of clients: <a href="/openapi.json">openapi.json</a>.</p>'
        )
        test = self._connector.manifest.connection.test
        operation = self._connector.catalog[test.action].operation if test and test.action in self._connector.catalog else None
        if operation and operation.method == "GET" and "{" not in operation.path:
            yield f"<pre tabindex=0>{escape(f'curl {address}{operation.path}{self._token}')}</pre>"

    def _groups(self) -> Iterator[str]:
        catalog = self._connector.catalog
        for group in catalog.groups:
            actions = [action for action in catalog.values() if action.group.id == group.id]
            note = f"{len(actions)} \u00b7 {group.help}" if group.help else f"{len(actions)}"
            yield f"<details><summary>{escape(group.title)}<span class=dim>{escape(note)}</span></summary><ul>"
            yield from map(_row, actions)
            yield "</ul></details>"

    def _found(self, search: str) -> Iterator[str]:
        things = search_catalog(self._connector, search)
        yield f"<h2>{len(things)} found</h2><ul>" if things else "<p>Nothing has all of these words. Try fewer.</p>"
        yield from (_task(thing) if isinstance(thing, TaskInfo) else _row(thing) for thing in things)
        yield "</ul>" if things else ""

    def _of_action(self, address: str, key: str) -> bytes:
        action = self._connector.catalog[key]
        if key not in list(self._connector.catalog):
            raise UnknownActionError("No action has this id.")
        parts = [
            f'<p><a href="/docs">All actions</a></p><h1>{escape(action.title)}</h1><p>{escape(action.summary)}</p>',
            f"<p>{_where(action)}<br><code class=dim>{escape(action.id)}</code></p>",
            *self._example(address, action),
            *_form(self._connector.forms[action.id].fields),
        ]
        return document(f"{action.title}: {self._connector.manifest.title}", *parts)

    def _example(self, address: str, action: Action) -> Iterator[str]:
        """A call that the service takes, as the builders' path writes it, which is alike for every action."""
        if not self._catalog:
            return
        try:
            inputs = self._connector.forms[action.id].sample()
        except ConnectorError:
            return
        body = shlex.quote(json.dumps({"inputs": _short(inputs)}, ensure_ascii=False))
        command = f"curl {address}/kosha/v1/actions/{quote(action.id)}/run{self._token} \\\n  -H 'Content-Type: application/json' -d {body}"
        yield f"<pre tabindex=0>{escape(command)}</pre>"


def _search_form(search: str) -> str:
    given = escape(search[:_LONGEST], quote=True)
    return (
        f'<form action="/docs" method="get" role="search"><label for="search">Search</label>'
        f'<input id="search" name="search" type="search" value="{given}" placeholder="transcription"> <button>Search</button></form>'
    )


def _form(fields: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The action's form as a table: what each field is called, takes and does."""
    shown = [field for field in fields if field["visibility"] != "internal"]
    if not shown:
        yield "<p>It takes no inputs.</p>"
        return
    yield "<h2>Inputs</h2><table><tr><th>Field<th>Takes<th>What it is</tr>"
    for field in shown:
        needed = "<i>needed</i>" if field["required"] else ""
        yield (
            f"<tr><td>{escape(field['label'])}{needed}<br><code class=dim>{escape(field['name'])}</code>"
            f"<td>{escape(_takes(field))}<td>{_help(field.get('help', ''))}</tr>"
        )
    yield "</table>"


def _help(text: str) -> str:
    """A help of a form, which is CommonMark, as HTML: its code as code, all else as text."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))


def _takes(field: Mapping[str, Any]) -> str:
    words = [field["widget"]]
    labels = [option["label"] for option in field.get("enum", ())]
    if labels:
        words.append(", ".join(labels[:_NAMED]) + (", \u2026" if len(labels) > _NAMED or field.get("open") else ""))
    words += [f"{word} {field[bound]:g}" for bound, word in (("minimum", "from"), ("maximum", "to")) if field.get(bound) is not None]
    return " \u00b7 ".join([*words, *([field["units"]] if "units" in field else [])])


def _short(value: Any) -> Any:
    """A sample without the bytes of its files."""
    if isinstance(value, str) and value.startswith("data:") and len(value) > 80:  # noqa: PLR2004
        return value[: value.index(",") + 1] + "..."
    if isinstance(value, Mapping):
        return {name: _short(part) for name, part in value.items()}
    return [_short(part) for part in value] if isinstance(value, list) else value


def _prefix(connector: Connector) -> str:
    """The segment with which all paths begin, such as ``/v1``; "" where they have none in common."""
    firsts = {action.operation.path.split("/")[1] for action in connector.catalog.values()}
    return f"/{firsts.pop()}" if len(firsts) == 1 else ""


def _hints(action: Action) -> str:
    return "".join(f"<i>{word}</i>" for word in action.hints.words)


def _where(action: Action) -> str:
    return f"<b class=m>{action.operation.method}</b><code>{escape(action.operation.path)}</code>{_hints(action)}"


def _row(action: Action) -> str:
    link = f'<a href="/docs?action={quote(action.id)}">{escape(action.title)}</a>'
    return f"<li>{_where(action)}<br>{link} <code class=dim>{escape(action.id)}</code><br>{escape(action.summary)}</li>"


def _task(task: TaskInfo) -> str:
    link = f'<a href="/docs?action={quote(task.action)}">{escape(task.action)}</a>'
    where = f"<b class=m>TASK</b><code>/kosha/v1/tasks/{escape(task.name)}</code>"
    return f"<li>{where}<br>{escape(task.title)} <span class=dim>runs {link}</span><br>{escape(task.summary)}</li>"
