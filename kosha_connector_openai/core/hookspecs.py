"""The hooks that join a host and its plugins. All names start with ``kosha_``; an implementation may name only the arguments it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pluggy

from kosha_connector_openai.core.connection.store import SecretStore

PROJECT = "kosha"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def kosha_connectors() -> Sequence[Path]:  # type: ignore[empty-body]
    """The connectors of a plugin: folders that each hold a ``connector.yaml`` and the description it names.

    Called once, when a host loads its connectors. Several plugins: all answers are used; a second connector with the same id is an
    error that names both folders.
    """


@hookspec
def kosha_secret_stores() -> Sequence[SecretStore]:  # type: ignore[empty-body]
    """Secret stores of a plugin, each for one scheme of secret references.

    Called once, when a host loads its connectors, and only for plugins that the host listed by name. Two stores for one scheme are
    an error. A store is asked only for references of its own scheme, and sees no other secret.
    """
