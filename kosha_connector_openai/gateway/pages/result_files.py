"""The files in a result: each kept for its caller and given an address, so that nobody has to read base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.core.result import Event, Result, SavedFile
from kosha_connector_openai.outputs import OutputFile, ShortResult, embedded_names, file_name, from_bytes, replaced
from kosha_connector_openai.text import escape

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.gateway.pages.downloads import Downloads

FILES: Final = "/kosha/v1/files"


class NoRoomError(Exception):
    """Too much is kept already."""


class ResultFiles:
    """Makes addresses for the files of one connector's results."""

    def __init__(self, connector: Connector, downloads: Downloads) -> None:
        self._connector = connector
        self._downloads = downloads

    @cached_property
    def _names(self) -> frozenset[str]:
        return embedded_names(self._connector.outputs.part)

    def sheet(self, owner: str, *, bare: bool) -> FileSheet:
        """The files of one answer to ``owner``; ``bare``: an address stands in the place of each file's base64."""
        return FileSheet(self._downloads, self._names, owner, bare=bare)


class FileSheet:
    """The files of one answer: the same bytes are kept once."""

    def __init__(self, downloads: Downloads, names: frozenset[str], owner: str, *, bare: bool) -> None:
        self._downloads = downloads
        self._names = names
        self._owner = owner
        self._bare = bare
        self._known: dict[str, dict[str, Any]] = {}
        self.files: list[dict[str, Any]] = []
        """Each file with its place in the answer, as a JSON Pointer, and its address."""

    def envelope(self, result: Result, short: ShortResult | None = None, *, shown: bool = False) -> dict[str, Any]:
        """The result as JSON-ready values, its files with addresses. ``short`` is its short result, a part of them where ``shown``.

        Raises NoRoomError where addresses alone were asked for and no file can be kept.
        """
        value = result.to_dict()
        value["value"] = self._value(result, value["value"])
        if result.saved is not None:
            result.saved.path.unlink(missing_ok=True)
        if short is not None:
            brief = {**short.to_dict(), "result": self.short(short.result)}
            value |= {"result": brief} if shown else {}
            known = {file["sha256"] for file in self.files}
            self.files += [{"pointer": "", **link} for digest, link in self._known.items() if link and digest not in known]
        value["files"] = self.files
        return value

    def plain(self, value: Any, pointer: str = "", name: str = "") -> Any:
        """Values of a flow, bytes and files among them, as JSON-ready values."""
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(pointer, bytes(value), "application/octet-stream")
        if isinstance(value, SavedFile):
            return self._saved(pointer, value)
        if isinstance(value, Mapping):
            return {str(key): self.plain(part, f"{pointer}/{escape(str(key))}", str(key)) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            if value and isinstance(value[0], (int, float)):
                return list(value)
            return [self.plain(part, f"{pointer}/{number}", name) for number, part in enumerate(value)]
        return replaced(value, self._names, self._see, pointer, name) if isinstance(value, str) else value

    def event(self, data: Any) -> Any:
        """The data of one event as it goes on: where addresses are asked for, whole pictures have theirs. Pieces of a sound stay."""
        return replaced(data, self._names, lambda _, file, __: self._kept(file), pictures=True) if self._bare else data

    def short(self, value: Any) -> Any:
        """Values of a short result, an address beside each file."""
        if isinstance(value, OutputFile):
            link = self._kept(value) if value.data is not None else self._link_of(value.sha256)
            shown = {**value.to_dict(), "href": link.get("href")}
            hidden = {"path": None, "name": file_name("file", value.content_type)} if value.path else {}
            return {**shown, **hidden}
        if isinstance(value, Mapping):
            return {name: self.short(item) for name, item in value.items()}
        if isinstance(value, list) and value and isinstance(value[0], (dict, OutputFile)):
            return [self.short(item) for item in value]
        return value

    def _value(self, result: Result, value: Any) -> Any:
        if isinstance(result.value, SavedFile):
            return self._saved("", result.value)
        if isinstance(result.value, bytes):
            return self._bytes("", result.value, result.content_type, value)
        if result.kind == "events":
            return [self._event(number, event) for number, event in enumerate(result.value)]
        return replaced(value, self._names, self._see)

    def _event(self, number: int, event: Event) -> dict[str, Any]:
        data = replaced(event.data, self._names, self._see, f"/{number}/data", pictures=True)
        if self._bare:  # what is left are pieces; the short result has the whole of them
            data = replaced(data, self._names, lambda _, piece, __: {"size": piece.size})
        return {"type": event.type, "data": data}

    def _see(self, pointer: str, file: OutputFile, text: str) -> Any:
        link = self._kept(file)
        if link:
            self.files.append({"pointer": pointer, **link})
        return link if self._bare else text

    def _bytes(self, pointer: str, data: bytes, declared: str, plain: Mapping[str, Any] | None = None) -> dict[str, Any]:
        link = self._kept(from_bytes(data, name="file", declared=declared))
        if link:
            self.files.append({"pointer": pointer, **link})
        given = plain or {"base64": b64encode(data).decode(), "size": len(data)}
        return link if self._bare else {**given, **link}

    def _saved(self, pointer: str, saved: SavedFile) -> dict[str, Any]:
        kept = self._downloads.keep(saved.path, self._owner, saved.content_type)
        if kept is None:
            raise NoRoomError
        facts = {"size": saved.size, "sha256": saved.sha256, "content_type": saved.content_type}
        link = self._known[saved.sha256] = {"href": f"{FILES}/{kept[0]}", "expires_in": kept[1], **facts}
        self.files.append({"pointer": pointer, **link})
        return link

    def _link_of(self, digest: str | None) -> dict[str, Any]:
        return self._known.get(digest or "", {})

    def _kept(self, file: OutputFile) -> dict[str, Any]:
        """The address of a file's bytes; nothing where there is no room, and base64 does as well."""
        digest, data = file.sha256 or "", file.data or b""
        if digest not in self._known:
            kept = None
            with suppress(OSError):
                kept = self._downloads.store(data, self._owner, file.content_type)
            if kept is None and self._bare:
                raise NoRoomError
            facts = {"name": file.name, "size": file.size, "sha256": digest, "content_type": file.content_type}
            self._known[digest] = {"href": f"{FILES}/{kept[0]}", "expires_in": kept[1], **facts} if kept else {}
        return self._known[digest]
