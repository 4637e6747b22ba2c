"""The hooks that join a host and its plugins, described in docs/plugins.md. All names start with ``kosha_``; a hook is not wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pluggy

from kosha_connector_openai.secrets import SecretStore

__all__ = ["PROJECT", "hookimpl", "hookspec", "kosha_connectors", "kosha_secret_stores"]

PROJECT = "kosha"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def kosha_connectors() -> Sequence[Path]:  # type: ignore[empty-body]
    """The connectors of a plugin: folders that each hold a ``connector.yaml`` (or Kosha's ``connector_spec.json``) and a description.

    Called once, when a host loads its connectors; five seconds are given. Several plugins: all answers are used, in the order in which
    the host listed the plugins; a second connector with the same id is an error that names both folders.
    """


@hookspec
def kosha_secret_stores() -> Sequence[SecretStore]:  # type: ignore[empty-body]
    """Secret stores of a plugin, each for one scheme of secret references.

    Called once, when a host loads its connectors; five seconds are given. Several plugins: all answers are used; a second store for one
    scheme is an error, and no plugin takes the scheme of a built-in store. A store is asked only for references of its own scheme,
    and sees no other secret.
    """
