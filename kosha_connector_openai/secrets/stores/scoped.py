"""A store of which each tenant sees its own part: references outside a tenant's list are refused before the store is asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from kosha_connector_openai.errors import SecretRefusedError, SetupError
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStore

_ENTRY: Final = re.compile(r"[^*]+[/_]\*|[^*]*[^*/_]")


class Scoped:
    """Another store, limited by tenant. The tenant is the host's word in the context, never an input."""

    def __init__(self, store: SecretStore, tenants: Mapping[str, Collection[str]]) -> None:
        """``tenants``: whole places, and beginnings such as ``kv/team-a/*`` or ``TEAM_A_*``; who is not listed gets nothing.

        Raises SetupError for a beginning that does not end at ``/`` or ``_``: ``team-a*`` would cover ``team-ab``.
        """
        entries = [entry for listed in tenants.values() for entry in ([""] if isinstance(listed, str) else listed)]
        if not all(map(_ENTRY.fullmatch, entries)):
            raise SetupError("A tenant's list holds whole places, and beginnings such as team/* and TEAM_*.")
        self._store = store
        self._tenants = {tenant: tuple(sorted(listed)) for tenant, listed in tenants.items()}
        self.scheme = store.scheme
        self.immediate = bool(getattr(store, "immediate", False))
        self.slow = bool(getattr(store, "slow", False))

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """What the store gives. Raises SecretRefusedError for a place that is not on the tenant's list."""
        SecretReference.parse(str(reference))  # a record made by hand may climb
        listed = self._tenants.get(context.tenant, ())
        if not any(_covers(entry, reference) for entry in listed):
            raise SecretRefusedError("This tenant may not read this secret.", hint=f"Allowed: {', '.join(listed) or 'none'}.")
        return self._store.read(reference, context)


def _covers(entry: str, reference: SecretReference) -> bool:
    if entry.endswith("*"):
        return reference.locator.startswith(entry[:-1]) and len(reference.locator) >= len(entry)
    return entry in (reference.locator, f"{reference.locator}#{reference.field}")
