"""Secret places: where the command line keeps a secret for the user, in the keyring or in a file, and how it is written there."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Literal

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SecretMissingError, SetupError
from kosha_connector_openai.secrets import Secret, SecretContext, SecretReference
from kosha_connector_openai.secrets.stores import SERVICE, KeyringStore
from kosha_connector_openai.text import install
from kosha_connector_openai.trusted_files import home

StoreName = Literal["keyring", "file"]


def place(connector: Connector, store: StoreName, name: str) -> SecretReference:
    """Where a secret will be kept; raises SetupError where this store cannot keep any."""
    if store == "file":
        return SecretReference.parse(f"file:{home() / 'secrets' / name}")
    if not isinstance(connector.stores.get("keyring"), KeyringStore):
        advice = f"{install('keyring')} Or add --store file."
        raise SetupError("The keyring cannot be used here.", hint=advice)
    return SecretReference.parse(f"keyring:{SERVICE}/{name}")


def _keep_in_keyring(connector: Connector, reference: SecretReference, secret: Secret, *, force: bool) -> None:
    store = connector.stores["keyring"]
    assert isinstance(store, KeyringStore)
    if not force and _is_kept(connector, reference):
        raise SetupError("The keyring has a secret of this name.", hint="Choose another name, or add --force to replace it.")
    store.write(reference, secret)


def _is_kept(connector: Connector, reference: SecretReference) -> bool:
    try:
        return bool(connector.stores.resolve(reference, SecretContext()))
    except SecretMissingError:
        return False


def keep(connector: Connector, reference: SecretReference, secret: Secret, *, force: bool = False) -> None:
    """Writes a secret where ``place`` said; raises SetupError where one is there and ``force`` is not set."""
    if reference.scheme == "file":
        save(Path(reference.locator), secret.reveal(), force=force)
    else:
        _keep_in_keyring(connector, reference, secret, force=force)


def drop(name: str) -> bool:
    """Deletes the file of a secret that ``keep`` wrote; False where there is none."""
    path = home() / "secrets" / name
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        return True
    return False


def save(path: Path, text: str, *, force: bool) -> None:
    """Writes a file for its owner alone, whole or not at all; folders that are made are the owner's, too."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    reason = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _write(part, text)
            # A hard link fails where the file exists, which a rename does not.
            part.replace(path) if force else path.hardlink_to(part)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        exists = isinstance(error, FileExistsError) and path.exists()
        reason = "exists. Choose another name, or add --force to replace it." if exists else f"cannot be written: {error.strerror}."
    if reason:
        raise SetupError(f"The file {path} {reason}")


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
