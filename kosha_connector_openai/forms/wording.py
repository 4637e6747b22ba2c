"""The words of forms: what the part ``forms`` of the manifest says of fields, definitions and values, else what their names tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from kosha_connector_openai.forms.labels import label
from kosha_connector_openai.forms.unions import is_file
from kosha_connector_openai.manifest import given
from kosha_connector_openai.manifest.parts import FieldForm, FormsPart
from kosha_connector_openai.schema import Branch

Facts = Mapping[str, Any]
_NONE: Final[Facts] = {}
_TAIL: Final = re.compile(r"(?:Params?|Resource|Schema)?(?:-\d+)?$")
"""What the authors of descriptions add to names, and what nobody wants to read."""
_VERBATIM: Final = frozenset("0123456789./:")
"""A value with one of these is a version, a size or a path, and is shown as it is."""


class Wording:
    """Looks up curated facts, each once."""

    def __init__(self, part: FormsPart) -> None:
        self._part = part
        self._words = part.words
        self._fields = _Patterns(part.fields)
        self._inputs = _Patterns(part.inputs)
        self._labels: dict[str, str] = {}
        self._options: dict[str, str] = {}
        self._shapes: dict[str, Mapping[str, Facts]] = {}

    def label(self, name: str) -> str:
        """The label that a name gives by itself."""
        if name not in self._labels:
            self._labels[name] = label(name, self._words)
        return self._labels[name]

    def option(self, value: Any) -> str:
        """The label of one listed value."""
        if not isinstance(value, str):
            return str(value)
        if value not in self._options:
            self._options[value] = value if _VERBATIM & set(value) and value.lower() not in self._words else self.label(value)
        return self._options[value]

    def field(self, name: str) -> Facts:
        """What is curated of every field of this name."""
        return self._fields.get(name)

    def input(self, name: str) -> Facts:
        """What is curated of every action's own field of this name."""
        return self._inputs.get(name)

    def fields_of(self, definition: str | None) -> Mapping[str, Facts]:
        """What is curated of the fields of one definition."""
        shape = self._part.shapes.get(definition) if definition else None
        if shape is None or definition is None:
            return _NONE
        if definition not in self._shapes:
            self._shapes[definition] = {name: facts(form) for name, form in shape.fields.items()}
        return self._shapes[definition]

    def ordered(self, branches: Sequence[Branch]) -> list[Branch]:
        """Alternatives as they are offered: the usual ones first, one file before several."""
        usual = {name: rank for rank, name in enumerate(self._part.usual)}

        def rank(branch: Branch) -> tuple[int, bool]:
            return usual.get(branch.target or "", len(usual)), all_files and branch.node.get("type") == "array"

        all_files = all(is_file(branch.node) or branch.node.get("type") == "array" for branch in branches)
        return sorted(branches, key=rank)

    def curated(self, definition: str | None) -> str | None:
        """The curated label of a definition."""
        shape = self._part.shapes.get(definition) if definition else None
        return shape.label if shape else None

    def definition(self, name: str) -> str:
        """The label of a definition."""
        return self.curated(name) or self.label(_TAIL.sub("", name) or name)

    def definition_help(self, name: str | None) -> str | None:
        """The curated help of a definition."""
        shape = self._part.shapes.get(name) if name else None
        return shape.help if shape else None


def facts(form: FieldForm) -> Facts:
    """What a curated field says, and nothing that it leaves out."""
    return given(form)


class _Patterns:
    """Curated fields by name; patterns count where no name does."""

    def __init__(self, forms: Mapping[str, FieldForm]) -> None:
        self._forms = forms
        self._patterns = [name for name in forms if "*" in name]
        self._found: dict[str, Facts] = {}

    def get(self, name: str) -> Facts:
        if name not in self._found:
            keys = [key for key in self._patterns if fnmatchcase(name, key)] + ([name] if name in self._forms else [])
            merged: dict[str, Any] = {}
            for key in keys:
                merged.update(facts(self._forms[key]))
            self._found[name] = merged or _NONE
        return self._found[name]
