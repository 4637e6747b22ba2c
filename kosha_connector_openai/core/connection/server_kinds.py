"""The kind of server that a connection chooses, and what follows from it for the form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.manifest import ConnectionField, Manifest, ServerForm, ServerKind
from kosha_connector_openai.text import nearest

_NONE = ServerKind(title="as described")


def role(manifest: Manifest, name: str) -> ConnectionField | None:
    """The connection field with this role."""
    return next((entry for entry in manifest.connection.fields if entry.role == name), None)


def given_value(entry: ConnectionField, values: Mapping[str, str]) -> str | None:
    """What the values hold for the field, under its name or an earlier one."""
    return next((values[name] for name in (entry.name, *entry.aliases) if values.get(name)), None)


def server_kind_of(manifest: Manifest, values: Mapping[str, str]) -> ServerKind:
    """The kind of server that the values name, or an empty one; raises SetupError for a name that the manifest does not have."""
    entry = role(manifest, "server_kind")
    name = (given_value(entry, values) or entry.default or "").strip() if entry else ""
    if not name or entry is None:
        return _NONE
    found = manifest.servers.kinds.get(name)
    if found is None:
        near = nearest(name, manifest.servers.kinds)
        fix = f"Did you mean `{near}`?" if near else f"Known: {', '.join(manifest.servers.kinds)}."
        raise SetupError("The kind of server is unknown.", [Fault(f"/{entry.name}", "enum", "is no kind of server.", fix)])
    return found


def home(manifest: Manifest, values: Mapping[str, str]) -> str | None:
    """The server that the values lead to: their own, that of the kind of server, or the default one."""
    entry = role(manifest, "server")
    name = entry.name if entry else ""
    return values.get(name) or server_kind_of(manifest, values).values.get(name) or manifest.servers.default


def missing(kind: ServerKind, given: Mapping[str, str]) -> Iterator[Fault]:
    """A fault for each field that this kind of server needs and that is empty; the query of its form needs the fields that fill it."""
    form = kind.form or ServerForm()
    for name in dict.fromkeys((*kind.required, *form.query.values())):
        if name not in given:
            yield Fault(f"/{name}", "required", "is missing.", f"This kind of server ({kind.title}) needs it.")


def idle(manifest: Manifest, given: Mapping[str, str]) -> frozenset[str]:
    """The fields that only other kinds of server use than the one that the values choose."""
    kind = server_kind_of(manifest, given)
    return frozenset().union(*map(_used, manifest.servers.kinds.values())) - _used(kind)


def _used(kind: ServerKind) -> frozenset[str]:
    form = kind.form or ServerForm()
    sources = [source.field for rule in form.paths for source in rule.values.values() if source.field]
    return frozenset((*form.query.values(), *sources))


def merged(manifest: Manifest, found: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    """The environment's values under those that somebody named; naming a kind of server names its values too."""
    entry = role(manifest, "server_kind")
    chosen = server_kind_of(manifest, named).values if entry and given_value(entry, named) else {}
    return {**found, **chosen, **named}
