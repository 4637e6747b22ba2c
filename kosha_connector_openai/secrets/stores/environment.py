"""``env:NAME``: secrets in environment variables, of which only listed ones are read."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Final

from kosha_connector_openai.errors import SecretMissingError, SecretRefusedError, SetupError
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret
from kosha_connector_openai.secrets.store import SecretContext

_PATTERN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:_\*)?")


class EnvironmentStore:
    """Reads the process environment at the time of each call, and only names on its list."""

    scheme: Final = "env"
    immediate: Final = True

    def __init__(self, allowed: Collection[str], environ: Mapping[str, str] | None = None) -> None:
        """``allowed`` holds names and prefixes such as ``TEAM_*``; raises SetupError for anything else."""
        names = () if isinstance(allowed, str) else tuple(allowed)
        if isinstance(allowed, str) or not all(map(_PATTERN.fullmatch, names)):
            raise SetupError("The list of environment variables holds names and prefixes such as TEAM_*.")
        self._allowed = tuple(sorted(names))
        self._environ = environ
        self._kept: dict[str, Secret] = {}

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The variable's value. Raises SecretRefusedError if not listed, SecretMissingError if not set."""
        name = reference.locator
        if reference.field is None and self._is_kept(name):
            return self._kept[name]
        if reference.field is not None or not any(_covers(pattern, name) for pattern in self._allowed):
            listed = ", ".join(self._allowed) or "none"
            raise SecretRefusedError("This environment variable may not be read here.", hint=f"Allowed: {listed}.")
        if self._get(name) is None:
            raise SecretMissingError(f"The environment variable {name} is not set.", hint=f"Set {name} and start again.")
        self._kept[name] = check_secret(self._get(name) or "", str(reference))
        return self._kept[name]

    def _is_kept(self, name: str) -> bool:
        """Whether the variable may be read, and still holds what was checked before."""
        return name in self._kept and not self._kept[name].notes and self._kept[name].reveal() == self._get(name)

    # The environment is never bound to a name: error reporters show the variables of frames.
    def _get(self, name: str) -> str | None:
        return (os.environ if self._environ is None else self._environ).get(name)


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) and len(name) >= len(pattern) if pattern.endswith("*") else name == pattern
