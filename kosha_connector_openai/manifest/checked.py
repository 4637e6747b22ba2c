"""Records that were found good, kept as JSON, so that the next start reads them without YAML and without pydantic.

The name of what is kept is the SHA-256 of the text, of the record's name and of the source of the records: another text, or another version
of this package, finds nothing and is checked anew. The wheel brings the shipped connector's; others are in ``kosha/manifests`` in
``$XDG_CACHE_HOME`` (``~/.cache``). That folder and each file in it must be the user's own and closed to all others. Whoever can write
there is the user, who can as well write the manifest, or the bytecode that Python keeps in ``__pycache__``.
What cannot be read, or is not exactly what was written, counts as absent.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from kosha_connector_openai.errors import Fault, ManifestError
from kosha_connector_openai.manifest.part import Part, file_in, given, parse_part, validated
from kosha_connector_openai.trusted_files import distrust, is_loose

_P = TypeVar("_P", bound=Part)
SHIPPED: Final = Path(__file__).parent / "shipped"
"""Where the wheel has the records of the shipped connector."""
_MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_FILES: Final = 64
_FLAGS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def read_part(folder: Path, source: str | Mapping[str, Any], model: type[_P], *, name: str) -> _P:
    """A part of the manifest in ``folder``: the file that ``source`` names, or ``source`` itself. Raises ManifestError."""
    if not isinstance(source, str):
        return validated(source, model, name=name) if source else model()
    path = file_in(folder, source, f"/parts/{name}")
    return read_record(path, model, [Fault(f"/parts/{name}", "file", "cannot be read.")])


def read_record(path: Path, model: type[_P], faults: Sequence[Fault] = ()) -> _P:
    """The record in a YAML file, checked once: what was found good is kept. Raises ManifestError, with ``faults`` for a file that fails."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path.name} cannot be read: {error.strerror}.", faults, hint="Name a file that you may read.") from None
    if not is_private(path.parent):
        return parse_part(data, model, name=path.name)
    found = recall(data, model)
    if found is None:
        found = parse_part(data, model, name=path.name)
        keep(data, found)
    return found


def recall(data: bytes, model: type[_P]) -> _P | None:
    """The record that ``data`` was found to be; None where nothing is kept of it."""
    if not _is_ours(model):
        return None
    name = file_name(data, model)
    kept = _read_shipped(name) or _read(name)
    if kept is None or kept[:64] != sha256(kept[64:]).hexdigest().encode():
        return None
    try:
        found = _decoded(orjson.loads(kept[64:]))
    except (ValueError, TypeError, KeyError, AttributeError, ImportError):
        return None
    return found if type(found) is model else None


def keep(data: bytes, record: Part) -> None:
    """Keeps what ``data`` was found to be, where the user has a folder of their own for it; a failure to write is no error."""
    if _is_ours(type(record)):
        with suppress(OSError, ValueError):
            _write(file_name(data, type(record)), packed(record))


def packed(record: Part) -> bytes:
    """A record as its file holds it: the digest, then the JSON."""
    body = orjson.dumps(_encoded(record), option=orjson.OPT_SORT_KEYS)
    return sha256(body).hexdigest().encode() + body


def file_name(data: bytes, model: type[Part]) -> str:
    """The name of the file that keeps what ``data`` is as a ``model``."""
    return sha256(b"\0".join((_source_digest(), _type_name(model).encode(), data))).hexdigest() + ".json"


def is_private(path: Path) -> bool:
    """Whether nobody but the user, the user's own group and the administrator can change what is in a folder."""
    if not hasattr(os, "geteuid"):  # modes mean nothing there
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid in (0, os.geteuid()) and not is_loose(status)


def _is_ours(model: type[Part]) -> bool:
    return model.__module__.startswith(f"{__package__}.")


def _type_name(model: type[Part]) -> str:
    return f"{model.__module__.removeprefix(f'{__package__}.')}.{model.__qualname__}"


@cache
def _source_digest() -> bytes:
    """The digest of the modules that say what a record is."""
    here = Path(__file__).parent
    digest = sha256()
    for path in sorted((*here.glob("*.py*"), *here.glob("parts/*.py*"))):
        digest.update(path.read_bytes())
    return digest.digest()


# In the JSON an array is a tuple. An object whose key "" names a type is that; of "list" and "dict", ``of`` is the value itself.


def _encoded(value: Any) -> Any:
    if isinstance(value, Part):
        return {"": _type_name(type(value)), **{name: _encoded(part) for name, part in given(value).items()}}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, list):
        return {"": "list", "of": [_encoded(item) for item in value]}
    if isinstance(value, Mapping):
        entries = {key: _encoded(item) for key, item in value.items()}
        return {"": "dict", "of": list(map(list, entries.items()))}
    if isinstance(value, datetime.date):
        return {"": "date", "of": value.isoformat()}
    return value


def _decoded(value: Any) -> Any:
    if type(value) is list:
        return tuple(map(_decoded, value))
    if type(value) is not dict:
        return value
    kind = value.pop("")
    if kind == "dict":
        return {key: _decoded(item) for key, item in value["of"]}
    if kind == "list":
        return list(map(_decoded, value["of"]))
    if kind == "date":
        return datetime.date.fromisoformat(value["of"])
    return _type(kind)(**{name: _decoded(item) for name, item in value.items()})


@cache
def _type(name: str) -> type[Part]:
    module, _, own = name.rpartition(".")
    found = getattr(import_module(f"{__package__}.{module}"), own)
    if not (isinstance(found, type) and issubclass(found, Part)):
        raise TypeError(name)
    return found


def _read_shipped(name: str) -> bytes | None:
    try:
        return (SHIPPED / name).read_bytes()
    except OSError:
        return None


def _read(name: str) -> bytes | None:
    with suppress(OSError, ValueError), _user_folder(make=False) as folder:
        file = os.open(name, os.O_RDONLY | _FLAGS, dir_fd=folder)
        with os.fdopen(file, "rb") as stream:
            status = os.fstat(file)
            if distrust(status, private=True) is None and status.st_size <= _MOST_BYTES:
                return stream.read(_MOST_BYTES)
    return None


def _write(name: str, data: bytes) -> None:
    """Writes beside the place and then renames: whoever reads sees all of it or nothing, whoever else writes writes the same."""
    with _user_folder(make=True) as folder:
        with os.scandir(folder) as entries:
            newest_first = sorted(entries, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime, reverse=True)
        for entry in newest_first[_MOST_FILES - 1 :]:
            os.unlink(entry.name, dir_fd=folder)
        beside = f"{os.urandom(8).hex()}.part"
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
        with os.fdopen(file, "wb") as stream:
            stream.write(data)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)


@contextmanager
def _user_folder(*, make: bool) -> Iterator[int]:
    """The user's folder, open, so that no link put in its place is followed; raises OSError where it is not the user's alone."""
    if not hasattr(os, "geteuid"):
        raise OSError
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    path = (base if base.is_absolute() else Path.home() / ".cache") / "kosha" / "manifests"
    if make:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
    try:
        if not _is_own(os.fstat(folder)):
            raise OSError
        yield folder
    finally:
        os.close(folder)


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077
