"""A certificate authority for one test run, made with the ``openssl`` command, and upstreams that speak TLS with what it signs."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.recorder import Recorder, Script

_NAMES = "subjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost,DNS:flip.example"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Authority:
    """Files in one folder: ``ca.pem`` is what a client may trust; each certificate is ``NAME.pem`` with its key."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Two authorities, one of them trusted by nobody, and one certificate of each kind."""
        made = cls(folder)
        for name in ("ca", "stranger"):
            _openssl(folder, "req", "-x509", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}")
        made._sign("good")
        made._sign("wrong-name", names="subjectAltName=DNS:other.invalid")
        made._sign("no-name", names="basicConstraints=CA:FALSE")
        made._sign("unknown", signer="stranger")
        made._sign("expired", days="-1")
        _openssl(folder, "req", "-x509", *_KEY, "-keyout", "own.key", "-out", "own.crt", "-days", "2", "-subj", "/CN=x", "-addext", _NAMES)
        made._join("own")
        return made

    @property
    def file(self) -> Path:
        """The trusted authority's certificate."""
        return self.folder / "ca.pem"

    def client(self, name: str, *, signer: str = "ca") -> tuple[Path, Path]:
        """A certificate for a client and its key, which only this user may read."""
        self._sign(name, signer=signer, names="extendedKeyUsage=clientAuth")
        for kind in ("crt", "key", "chain"):
            (self.folder / f"{name}.{kind}").chmod(0o600)
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def demanding(self, name: str) -> ssl.SSLContext:
        """A server's context that asks for a client's certificate of the trusted authority."""
        context = self.context(name)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.file)
        return context

    def context(self, name: str) -> ssl.SSLContext:
        """A server's context with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.chain")
        return context

    def _sign(self, name: str, *, signer: str = "ca", names: str = _NAMES, days: str = "2") -> None:
        (self.folder / f"{name}.ext").write_text(names)
        _openssl(self.folder, "req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=localhost")
        with_authority = ("-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        _openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", *with_authority, "-days", days, "-out", f"{name}.crt")
        self._join(name)

    def _join(self, name: str) -> None:
        chain = (self.folder / f"{name}.crt").read_text() + (self.folder / f"{name}.key").read_text()
        (self.folder / f"{name}.chain").write_text(chain)


class SecureRecorder(Recorder):
    """A recorder behind TLS, on an address of its own; a request is recorded only after a handshake."""

    def __init__(self, context: ssl.SSLContext, *scripts: Script, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(*scripts)
        self._server.close()
        self._server = socket.create_server((host, port), backlog=16)
        self._context = context

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    @property
    def url(self) -> str:
        """Its https address."""
        return f"https://{self._server.getsockname()[0]}:{self.port}"

    def _serve(self, connection: socket.socket) -> None:
        try:
            secure = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        super()._serve(secure)
