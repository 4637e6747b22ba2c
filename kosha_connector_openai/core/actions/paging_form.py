"""Which form of paging an operation has: the one that the manifest's part names for it, else the first that its shape fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.manifest.parts import ListRule, PageForm, Paging
from kosha_connector_openai.openapi import Operation
from kosha_connector_openai.schema import flatten_properties, follow
from kosha_connector_openai.text import escape, is_json

_PLAIN = ListRule()


def page_form(root: Mapping[str, Any], version: str, operation: Operation, rules: Paging) -> PageForm | None:
    """The form, with what is special about this list; None for an operation that is no list. ``root`` is its description."""
    rule = rules.lists.get(operation.id, _PLAIN)
    if rule.form:
        form = rules.forms.get(rule.form)
    else:
        form = _recognised(root, version, operation, rules) if rules.forms else _usual(root, version, operation)
    return replace(form, most=rule.most) if form is not None and rule.most else form


def _recognised(root: Mapping[str, Any], version: str, operation: Operation, rules: Paging) -> PageForm | None:
    if operation.method != "GET":
        return None
    given = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
    near = [form for form in rules.forms.values() if form.when and given.issuperset(form.when.parameters)]
    if not near:
        return None
    answered = _properties(root, version, operation)
    return next((form for form in near if form.when and answered.issuperset(form.when.answer)), None)


def _usual(root: Mapping[str, Any], version: str, operation: Operation) -> PageForm | None:
    """The form of a connector that has none of its own, where the shape leaves no doubt: a list alone, or one list and a known cursor."""
    if operation.method != "GET":
        return None
    schema = _answer(operation)
    if _is_list(root, schema):
        return PageForm(title="A list, its next page by the Link header", items="", link="next")
    found = _flat(root, version, schema)
    lists = [name for name, part in found.items() if _is_list(root, part)]
    given = {parameter.name for parameter in operation.parameters if parameter.location == "query"}
    if len(lists) != 1:
        return None
    items = f"/{escape(lists[0])}"
    size = next((name for name in _SIZES if name in given), None)
    for send, cursor in _CURSORS:
        if send in given and cursor in found:
            return PageForm(title=f"A cursor, {cursor}", items=items, cursor=(f"/{cursor}",), send=send, size=size)
    after = next((name for name in _AFTER if name in given), None)
    if "has_more" in found and after:
        return PageForm(title="After the last item's id", items=items, more="/has_more", last="/id", send=after, size=size)
    return None


_CURSORS: Final = (
    ("pageToken", "nextPageToken"),
    ("page_token", "next_page_token"),
    ("cursor", "next_cursor"),
    ("cursor", "nextCursor"),
    ("offset", "offset"),
)
"""A query parameter, and the property of the answer that holds its next value."""
_AFTER: Final = ("starting_after", "after")
_SIZES: Final = ("limit", "pageSize", "page_size", "per_page", "maxResults")


def _is_list(root: Mapping[str, Any], schema: Any) -> bool:
    try:
        found = follow(root, schema, "")
    except DocumentError:
        return False
    return isinstance(found, Mapping) and found.get("type") in ("array", ["array"], ["array", "null"])


def _answer(operation: Operation) -> Any:
    """The schema of a JSON answer."""
    content = operation.success.content if operation.success else {}
    return next((media_type.schema for name, media_type in content.items() if is_json(name)), None)


def _properties(root: Mapping[str, Any], version: str, operation: Operation) -> set[str]:
    """The properties that a JSON answer may have."""
    return set(_flat(root, version, _answer(operation)))


def _flat(root: Mapping[str, Any], version: str, schema: Any) -> Mapping[str, Any]:
    found = flatten_properties(root, schema, version, tolerant=True) if schema is not None else None
    return found[0] if found else {}
