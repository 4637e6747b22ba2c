"""What a connector's author writes: closed records, read from YAML with every fault and its JSON Pointer.

The manifest is one; parts of it that only some uses need are others, in files of their own, so that no call pays for reading them.
pydantic checks what people write by the annotations of the records (``validation``); a record needs none of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, TypeVar, dataclass_transform

from kosha_connector_openai.errors import DocumentError, Fault, ManifestError

_MIB: Final = 1024 * 1024


def Field(default: Any = dataclasses.MISSING, *, default_factory: Any = dataclasses.MISSING, **rules: Any) -> Any:  # noqa: N802
    """A field of a record with what pydantic's ``Field`` says of one: ``description``, ``alias`` and constraints such as ``ge``."""
    return dataclasses.field(default=default, default_factory=default_factory, metadata=rules)


class Constraint:
    """What pydantic's ``Field`` says of a type, inside ``Annotated``: ``ge``, ``gt``, ``le``, ``pattern``, ``min_length``, ..."""

    def __init__(self, **rules: Any) -> None:
        self.rules = rules

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from kosha_connector_openai.manifest.validation import constrained

        return handler.generate_schema(constrained(source, self.rules))


Name = Annotated[str, Constraint(min_length=1, max_length=200)]
Line = Annotated[str, Constraint(min_length=1, max_length=2_000)]


class Kinds:
    """A union of records told apart by the values of their ``kind``; ``default`` is the kind where none is written."""

    def __init__(self, default: str) -> None:
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from kosha_connector_openai.manifest.validation import tagged

        return handler.generate_schema(tagged(source, self.default))


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Part:
    """The base of all records: each one below it is a frozen dataclass with keywords only, closed to unknown keys."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        # The methods below serve all records: to generate them for each is a fifth of the CPU time of a start.
        dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)

    def __init__(self, **values: Any) -> None:
        for name, entry in self.__dataclass_fields__.items():
            self.__dict__[name] = values.pop(name) if name in values else _default(entry)
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")
        if missing := [name for name, value in self.__dict__.items() if value is dataclasses.MISSING]:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(missing)}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Raises ValueError where the values of several fields do not fit each other."""

    def _values(self) -> tuple[Any, ...]:
        return tuple(self.__dict__[name] for name in self.__dataclass_fields__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in self.__dataclass_fields__)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """``raw`` with the spellings of an earlier version in their present form, before it is checked."""
        return raw

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        if cls.accept.__func__ is Part.accept.__func__:  # type: ignore[attr-defined]
            return handler(source)
        from kosha_connector_openai.manifest.validation import accepting

        return accepting(cls.accept, handler(source))


_P = TypeVar("_P", bound=Part)


def renamed(raw: Any, old: str, new: str) -> Any:
    """``raw`` with the key ``old`` of an earlier version under its present name; where both are there, the old one stays and is refused."""
    if not isinstance(raw, Mapping) or old not in raw or new in raw:
        return raw
    return {new if key == old else key: value for key, value in raw.items()}


def parse_part(data: bytes, model: type[_P], *, name: str) -> _P:
    """The part in YAML text; raises ManifestError, which names the file ``name``."""
    from kosha_connector_openai.text import YamlLimits, load_yaml

    try:
        raw = load_yaml(data, YamlLimits(bytes=4 * _MIB), what=name)
    except DocumentError as error:
        raise ManifestError(error.message, error.faults) from None
    return validated(raw, model, name=name)


def file_in(folder: Path, name: str, pointer: str) -> Path:
    """A file that a manifest names; raises ManifestError where it lies outside the manifest's folder or is a pipe or a device."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError("A file of the manifest lies outside its folder.", [Fault(pointer, "folder", "must name a file in it.")])
    if path.exists() and not path.is_file():
        raise ManifestError(f"{path.name} is not a regular file.", [Fault(pointer, "file", "must name a regular file.")])
    return path


def given(record: Part) -> dict[str, Any]:
    """The fields of a record that are not as their defaults, by name."""
    pairs = [(entry.name, getattr(record, entry.name), _default(entry)) for entry in dataclasses.fields(record)]
    return {name: value for name, value, default in pairs if value != default or type(value) is not type(default)}


def _default(entry: dataclasses.Field[Any]) -> Any:
    return entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()


def validated(raw: Any, model: type[_P], *, name: str = "The value") -> _P:
    """``raw`` as a record; raises ManifestError with every fault."""
    from kosha_connector_openai.manifest.validation import validate

    return validate(raw, model, name)
