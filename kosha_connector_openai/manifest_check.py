"""A whole manifest checked: every part against its schema, and every name in them against what it must be a name of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from kosha_connector_openai.core.actions import EXTRA_BODY, Catalog
from kosha_connector_openai.core.connection import SCHEMES, described_place
from kosha_connector_openai.errors import ConnectorError, Fault, ManifestError, SetupError
from kosha_connector_openai.manifest import MANIFEST, AuthRule, Manifest, Part, PartName, file_in, read_part
from kosha_connector_openai.manifest.parts import PARTS
from kosha_connector_openai.openapi import Document, read_document
from kosha_connector_openai.schema import safe
from kosha_connector_openai.text import TextLines, nearest, to_pointer

# In a path `*` stands for any key or place, and a `~` at the end for the keys themselves. In the path of an input's action each `*` is
# what it was in the path before; a lone `*` is the action itself.
_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "manifest": ("/connection/test/action", "/actions/*/replacement"),
    "forms": ("/core/*", "/actions/~"),
    "jobs": (
        *(
            f"/kinds/*/{name}"
            for name in ("start/~", "status", "events", "cancel", "proceed", "lookup/action", "result/action", "result/download")
        ),
        *(f"/uploads/*/{name}" for name in ("create", "part", "finish", "cancel", "lookup")),
        "/batches/*/file/action",
        "/batches/*/items/~",
    ),
    "models": ("/families/*/actions/*", "/rules/*/actions/*"),
    "outputs": ("/actions/~", "/singles/~", "/tables/~", "/bounds/~"),
    "paging": ("/lists/~",),
    "pickers": ("/pickers/*/action", "/fields/*/actions/*"),
    "tasks": ("/tasks/*/action",),
    "triggers": ("/events/*/fetch/action", "/events/*/answers/*/action", "/polls/*/list"),
}
_INPUTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "manifest": (("/connection/test/inputs/~", "/connection/test/action"), ("/actions/*/fields/~", "*")),
    "forms": tuple((f"/actions/*/{name}", "*") for name in ("main/*", "options/*", "advanced/*", "fields/~")),
    "jobs": (
        ("/kinds/*/start/*/refuse/*", "/kinds/*/start/~"),
        ("/kinds/*/start/*/when", "/kinds/*/start/~"),
        ("/kinds/*/lookup/mark", "/kinds/*/start/~"),
        ("/kinds/*/result/inputs/~", "/kinds/*/result/action"),
        ("/kinds/*/result/input", "/kinds/*/result/download"),
        ("/uploads/*/facts/~", "/uploads/*/create"),
        ("/uploads/*/data", "/uploads/*/part"),
        ("/uploads/*/order", "/uploads/*/finish"),
        ("/uploads/*/md5", "/uploads/*/finish"),
        ("/batches/*/file/data", "/batches/*/file/action"),
        ("/batches/*/file/inputs/~", "/batches/*/file/action"),
    ),
    "models": (("/rules/*/field", "/rules/*/actions/*"),),
    "pickers": (("/pickers/*/inputs/~", "/pickers/*/action"), ("/pickers/*/take/~", "/pickers/*/action")),
    "tasks": (("/tasks/*/request/~", "/tasks/*/action"),),
    "triggers": (
        *(
            (f"/events/*/{place}/{name}", f"/events/*/{place}/action")
            for place in ("fetch", "answers/*")
            for name in ("inputs/~", "needs/*")
        ),
        ("/polls/*/inputs/~", "/polls/*/list"),
        ("/polls/*/needs/*", "/polls/*/list"),
    ),
}
_NAMES: Final[Mapping[str, tuple[tuple[str, PartName, str], ...]]] = {
    "forms": tuple((path, "pickers", "/pickers/~") for path in (
        "/fields/*/picker", "/inputs/*/picker", "/shapes/*/fields/*/picker", "/actions/*/fields/*/picker")),
    "jobs": (("/batches/~", "jobs", "/kinds/~"), ("/batches/*/file/parts", "jobs", "/uploads/~")),
    "models": tuple((f"/{name}/*/source", "models", "/sources/~") for name in ("families", "rules", "retirements")),
    "outputs": (("/actions/*", "outputs", "/shapes/~"), ("/singles/*", "outputs", "/records/~"), ("/tables/*", "outputs", "/records/~")),
    "paging": (("/lists/*/form", "paging", "/forms/~"),),
    "pickers": (("/fields/*/picker", "pickers", "/pickers/~"),),
    "triggers": (
        ("/events/*/data", "triggers", "/schemas/~"), ("/events/*/job", "jobs", "/kinds/~"), ("/polls/~", "jobs", "/kinds/~"),
    ),
}  # fmt: skip
_WORDS: Final = {"action": "No action has this id.", "input": "The action has no such input.", "name": "Nothing has this name."}


P = TypeVar("P", bound=Part)


@dataclass(frozen=True, slots=True)
class FileFault:
    """A fault and the file, as the folder names it, in which its pointer stands."""

    file: str
    fault: Fault


class ManifestCheck:
    """The check of one folder's manifest; the folder need not be that of an open connector."""

    def __init__(self, folder: Path, manifest: Manifest, *, file: str = MANIFEST) -> None:
        """``file`` is what the manifest's own file is called."""
        self._folder = folder
        self._manifest = manifest
        self._file = file

    def faults(self) -> Iterator[FileFault]:
        """Every fault: of each part's schema, of the description, and of names that are no names. Never raises ConnectorError.

        Where the description is not there yet (``described``), only the schemas can be checked.
        """
        yield from self._read[1]
        if not self.described:
            return
        try:
            catalog = self._catalog
            lost = catalog.faults()
        except ConnectorError as error:
            yield FileFault(self._manifest.spec.file, Fault("", error.code, error.message, error.hint))
            return
        own = self._manifest.spec.file
        for fault in (*lost, *catalog.document.notes()):
            of_manifest = fault.pointer.startswith("/actions/")
            yield FileFault(self._file, fault) if of_manifest else FileFault(own, self._with_line(fault))
        yield from (FileFault(self._file, fault) for fault in auth_faults(self._manifest, catalog.document))
        for part, values in self._values.items():
            for pointer, fault in self._wrong(part, values, catalog):
                yield self._at(part, pointer, fault)

    def _with_line(self, fault: Fault) -> Fault:
        """The fault with the line of the description on which its place begins."""
        return replace(fault, message=f"{fault.message} (Line {self._lines.at(fault.pointer)}.)")

    @cached_property
    def _lines(self) -> TextLines:
        return TextLines(file_in(self._folder, self._manifest.spec.file, "/spec/file").read_text("utf-8-sig", "replace"))

    @property
    def described(self) -> bool:
        """Whether the description that the manifest names is there."""
        return (self._folder / self._manifest.spec.file).is_file()

    @cached_property
    def _read(self) -> tuple[dict[PartName, Part], list[FileFault]]:
        parts: dict[PartName, Part] = {}
        broken: list[FileFault] = []
        for name, model in PARTS.items():
            try:
                parts[name] = read_part(self._folder, self._manifest.parts.get(name, {}), model, name=name)
            except ManifestError as error:
                found = error.faults or (Fault("", "file", error.message),)
                broken += [self._at(name, fault.pointer, fault) for fault in found]
        return parts, broken

    @cached_property
    def _values(self) -> dict[str, Any]:
        """The manifest and its parts as plain values, those that could be read."""
        values: dict[str, Any] = {name: asdict(part) for name, part in self._read[0].items()}
        return {"manifest": asdict(self._manifest), **values}

    @cached_property
    def _catalog(self) -> Catalog:
        spec = self._manifest.spec
        document = read_document(file_in(self._folder, spec.file, "/spec/file"), sha256=spec.sha256)
        return Catalog(self._manifest, document, self._part)

    def _part(self, name: PartName, model: type[P]) -> P:
        found = self._read[0].get(name)
        return found if isinstance(found, model) else model()

    def _at(self, part: str, pointer: str, fault: Fault) -> FileFault:
        source = {str(name): where for name, where in self._manifest.parts.items()}.get(part)
        if pointer.startswith("/parts/") or source is None:
            return FileFault(self._file, fault)
        if isinstance(source, str):
            return FileFault(source, fault)
        return FileFault(self._file, replace(fault, pointer=f"/parts/{part}{pointer}"))

    def _wrong(self, part: str, values: Any, catalog: Catalog) -> Iterator[tuple[str, Fault]]:
        for path in _ACTIONS.get(part, ()):
            for keys, name in _found(values, path):
                if not _is_among(name, catalog, part):
                    yield _unknown(keys, name, "action", list(catalog))
        for path, owner in _INPUTS.get(part, ()):
            for keys, name in _found(values, path):
                if name.startswith("$"):
                    continue  # a step of a task's tree
                known = list(_inputs(catalog, _owners(values, owner, path, keys)))
                if known and not any(name.removeprefix("/").partition("/")[0] in names for names in known):
                    yield _unknown(keys, name, "input", sorted(set().union(*known) - {EXTRA_BODY}))
        for path, other, among in _NAMES.get(part, ()):
            if other in self._values:
                names = [name for _, name in _found(self._values[other], among)]
                yield from (_unknown(keys, name, "name", names) for keys, name in _found(values, path) if name not in names)


def auth_faults(manifest: Manifest, document: Document) -> Iterator[Fault]:
    """What is wrong with ``auth``: schemes that the description does not have, fields that the form does not have, unfit settings."""
    schemes, fields = document.security_schemes, [entry.name for entry in manifest.connection.fields]
    for name, rule in manifest.auth.items():
        pointer = to_pointer(("auth", name))
        if not rule.any_scheme and name not in schemes:
            near = nearest(name, schemes)
            fix = f"Did you mean `{near}`?" if near else f"It has: {', '.join(schemes) or 'none'}."
            yield Fault(pointer, "unknown", "The description has no security scheme of this name.", fix)
        if rule.scheme not in SCHEMES:
            near = nearest(rule.scheme, SCHEMES)
            yield Fault(
                f"{pointer}/scheme", "unknown", "is no scheme.", f"Did you mean `{near}`?" if near else f"Known: {', '.join(SCHEMES)}."
            )
            continue
        yield from _strange_names(pointer, rule)
        for part, field in rule.fields.items():
            if field not in fields:
                near = nearest(field, fields)
                fix = f"Did you mean `{near}`?" if near else ""
                yield Fault(f"{pointer}/fields/{part}", "unknown", "The connection has no such field.", fix)
        for part in SCHEMES[rule.scheme].parts:
            if part not in rule.fields:
                yield Fault(f"{pointer}/fields", "required", f"lacks {part}.", "Name the connection field that holds it.")
        try:
            described = {} if {"header", "query"} & rule.settings.keys() else described_place(document, name)
            SCHEMES[rule.scheme].check({**described, **dict.fromkeys(rule.fields, "X-Set-By-A-Field"), **rule.settings})
        except SetupError as error:
            yield Fault(f"{pointer}/settings", "setting", error.message, error.hint)
        yield from _misplaced(pointer, rule, schemes.get(name, {}))


def _strange_names(pointer: str, rule: AuthRule) -> Iterator[Fault]:
    """Parts and settings that the scheme does not have: what they hold would go nowhere."""
    scheme = SCHEMES[rule.scheme]
    for place, given, known in (("fields", rule.fields, scheme.names), ("settings", rule.settings, scheme.settings)):
        for name in given:
            if name not in known:
                near = nearest(name, known, shortest=3)
                fix = f"Did you mean `{near}`?" if near else f"It has: {', '.join(known) or 'none'}."
                yield Fault(f"{pointer}/{place}/{name}", "unknown", f"The scheme {rule.scheme} has no such {place[:-1]}.", fix)


def _misplaced(pointer: str, rule: AuthRule, scheme: Mapping[str, Any]) -> Iterator[Fault]:
    """A key that goes elsewhere than the description says."""
    place, key = {"query": "query", "header": "header"}.get(str(scheme.get("in"))), scheme.get("name")
    given = rule.settings.get(place or "")
    said = {"header", "query"} & (rule.settings.keys() | rule.fields.keys())
    if rule.scheme != "api_key" or scheme.get("type") != "apiKey" or not place or place in rule.fields or not said:
        return
    if (given or "").lower() != str(key).lower():
        message = f"The description has the key in the {place}, as {safe(str(key))}."
        yield Fault(f"{pointer}/settings/{place}", "setting", message, f"Write `settings: {{{place}: {safe(str(key))}}}`.")


def _is_among(name: str, catalog: Catalog, part: str) -> bool:
    """Whether a name is that of an action; those of pickers may be patterns."""
    return name in catalog or (part == "pickers" and any(fnmatchcase(key, name) for key in catalog))


def _unknown(keys: tuple[str, ...], name: str, kind: str, names: list[str]) -> tuple[str, Fault]:
    pointer, near = to_pointer(keys), nearest(name, names)
    return pointer, Fault(pointer, "unknown", _WORDS[kind], f"Did you mean `{near}`?" if near else "")


def _inputs(catalog: Catalog, actions: Iterable[str]) -> Iterator[set[str]]:
    """The inputs of each action that can be read; one that is not there has a fault of its own."""
    for action in actions:
        try:
            yield {*catalog[action].inputs.fields, EXTRA_BODY}
        except ConnectorError:
            continue


def _owners(values: Any, owner: str, path: str, keys: tuple[str, ...]) -> list[str]:
    """The ids of the actions to which the input at ``keys`` must belong, to one of them at least."""
    stars = [key for key, segment in zip(keys, _segments(path), strict=True) if segment == "*"]
    if owner == "*":
        return stars[:1]
    filled = [stars.pop(0) if segment == "*" and stars else segment for segment in _segments(owner)]
    return [name for _, name in _found(values, filled)]


def _segments(path: str) -> list[str]:
    return path[1:].split("/")


def _found(values: Any, path: str | list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The texts at a path, each with the keys that lead to it."""
    yield from _walk(values, _segments(path) if isinstance(path, str) else path, ())


def _walk(value: Any, path: list[str], keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not path:
        if isinstance(value, str):
            yield keys, value
        return
    pairs = dict(enumerate(value)) if isinstance(value, (list, tuple)) else value if isinstance(value, Mapping) else {}
    head, rest = path[0], path[1:]
    if head == "~":
        yield from (((*keys, str(key)), str(key)) for key in pairs)
        return
    for key, part in pairs.items():
        if head in ("*", str(key)):
            yield from _walk(part, rest, (*keys, str(key)))
