"""What a connector's author writes: closed pydantic models, read from YAML with every fault and its JSON Pointer.

The manifest is one; parts of it that only some uses need are others, in files of their own, so that no call pays for reading them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from kosha_connector_openai.errors import DocumentError, Fault, ManifestError
from kosha_connector_openai.text import YamlLimits, load_yaml, nearest, to_pointer

_LIMITS = YamlLimits(bytes=4 * 1024 * 1024)


class Part(BaseModel):
    """The base of all parts: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


P = TypeVar("P", bound=Part)


def renamed(raw: Any, old: str, new: str) -> Any:
    """``raw`` with the key ``old`` of an earlier version under its present name; where both are there, the old one stays and is refused."""
    if not isinstance(raw, Mapping) or old not in raw or new in raw:
        return raw
    return {new if key == old else key: value for key, value in raw.items()}


def parse_part(data: bytes, model: type[P], *, name: str) -> P:
    """The part in YAML text; raises ManifestError, which names the file ``name``."""
    try:
        raw = load_yaml(data, _LIMITS, what=name)
    except DocumentError as error:
        raise ManifestError(error.message, error.faults) from None
    return _validated(raw, model, name)


def read_part(folder: Path, source: str | Mapping[str, Any], model: type[P], *, name: str) -> P:
    """A part of the manifest in ``folder``: the file that ``source`` names, or ``source`` itself. Raises ManifestError."""
    if not isinstance(source, str):
        return _validated(source, model, name)
    path = file_in(folder, source, f"/parts/{name}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"{path.name} cannot be read: {error.strerror}.", [Fault(f"/parts/{name}", "file", "cannot be read.")]
        ) from None
    return parse_part(data, model, name=path.name)


def file_in(folder: Path, name: str, pointer: str) -> Path:
    """A file that a manifest names; raises ManifestError where it lies outside the manifest's folder or is a pipe or a device."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError("A file of the manifest lies outside its folder.", [Fault(pointer, "folder", "must name a file in it.")])
    if path.exists() and not path.is_file():
        raise ManifestError(f"{path.name} is not a regular file.", [Fault(pointer, "file", "must name a regular file.")])
    return path


def _validated(raw: Any, model: type[P], name: str) -> P:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = [_fault(model, entry["loc"], entry["type"], entry["msg"]) for entry in error.errors(include_input=False)]
    # Raised out here: inside, the library's error would stay its context, and that one holds the values.
    what = "the manifest's schema" if name == "connector.yaml" else "its schema"
    raise ManifestError(f"{name} breaks {what}.", faults)


def _fault(model: type[BaseModel], location: tuple[int | str, ...], rule: str, message: str) -> Fault:
    pointer = to_pointer(location)
    if rule != "extra_forbidden":
        return Fault(pointer, rule, f"{message}.")
    names = sorted(_names(model, location[:-1]))
    near = nearest(str(location[-1]), names)
    fix = f"Did you mean `{near}`?" if near else f"Known here: {', '.join(names)}."
    return Fault(pointer, "unknown", "No such key.", fix, allowed=names)


def _names(model: Any, location: Iterable[int | str]) -> set[str]:
    """The keys known at a place, found by following the models' annotations."""
    for token in location:
        for part in _parts(model):
            if isinstance(token, str) and isinstance(part, type) and issubclass(part, BaseModel):
                model = part.model_fields[token].annotation if token in part.model_fields else None
            elif get_origin(part) is not None:
                model = get_args(part)[-1] if get_args(part)[-1] is not Ellipsis else get_args(part)[0]
    return {name for part in _parts(model) if isinstance(part, type) for name in getattr(part, "model_fields", ())}


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
