"""Large files in parts: announced, sent several at a time, joined; after a crash only the parts that are missing are sent."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from kosha_connector_openai.connector import CallOptions, Result
from kosha_connector_openai.core.request import FileInput, FilePolicy, read_file_input
from kosha_connector_openai.core.transport import may_have_run
from kosha_connector_openai.errors import ConnectorError, Fault, InputError, JobPendingError, JobUnknownError, RejectedError
from kosha_connector_openai.flows.driving import Run, Steps, Together, Work
from kosha_connector_openai.flows.jobs.handle import Handle, Source, new_handle
from kosha_connector_openai.flows.jobs.lifecycle import JobContext
from kosha_connector_openai.flows.jobs.state import Status, Tick, WaitOptions, upload_kind
from kosha_connector_openai.flows.paging import PagingOptions
from kosha_connector_openai.manifest.parts import UploadKind
from kosha_connector_openai.text import at

_RESULT = "result"
"""Among a handle's ids: the whole file's."""
_LOOKED = 10
"""Pages of a list in which a joined file is looked for."""
_MOST_PARTS = 100_000
_RESUME = "Resume from the handle: only the parts that are missing are sent."


def start(context: JobContext, source: Any, inputs: Mapping[str, Any], name: str) -> Steps[Handle]:
    """Announces the file; its handle is kept before the request is sent, and again with the upload's id."""
    kind = upload_kind(context.connector, name)
    if kind is None:
        raise InputError("This connector has no uploads in parts of this kind.")
    file = _file(context, source, kind)
    digest = yield Work(partial(_md5, file))
    facts: dict[str, Any] = {"name": file.name, "size": file.size, "content_type": file.content_type}
    given = {**{target: facts[fact] for target, fact in kind.facts.items()}, **inputs}
    titled = next((str(given[target]) for target, fact in kind.facts.items() if fact == "name"), file.name)
    kept = Source(path=_path(source), name=titled, size=file.size or 0, md5=digest, part_size=kind.size)
    handle = new_handle(context.connector, context.connection, name, kind.create, context.name, source=kept)
    context.connector.check(kind.create, given, context.connection)
    context.keep(handle)
    try:
        result: Result = yield Run(kind.create, given)
    except ConnectorError:
        context.drop(handle)  # an announcement alone costs nothing and ends by itself
        raise
    found = {target: at(result.value, pointer) for target, pointer in kind.ids.items()}
    handle = handle.with_(phase="started", ids={target: str(value) for target, value in found.items() if value})
    context.keep(handle)
    return handle


def send(context: JobContext, handle: Handle, kind: UploadKind, source: Any, options: WaitOptions) -> Steps[Status]:
    """Sends what is missing, then joins the parts. Raises JobPendingError, with the handle, where it has to stop before the end."""
    if handle.phase == "sending":
        raise InputError("The upload was never announced, or its answer was lost.", hint="Start it again; nothing was paid for.")
    if handle.phase == "ended":
        return _done(handle)
    begun = options.clock()
    file = yield from _same_file(context, handle, kind, source)
    joined = handle.source is not None and handle.source.finishing
    if not joined:
        sending = _Sending(context, handle, kind, file, options, begun)
        handle = yield from sending.steps(1 if callable(getattr(source, "read", None)) else kind.at_once)
    return (yield from _finish(context, handle, kind, again=joined))


@dataclass
class _Sending:
    """Sends the parts; stores the handle after each of them."""

    context: JobContext
    handle: Handle
    kind: UploadKind
    file: FileInput
    options: WaitOptions
    begun: float

    def steps(self, at_once: int) -> Steps[Handle]:
        end = self.begun + (self.options.timeout or math.inf)
        missing = [index for index in range(_count(self.source)) if index not in self.source.parts]
        self._tell()
        for first in range(0, len(missing), at_once):
            left = end - self.options.clock()
            if left <= 0:
                raise self._stopped(f"The file was not sent within {self.options.timeout:g} seconds.")
            group = missing[first : first + at_once]
            try:
                yield Together([self._run(index, left) for index in group], partial(self._sent, group))
            except RejectedError:
                raise
            except ConnectorError as error:
                cause = error
            else:
                continue
            raise self._stopped(cause.message, cause)
        return self.handle

    @property
    def source(self) -> Source:
        assert self.handle.source is not None
        return self.handle.source

    def _run(self, index: int, left: float) -> Run:
        start = index * self.source.part_size
        size = min(self.source.part_size, self.source.size - start)
        piece = replace(self.file, size=size, limit=size, opener=partial(_open_piece, self.file, start, size))
        # Sending a part twice does no harm: only those that are named when the parts are joined count.
        options = CallOptions(unsafe_retries=True, timeout=None if left == math.inf else min(max(1.0, left), 86_400))
        return Run(self.kind.part, {**self.context.known(self.kind.part, self.handle.ids), self.kind.data: piece}, options)

    def _sent(self, group: list[int], place: int, result: Result) -> None:
        index, name = group[place], at(result.value, self.kind.part_id)
        if isinstance(name, str) and name:
            source = self.source.model_copy(update={"parts": {**self.source.parts, index: name}})
            self.handle = self.handle.with_(source=source)
            self.context.keep(self.handle)
            self._tell()

    def _tell(self) -> None:
        if self.options.progress is not None:
            done = _sent_bytes(self.source)
            self.options.progress(Tick(self.handle, len(self.source.parts), "sending", done=done, total=self.source.size))

    def _stopped(self, message: str, cause: ConnectorError | None = None) -> JobPendingError:
        return JobPendingError(f"The upload is not done. {message}", handle=self.handle.to_dict(), hint=_RESUME, cause=cause)


def _finish(context: JobContext, handle: Handle, kind: UploadKind, *, again: bool) -> Steps[Status]:
    """Joins the parts; where that was asked for before and got no answer, the whole file may be there already."""
    source = handle.source
    assert source is not None
    if len(source.parts) < _count(source):
        raise JobPendingError("The upload is not done: an answer named no part.", handle=handle.to_dict(), hint=_RESUME)
    handle = handle.with_(source=source.model_copy(update={"finishing": True}))
    context.keep(handle)
    order = [source.parts[index] for index in sorted(source.parts)]
    inputs = {**context.known(kind.finish, handle.ids), kind.order: order, **({kind.md5: source.md5} if kind.md5 else {})}
    try:
        result: Result = yield Run(kind.finish, inputs)
    except ConnectorError as error:
        cause = error
    else:
        return _ended(context, handle, replace(result, value=at(result.value, kind.result) or result.value))
    if may_have_run(cause):
        raise JobUnknownError("The parts were to be joined and no answer came.", handle=handle.to_dict(),
                              hint="Resume from the handle: the whole file is looked for.", cause=cause)  # fmt: skip
    if again and isinstance(cause, RejectedError):
        result = yield from _look_up(context, handle, kind)
        return _ended(context, handle, result)
    context.keep(handle.with_(source=source))
    raise cause


def _look_up(context: JobContext, handle: Handle, kind: UploadKind) -> Steps[Result]:
    """The whole file in the list of files: the newest with its name and its size."""
    facts = {"name": handle.source.name, "size": handle.source.size} if handle.source else {}
    walk = context.walk(kind.lookup, {}, PagingOptions(pages=_LOOKED)) if kind.lookup else None
    while walk is not None and not walk.finished:
        inputs, call = walk.wanted()
        page = walk.take((yield Run(walk.action, inputs, call)))
        for item in page.items:
            if all(at(item, pointer) == facts.get(fact) for pointer, fact in kind.same.items()):
                return replace(page.result, value=item)
    raise JobUnknownError("The parts cannot be joined (again), and no such file is listed.", handle=handle.to_dict(),
                          hint="Look among the files before you send it again.")  # fmt: skip


def cancel(context: JobContext, handle: Handle, kind: UploadKind) -> Steps[Status]:
    """Cancels the upload; the upstream deletes its parts."""
    if kind.cancel is None:
        raise InputError("The API has no way to cancel this kind of upload.")
    result: Result = yield Run(kind.cancel, context.known(kind.cancel, handle.ids))
    handle = handle.with_(phase="ended", state="cancelled")
    context.keep(handle)
    return Status(handle, "cancelled", "cancelled", result=result)


def seen(handle: Handle) -> Status:
    """Returns the status that the handle itself holds: no action tells an upload's state."""
    if handle.phase == "ended":
        return _done(handle)
    source = handle.source
    return Status(handle, "sending", None, done=_sent_bytes(source) if source else None, total=source.size if source else None)


def file_id(handle: Handle) -> str | None:
    """The whole file's id, once the parts are joined."""
    return handle.ids.get(_RESULT)


def _ended(context: JobContext, handle: Handle, result: Result) -> Status:
    name = at(result.value, "/id")
    ids = {**handle.ids, _RESULT: name} if isinstance(name, str) else handle.ids
    handle = handle.with_(phase="ended", state="completed", ids=ids)
    context.keep(handle)
    return replace(_done(handle), result=result)


def _done(handle: Handle) -> Status:
    size = handle.source.size if handle.source else None
    end = "cancelled" if handle.state == "cancelled" else "success"
    return Status(handle, handle.state or "completed", end, done=size if end == "success" else None, total=size)  # type: ignore[arg-type]


def _same_file(context: JobContext, handle: Handle, kind: UploadKind, source: Any) -> Steps[FileInput]:
    """The file to send; refused where it is not the one that was announced."""
    known = handle.source
    assert known is not None
    if _count(known) > _MOST_PARTS:
        raise InputError("The handle cuts the file into too many parts.", [Fault("/source/part_size", "range", "is too small.")])
    given = source if source is not None else None if known.path is None else {"path": known.path}
    if given is None:
        raise InputError("The handle does not name the file.", [Fault("/source", "required", "is missing.", "Give the file again.")])
    file = _file(context, given, kind)
    digest = yield Work(partial(_md5, file))
    if (file.size, digest) != (known.size, known.md5):
        raise InputError("The file is not the one that was announced.", [Fault("/source", "changed", "has other bytes.")],
                         hint="Cancel this upload and start another.")  # fmt: skip
    return file


def _file(context: JobContext, source: Any, kind: UploadKind) -> FileInput:
    file = read_file_input(source, "/source", FilePolicy(context.connection.options.roots, kind.largest))
    if not file.size or not file.replayable:
        raise InputError("The file cannot be sent in parts.", [Fault("/source", "size", "is empty, or its size is not known.")])
    return file


def _path(source: Any) -> str | None:
    if isinstance(source, FileInput):
        found: Any = source.path
    else:
        found = source.get("path") if isinstance(source, Mapping) else source if isinstance(source, os.PathLike) else None
    return None if found is None else str(Path(found).absolute())


def _md5(file: FileInput) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _count(source: Source) -> int:
    return -(-source.size // source.part_size)


def _sent_bytes(source: Source) -> int:
    return sum(min(source.part_size, source.size - index * source.part_size) for index in source.parts)


def _open_piece(file: FileInput, start: int, size: int) -> BinaryIO:
    return cast("BinaryIO", _Piece(file, start, size))


class _Piece:
    """A reader of some of a file's bytes."""

    def __init__(self, file: FileInput, start: int, size: int) -> None:
        self._reader = file.open()
        self._left = size
        for _ in _skipped(self._reader, start):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes of what is left of the piece."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._reader.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Closes the file."""
        self._reader.close()


def _skipped(reader: BinaryIO, start: int) -> Iterator[bytes]:
    """Moves the reader to a position: by ``seek`` where it has one, else by reading up to it."""
    if hasattr(reader, "seek"):
        reader.seek(start)
        return
    while start > 0 and (data := reader.read(min(start, 1 << 16))):
        start -= len(data)
        yield data
