"""What a field is offered: an action, a field and what is filled in so far come in; options go out, live, kept, or as a fallback.

It never raises for a list that cannot be had: the answer says why, and offers what is known anyway. Any text is accepted besides.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.errors import ConnectorError, InputError
from kosha_connector_openai.flows.driving import Run, Steps, adrive, drive
from kosha_connector_openai.flows.paging import PagingOptions, Walk
from kosha_connector_openai.flows.picker_items import PickerItem, described, fits, read, searched, written
from kosha_connector_openai.forms import PickerNames
from kosha_connector_openai.http import parse_server
from kosha_connector_openai.manifest.parts import Picker, Pickers
from kosha_connector_openai.text import find, nearest

Source = Literal["live", "kept", "described", "none"]
_MOST_KEPT: Final = 1_000
"""Lists kept at a time; the oldest goes first."""
_CALL: Final = CallOptions(timeout=20, attempts=1)
"""A person waits for a list of options, so a failure is told at once; they may ask again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a list could not be had, or not whole: the error's code, its status and category, its words, and what to do."""

    code: str
    message: str
    hint: str = ""
    status: int | None = None
    category: str | None = None
    retryable: bool | None = None


@dataclass(frozen=True, slots=True)
class PickerOptions:
    """What a field is offered. ``source`` says whether it is fresh, kept, or only what was known on ``as_of``; ``more`` that the list goes
    on."""

    picker: str
    options: tuple[PickerItem, ...]
    source: Source
    problem: Problem | None = None
    as_of: str | None = None
    more: bool = False
    needs: tuple[str, ...] = ()
    """Fields that must be filled in first."""
    free_text: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {**asdict(self), "options": [{**asdict(option), "label": option.label or option.value} for option in self.options]}


@dataclass(slots=True)
class _Listed:
    """Items as options, before a model's or a search's filter; and how the list ended."""

    options: list[PickerItem]
    more: bool = False
    problem: Problem | None = None
    until: float = 0.0


class OptionLists:
    """The pickers of one connector, with what they found, kept for each connection and tenant. Safe to share between threads."""

    def __init__(self, connector: Connector, *, catalog: Catalog | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``catalog`` has the actions where there is no connection that names them. Raises ManifestError where the part cannot be read."""
        self._connector = connector
        self._part = connector.part("pickers", Pickers)
        self._names = PickerNames(self._part.fields)
        self._catalog = catalog
        self._clock = clock
        self._kept: dict[tuple[object, ...], _Listed] = {}
        self._lock = threading.Lock()

    def _actions(self, connection: Connection | None) -> Catalog:
        return self._catalog if connection is None and self._catalog else self._connector.catalog_of(connection)

    def picker(self, action: str, name: str, connection: Connection | None = None) -> str | None:
        """The picker of a field, by its own name where it lies in an object, or None. Raises InputError for no such action or field."""
        fields = self._actions(connection)[action].inputs.fields
        found = self._names.get(action, name)
        if name not in fields and found is None:
            near = nearest(name, fields)
            raise InputError("The action has no such field.", hint=f"Did you mean `{near}`?" if near else f"Fields: {', '.join(fields)}.")
        return found

    def fields(self, action: str, connection: Connection | None = None) -> dict[str, str]:
        """The fields of an action that have a picker, and which."""
        fields = self._actions(connection)[action].inputs.fields
        found = ((name, self.picker(action, name, connection)) for name in fields)
        return {name: picker for name, picker in found if picker is not None}

    def get(
        self,
        action: str,
        name: str,
        connection: Connection | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        search: str = "",
        fresh: bool = False,
    ) -> PickerOptions:
        """The options of a field; ``inputs`` are the other fields so far, ``fresh`` asks again. Raises InputError for no such field.

        Without a connection there is what needs no call.
        """
        return drive(self._steps(action, name, connection, inputs or {}, search, fresh), self._connector, connection)  # type: ignore[arg-type]

    async def aget(
        self,
        action: str,
        name: str,
        connection: Connection | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        search: str = "",
        fresh: bool = False,
    ) -> PickerOptions:
        """``get`` for asyncio."""
        steps = self._steps(action, name, connection, inputs or {}, search, fresh)
        return await adrive(steps, self._connector, connection)  # type: ignore[arg-type]

    def forget(self) -> None:
        """Removes every list from the cache."""
        with self._lock:
            self._kept.clear()

    def _steps(
        self, action: str, name: str, connection: Connection | None, inputs: Mapping[str, Any], search: str, fresh: bool
    ) -> Steps[PickerOptions]:
        key = self.picker(action, name, connection)
        named = described(self._actions(connection)[action].input_schema, name)
        takes = self._connector.models.allowed(action, name, inputs)
        if takes is not None:
            named = [option for option in named if fits(option.value, [str(value) for value in takes])] or named
        if key is None:
            return self._options("", named, None, "described" if named else "none", action, search, connection)
        picker = self._part.pickers[key]
        fallback = [*(named if picker.fallback.described else ()), *written(picker)]
        if picker.action is None:
            return self._options(key, fallback, None, "described", action, search, connection)
        needs = tuple(sibling for sibling in picker.take.values() if inputs.get(sibling) in (None, ""))
        if needs or connection is None:
            problem = _needs(needs) if needs else Problem("connection", "There is no connection to ask.", "Set one up.")
            return self._options(key, fallback, _Listed([], problem=problem), "described", action, search, connection, needs)
        taken = {name: inputs[sibling] for name, sibling in picker.take.items()}
        place = (key, repr(sorted(taken.items())), *_identity(connection))
        kept = None if fresh else self._find(place)
        listed = kept or (yield from self._list(picker, {**picker.inputs, **taken}, connection))
        if listed.problem is None:
            self._keep(place, listed, picker.cache)
        if listed.problem is not None and not listed.options:
            return self._options(key, fallback, listed, "described" if fallback else "none", action, search, connection)
        return self._options(key, listed.options, listed, "kept" if kept else "live", action, search, connection)

    def _list(self, picker: Picker, inputs: Mapping[str, Any], connection: Connection) -> Steps[_Listed]:
        """All items of the list, up to the picker's limit; what came before an error is kept."""
        found = _Listed([])
        try:
            action = str(picker.action)
            if self._actions(connection)[action].paging is None:
                result = yield Run(action, inputs, _CALL)
                found.options = read(picker, find(result.value, picker.items))
                return found
            options, items = PagingOptions(items=picker.most, call=_CALL), []
            walk = Walk(self._connector, action, inputs, options, connection=connection)
            while not walk.finished:
                wanted, call = walk.wanted()
                items += walk.take((yield Run(walk.action, wanted, call))).items
                found.options = read(picker, items)
            found.more = walk.stopped is not None
        except ConnectorError as error:
            found.problem, found.more = _problem(error), True
        return found

    def _options(
        self,
        key: str,
        options: Sequence[PickerItem],
        listed: _Listed | None,
        source: Source,
        action: str,
        search: str,
        connection: Connection | None,
        needs: tuple[str, ...] = (),
    ) -> PickerOptions:
        picker = self._part.pickers.get(key)
        if picker is not None and picker.models and not (self._is_elsewhere(connection) and self._has_strangers(action, options)):
            options = self._serving(action, options)
        date = (picker.fallback.date if picker else None) or self._part.described
        return PickerOptions(
            picker=key,
            options=searched(options, search),
            source=source,
            problem=listed.problem if listed else None,
            as_of=date.isoformat() if date and source == "described" else None,
            more=bool(listed and listed.more),
            needs=needs,
        )

    def _serving(self, action: str, options: Sequence[PickerItem]) -> list[PickerItem]:
        """Returns the options without models that are known for other actions; models that nothing is known of come last."""
        rules = self._connector.models
        if not rules.families(action):
            return list(options)
        known = [option for option in options if rules.serves(option.value, action)]
        unknown = [PickerItem(o.value, o.label, o.about, known=False) for o in options if rules.serves(o.value, action) is None]
        return known + unknown

    def _is_elsewhere(self, connection: Connection | None) -> bool:
        """Whether a connection goes to another server than the connector's own: what its models do, nobody knows."""
        home = self._connector.manifest.servers.default
        return connection is not None and (home is None or connection.server.origin != parse_server(home).origin)

    def _has_strangers(self, action: str, options: Sequence[PickerItem]) -> bool:
        """Whether a list names a model that nothing is known of. One of known models alone is the provider's, such as the sandbox's."""
        return any(self._connector.models.serves(option.value, action) is None for option in options)

    def _find(self, place: tuple[object, ...]) -> _Listed | None:
        with self._lock:
            listed = self._kept.get(place)
            return listed if listed is not None and self._clock() < listed.until else None

    def _keep(self, place: tuple[object, ...], listed: _Listed, seconds: float) -> None:
        if listed.until or not seconds:
            return
        listed.until = self._clock() + seconds
        with self._lock:
            self._kept.pop(place, None)
            self._kept[place] = listed
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]


def _identity(connection: Connection) -> tuple[object, ...]:
    """What two connections must have in common to see the same lists: tenant, server, description, credential references, headers."""
    credentials = sorted(
        (name, credential.scheme, sorted((part, str(reference)) for part, reference in credential.references.items()))
        for name, credential in connection.credentials.items()
    )
    options = connection.options
    return (options.tenant, options.spec, options.spec_sha256, repr(connection.server), repr(credentials), connection.headers)


def _needs(fields: Sequence[str]) -> Problem:
    names = " and ".join(f"`{name}`" for name in fields)
    return Problem("needs", f"The list depends on {names}.", f"Fill in {names} first.")


def _problem(error: ConnectorError) -> Problem:
    return Problem(
        code=error.code,
        message=error.message,
        hint=error.hint,
        status=getattr(error, "status", None),
        category=getattr(error, "category", None),
        retryable=error.retryable,
    )
