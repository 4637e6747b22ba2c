"""What a workflow editor draws with, over HTTP: an action's form, samples of what goes in and comes out, and live options of a field.

Each answer is a status and JSON values, as those of the catalog, and only for actions that the caller may know of.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.errors import ConnectorError, UnknownActionError
from kosha_connector_openai.gateway.pages.checked_calls import CheckedCalls
from kosha_connector_openai.gateway.pages.failures import failed, is_object, misshapen
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.pages.run_rights import HiddenError
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.replies import FORBIDDEN, UPSTREAM_KEY, error_shape
from kosha_connector_openai.manifest.parts import Pickers

if TYPE_CHECKING:
    from kosha_connector_openai.flows import OptionLists, PickerOptions


class BuilderApi:
    """The answers of the builder's paths."""

    def __init__(self, calls: CheckedCalls) -> None:
        self._calls = calls
        self._connector = calls.connector
        self._connections = calls.connections
        self._owners = calls.owners

    def form(self, caller: Caller, key: str, *, drawn: bool = False) -> JsonResponse:
        """The form; ``drawn``: as JSON Schema 2020-12 with the uiSchema of react-jsonschema-form."""
        try:
            form = self._connector.forms[self._calls.find(caller, key).id]
            value = {"schema": form.to_json_schema(), "ui_schema": form.to_ui_schema()} if drawn else form.to_dict()
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, value)

    def sample(self, caller: Caller, key: str) -> JsonResponse:
        """Inputs that would be accepted, an answer as it could come, its short result and that result's schema. No call is made."""
        try:
            action = self._calls.find(caller, key).id
            outputs = self._connector.outputs
            raw = outputs.raw_sample(action)
            value = {
                "inputs": self._connector.forms[action].sample(),
                "answer": {"base64": base64.b64encode(raw).decode()} if isinstance(raw, bytes) else raw,
                "result": outputs.sample(action),
                "result_schema": outputs.schema(action),
            }
        except ConnectorError as error:
            return failed(error)
        return JsonResponse(200, value)

    async def options(self, caller: Caller, key: str, field: str, body: Any) -> JsonResponse:
        """What a field is offered; a list that cannot be had whole says why and offers what is known."""
        if not is_object(body, {"inputs", "search"}) or not isinstance(body.get("inputs", {}), Mapping):
            return misshapen("", "The body is an object with maybe `inputs`, an object, and `search`, a text.")
        if not isinstance(body.get("search", ""), str):
            return misshapen("search", "`search` is a text.")
        try:
            action = self._calls.find(caller, key).id
            connection = self._connections[caller.connection]
            await asyncio.to_thread(self._connector.part, "pickers", Pickers)  # read from its file, once
            if self._owners is not None and not self._owners.allows_body(caller, body.get("inputs", {})):
                raise HiddenError("Nothing with this id exists.")
            if not self._may_list(caller, action, field, body.get("inputs", {})):
                return JsonResponse(403, error_shape(FORBIDDEN.message, FORBIDDEN.type, code=FORBIDDEN.code))
            self._calls.count(caller)
            found = await self._lists.aget(action, field, connection, body.get("inputs"), search=body.get("search", ""))
        except ConnectorError as error:
            return failed(error)
        if found.problem is not None and found.problem.status == HTTPStatus.UNAUTHORIZED:
            found = replace(found, problem=replace(found.problem, message=UPSTREAM_KEY.message, hint=""))
        return JsonResponse(200, self._narrowed(caller, found).to_dict())

    def _may_list(self, caller: Caller, action: str, field: str, inputs: Mapping[str, Any]) -> bool:
        """Whether the caller may call the action that lists the options; raises InputError where it may not name what the list is of."""
        picker = self._connector.part("pickers", Pickers).pickers.get(self._lists.picker(action, field) or "")
        if picker is None or picker.action is None:
            return True
        try:
            listing = self._calls.find(caller, picker.action)
        except UnknownActionError:
            return False
        self._calls.rights.guard(caller, listing, {name: inputs[sibling] for name, sibling in picker.take.items() if sibling in inputs})
        return True

    def _narrowed(self, caller: Caller, found: PickerOptions) -> PickerOptions:
        """Where tenants share a connection, the account's lists hold what others made."""
        owners, picker = self._owners, self._connector.part("pickers", Pickers).pickers.get(found.picker)
        if owners is None or picker is None or picker.action is None or not owners.applies_to(caller):
            return found
        action = picker.action
        return replace(found, options=tuple(option for option in found.options if owners.shows(caller, action, option.value)))

    @cached_property
    def _lists(self) -> OptionLists:
        from kosha_connector_openai.flows import OptionLists

        return OptionLists(self._connector)
