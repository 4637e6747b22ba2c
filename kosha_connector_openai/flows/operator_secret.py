"""A secret that an operator names on the command line, or in a program: the DSN of a database, the key of an engine."""

from __future__ import annotations

from pathlib import Path

from kosha_connector_openai.secrets import Secret, SecretContext, SecretReference, SecretStores
from kosha_connector_openai.secrets.stores import default_stores


def operator_secret(text: str) -> Secret:
    """The secret that a reference stands for; who names a variable or a file there may read it. Raises SecretError."""
    reference = SecretReference.parse(text)
    folders = [Path(reference.locator).parent] if reference.scheme == "file" else []
    stores = SecretStores(default_stores([reference.locator] if reference.scheme == "env" else [], folders))
    return stores.resolve(reference, SecretContext())
