"""The part ``forms`` is closed and typed: a slip of its author is named with its place."""

from __future__ import annotations

import pytest

from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.manifest.part import parse_part
from kosha_connector_openai.manifest.parts.forms import FormsPart


def test_an_empty_part_is_one() -> None:
    """Nothing in it is needed."""
    assert parse_part(b"{}", FormsPart, name="forms.yaml") == FormsPart()


@pytest.mark.parametrize(
    ("text", "pointer", "fix"),
    [
        ("fields: {a: {labl: A}}", "/fields/a/labl", "Did you mean `label`?"),
        ("actions: {a: {option: [x]}}", "/actions/a/option", "Did you mean `options`?"),
        ("fields: {a: {widget: silder}}", "/fields/a/widget", ""),
        ("fields: {a: {group: basics}}", "/fields/a/group", ""),
        ("fields: {a: {file: {max_bytes: 0}}}", "/fields/a/file/max_bytes", ""),
        ("shapes: {A: {fields: {x: {secret: maybe}}}}", "/shapes/A/fields/x/secret", ""),
    ],
)
def test_a_slip_is_named(text: str, pointer: str, fix: str) -> None:
    """By its JSON Pointer, with the nearest known key where it is an unknown one."""
    with pytest.raises(ManifestError) as raised:
        parse_part(text.encode(), FormsPart, name="forms.yaml")
    fault = raised.value.faults[0]
    assert (fault.pointer, fault.fix) == (pointer, fix)


def test_conditions_take_values_or_whether_something_is_there() -> None:
    """In the two ways that docs/forms.md shows."""
    part = parse_part(b"fields: {a: {visible_when: {b: [1, x, null], c: given}}}", FormsPart, name="forms.yaml")
    assert part.fields["a"].visible_when == {"b": (1, "x", None), "c": "given"}
    with pytest.raises(ManifestError):
        parse_part(b"fields: {a: {visible_when: {b: maybe}}}", FormsPart, name="forms.yaml")
