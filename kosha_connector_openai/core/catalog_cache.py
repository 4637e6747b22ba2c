"""The catalogs of one connector: that of its own description, and those of the descriptions that connections name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.core.connection import Options
from kosha_connector_openai.core.request import open_path
from kosha_connector_openai.errors import DocumentError, Fault, SetupError
from kosha_connector_openai.manifest import Manifest, file_in
from kosha_connector_openai.openapi import MAX_BYTES, REFRESHED, Document, parse_document, read_document, read_refreshed

_POINTER = "/spec"


class Catalogs:
    """Reads each description once, and keeps it in memory for as long as the connector is open: none is swapped under a running process."""

    def __init__(
        self, folder: Path, manifest: Manifest, fetch: Callable[[str, Options], bytes], make: Callable[[Document], Catalog]
    ) -> None:
        """``fetch`` gives what is at a URL; ``make`` lays the manifest's overlay over a description."""
        self._folder = folder
        self._spec = manifest.spec
        self._id = manifest.id
        self._fetch = fetch
        self._make = make
        self._lock = Lock()
        self._named: dict[tuple[str, str | None], Catalog] = {}

    @cached_property
    def own(self) -> Catalog:
        """The connector's own. Raises DocumentError where the description as a whole cannot be read."""
        return self._make(read_document(file_in(self._folder, self._spec.file, "/spec/file"), sha256=self._spec.sha256))

    def ready(self, options: Options) -> bool:
        """Whether ``of`` answers at once, so that an event loop may ask."""
        return options.spec is None or self._key(options) in self._named

    def of(self, options: Options) -> Catalog:
        """The catalog for a connection with these options. Raises DocumentError, SetupError, OriginError."""
        if options.spec is None:
            return self.own
        with self._lock:
            key = self._key(options)
            if key not in self._named:
                self._named[key] = self._make(self._read(options.spec, options))
            return self._named[key]

    @staticmethod
    def _key(options: Options) -> tuple[str, str | None]:
        return options.spec or "", options.spec_sha256

    def _read(self, source: str, options: Options) -> Document:
        remote = is_url(source)
        if remote and not options.spec_url:
            fault = Fault(_POINTER, "url", "is a URL.", "Name a file, or set the option spec_url.")
            raise SetupError("Descriptions are not fetched unless the operator allows it.", [fault])
        data = read_refreshed(self._id) if source == REFRESHED else self._fetch(source, options) if remote else _load(Path(source))
        digest, name = sha256(data).hexdigest(), (urlsplit(source).path if remote else source).rpartition("/")[2]
        if options.spec_sha256 not in (None, digest):
            hint = "Review the change, then write the new digest as spec_sha256."
            raise DocumentError(
                f"{name} is not the description that was pinned: its SHA-256 is {digest}.", hint=hint, pointer="/spec_sha256"
            )
        return parse_document(data, name=name, digest=digest, foreign=True)


def is_url(source: str) -> bool:
    """Whether a description is named by its URL; anything else is a file."""
    return "://" in source


def _load(path: Path) -> bytes:
    try:
        with open_path(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no regular file"
        raise DocumentError(f"{path.name} cannot be read: {reason}.", pointer=_POINTER) from None
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{path.name} is larger than {MAX_BYTES} bytes.", pointer=_POINTER)
    return data
