"""What a caller may put into a run: the paths, ids and files of the request as it would be sent; and what is its own after it.

The rules are those of requests that come to the provider's own paths.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core import make_request
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.request import Request, is_cut
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import BudgetError, InputError, UnknownActionError
from kosha_connector_openai.gateway.access import Ownership
from kosha_connector_openai.gateway.exchange import LARGE, Parts, boundary
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.replies import FULL, slash_fault
from kosha_connector_openai.gateway.routes import RouteTable
from kosha_connector_openai.manifest.parts import RelayRules
from kosha_connector_openai.text import essence


class HiddenError(UnknownActionError):
    """An id of another tenant's: the same answer as for one that is missing."""

    code = "not_found"


class RunRights:
    """The checks of runs and options."""

    def __init__(
        self, connector: Connector, connections: Mapping[str, Connection], rules: RelayRules, owners: Ownership | None = None
    ) -> None:
        """``owners`` tells whose ids are whose, where tenants share an account."""
        self._connector = connector
        self._connections = connections
        self._rules = rules
        self._owners = owners

    def resolved(self, caller: Caller, action: Action, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The inputs with the upstream's own cursors in place of ours, once they are known to be the caller's."""
        owners = self._owners
        if owners is None or not owners.narrows(caller, action.id):
            return given
        asked = [(name, value) for name, value in given.items() if isinstance(value, str)]
        if not owners.allows_query(caller, action.id, asked):
            raise HiddenError("Nothing with this id exists.")
        return {**given, **{name: owners.resolve(caller, action.id, value) for name, value in asked}}

    def learn(self, caller: Caller, action: Action, given: Mapping[str, Any], result: Result) -> None:
        """Keeps the ids in the result, and forgets what was deleted."""
        owners = self._owners
        assert owners is not None
        named = {text for text, _ in owners.names.in_value(given)}
        for value in [event.data for event in result.value] if result.kind == "events" else [result.value]:
            owners.learn_value(caller, action.id, value, named, given)
        owners.forget(caller, action.id, _path_values(action, given))

    async def check(self, caller: Caller, action: Action, inputs: Mapping[str, Any]) -> None:
        """``guard``, and the same for the request as it would be sent: its query, its body, the bytes of its files however they came."""
        self.guard(caller, action, inputs)
        owners = self._owners
        if owners is None or not owners.applies_to(caller):
            return
        if owners.is_full(caller, action.id):
            raise BudgetError(FULL.message, cap="objects")
        request = make_request(action, inputs, self._connections[caller.connection])
        size = request.body.length if request.body else 0
        look = partial(self._hides, caller, action, owners, request)
        if await asyncio.to_thread(look) if size is None or size > LARGE else look():
            raise HiddenError("Nothing with this id exists.")

    def guard(self, caller: Caller, action: Action, given: Mapping[str, Any]) -> None:
        """Raises InputError for a path's value that leads elsewhere, UnknownActionError for one that the caller may not name."""
        names = {parameter.name for parameter in action.operation.parameters if parameter.location == "path"}
        cut = [name for name in sorted(names & given.keys()) if is_cut(str(given[name]))]
        if cut and (not set(self._rules.slashes).issuperset(cut) or self._leads_away(caller, action, given)):
            raise InputError("The path cannot be written.", [slash_fault(name) for name in cut])
        if self._owners is not None and not self._owners.allows(caller, action.id, _path_values(action, given)):
            raise HiddenError("Nothing with this id exists.")

    def _leads_away(self, caller: Caller, action: Action, given: Mapping[str, Any]) -> bool:
        """Whether a server that decodes the path could find an operation there that is not the caller's."""
        path = re.sub(r"\{([^{}]+)\}", lambda found: quote(str(given.get(found[1], "")), safe=""), action.operation.path)
        owners = self._owners
        return any(
            not caller.may(other.id) or (owners is not None and not owners.allows(caller, other.id, values))
            for other, values in self._routes.decoded(action.operation.method, path)
        )

    @cached_property
    def _routes(self) -> RouteTable:
        return RouteTable(self._connector.catalog, self._rules.slashes)

    def _hides(self, caller: Caller, action: Action, owners: Ownership, request: Request) -> bool:
        """Whether the request names what is not the caller's; read as one that came to the path itself would be."""
        target = urlsplit(request.target)
        # Whatever the kind of server puts before it, and whatever an input is called: what counts is what goes out.
        found = re.search(re.sub(r"\\\{([^{}]+)\\\}", "([^/]+)", re.escape(request.template)) + r"\Z", target.path)
        names = re.findall(r"\{([^{}]+)\}", request.template)
        if names and (found is None or not owners.allows(caller, action.id, dict(zip(names, map(unquote, found.groups()), strict=True)))):
            return True
        query = [] if owners.narrows(caller, action.id) else parse_qsl(target.query, keep_blank_values=True)
        if not owners.allows_query(caller, action.id, query):
            return True
        body = request.body
        if body is None or not hasattr(body, "chunks"):
            return False
        kind = body.content_type or ""
        if essence(kind).endswith("json"):
            return not owners.allows_body(caller, json.loads(b"".join(body.chunks())))
        scan = owners.scan(caller)
        mark = boundary(kind) if kind.startswith("multipart/") else None
        parts = Parts(mark, permits=partial(owners.allows_fields, caller)) if mark else None
        return any(scan.feed(piece) or (parts is not None and parts.feed(piece) is not None) for piece in body.chunks())


def _path_values(action: Action, given: Mapping[str, Any]) -> dict[str, str]:
    """The inputs that stand in the path, in its order."""
    names = re.findall(r"\{([^{}]+)\}", action.operation.path)
    return {name: str(given[name]) for name in names if name in given}
