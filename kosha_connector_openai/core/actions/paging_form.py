"""Which form of paging an operation has: the one that the manifest's part names for it, else the first that its shape fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.manifest.parts import ListRule, PageForm, Paging
from kosha_connector_openai.openapi import Operation
from kosha_connector_openai.schema import flatten_properties
from kosha_connector_openai.text import is_json

_PLAIN = ListRule()


def page_form(root: Mapping[str, Any], version: str, operation: Operation, rules: Paging) -> PageForm | None:
    """The form, with what is special about this list; None for an operation that is no list. ``root`` is its description."""
    rule = rules.lists.get(operation.id, _PLAIN)
    form = rules.forms.get(rule.form) if rule.form else _recognised(root, version, operation, rules)
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


def _properties(root: Mapping[str, Any], version: str, operation: Operation) -> set[str]:
    """The properties that a JSON answer may have."""
    content = operation.success.content if operation.success else {}
    schema = next((media_type.schema for name, media_type in content.items() if is_json(name)), None)
    try:
        found = flatten_properties(root, schema, version, tolerant=True) if schema is not None else None
    except DocumentError:
        return set()
    return set(found[0]) if found else set()
