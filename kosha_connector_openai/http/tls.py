"""TLS of a connection: verified, 1.2 or newer, with the operator's authorities and client certificate, nothing from the environment."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from kosha_connector_openai.errors import SetupError

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ANY: Final = stat.S_IRWXG | stat.S_IRWXO


def tls_context(
    ca_file: Path | None = None, client_cert: Path | None = None, client_key: Path | None = None, *, mounts: Sequence[Path] = ()
) -> ssl.SSLContext:
    """Returns the context for one connection's sockets; raises SetupError, which names the argument, for a file that cannot be used.

    Without ``ca_file`` the public authorities are trusted. Below ``mounts`` others than the owner may read a key: the platform, which puts
    secrets there, decides who can.
    """
    try:
        # Not create_default_context: it writes the session's keys to the file that SSLKEYLOGFILE names.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca_file or _bundled())
    except OSError as error:
        raise SetupError(
            "The CA file cannot be loaded.", hint=f"Check it: {error.strerror or 'no certificate'}.", pointer="/ca_file"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_cert is not None:
        _load_own(context, client_cert, client_key, mounts)
    return context


def _bundled() -> Path:
    import certifi

    return Path(certifi.where())


def _load_own(context: ssl.SSLContext, cert: Path, key: Path | None, mounts: Sequence[Path]) -> None:
    """The client certificate; where no key file is named, its file holds the key too."""
    if key is not None:
        _check(cert, "/client_cert", mounts, holds_key=False)
    _check(key or cert, "/client_key" if key else "/client_cert", mounts, holds_key=True)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError:
        failure = SetupError("The client certificate and its key cannot be used.", hint=_PEM, pointer="/client_cert")
    except OSError as error:
        failure = SetupError("The client certificate cannot be read.", hint=f"Check it: {error.strerror}.", pointer="/client_cert")
    else:
        return
    raise failure


_PEM: Final = "Both are PEM files, the certificate first and then its chain, and the key is the certificate's own."


def _no_password() -> NoReturn:
    # Without this, OpenSSL would ask the terminal.
    raise SetupError("The client certificate's key has a password.", hint="Give a key file without one, mode 600.", pointer="/client_key")


def _check(path: Path, pointer: str, mounts: Sequence[Path], *, holds_key: bool) -> None:
    """Raises SetupError for what is no readable file, and for a key that others than its owner could use."""
    what = "client certificate's key" if pointer == "/client_key" else "client certificate"
    try:
        with path.open("rb") as file:  # the check is of the opened file
            status = os.fstat(file.fileno())
    except OSError as error:
        raise SetupError(f"The {what} cannot be read.", hint=f"Check it: {error.strerror}.", pointer=pointer) from None
    if not stat.S_ISREG(status.st_mode):
        raise SetupError(f"The {what} is not a regular file.", hint="Name a PEM file.", pointer=pointer)
    mounted = any(path.is_relative_to(mount) for mount in mounts)
    loose = _OTHERS_WRITE if mounted or not holds_key else _OTHERS_ANY
    if os.name == "posix" and status.st_mode & loose:
        raise SetupError(f"The {what} can be used by others than its owner.", hint="Run: chmod 600 on the file.", pointer=pointer)
