"""An action's flat inputs: one object of path, query, header and body fields together, split, checked and ready to be written.

Two names are ours: ``body`` holds a body that is not an object, and ``extra_body`` holds fields that go into the body as they are.
An input is called by its name. Where one name stands in several places the field of the body keeps it, and each parameter is called by
its place and its name: ``path.id``, ``query.id``, ``header.id``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from kosha_connector_openai.core.actions.body_form import BODY, BodyForm
from kosha_connector_openai.core.actions.leniency import Leniency, given_twice, merged, without_extra
from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.openapi import Document, MediaType, Operation, Parameter, Schema
from kosha_connector_openai.schema import CheckReport, SchemaValidator
from kosha_connector_openai.text import OBJECT, is_json, tokens

EXTRA_BODY = "extra_body"
_WARN = "A server that takes it all the same: set the connection's `validation` to `warn`."
_EXTRA = f"A server that takes it all the same: give the field in `{EXTRA_BODY}`, or set the connection's `validation` to `warn`."
_FILE_KEYS = frozenset({"path", "base64", "bytes", "text"})


class _Absent:
    """No body at all, which is not the same as a body of null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs that passed: values by parameter name, the body and its media type, and what was let through with a warning."""

    parameters: Mapping[str, Any]
    body: Any
    media_type: MediaType | None
    file_fields: frozenset[str] = frozenset()
    extra_query: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()


class Inputs:
    """The input side of one operation, built when it is first needed."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self._document = document
        self.operation = operation
        self._cookies = {parameter.name: parameter.required for parameter in operation.parameters if parameter.location == "cookie"}

    @cached_property
    def bodies(self) -> tuple[BodyForm, ...]:
        """The forms of the body, those with fields first."""
        content = self.operation.request_body.content if self.operation.request_body else {}
        forms = [BodyForm(self._document, media_type) for media_type in content.values()]
        return tuple(forms if len(forms) < 2 else sorted(forms, key=lambda form: form.rank))  # noqa: PLR2004 - nothing to sort

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """Input name -> parameter, without cookies."""
        given = [parameter for parameter in self.operation.parameters if parameter.location != "cookie"]
        times = Counter(parameter.name for parameter in given)
        taken = set(times).union(*(form.properties for form in self.bodies)) if given else set()
        found: dict[str, Parameter] = {}
        for parameter in given:
            if times[parameter.name] == 1 and not any(parameter.name in form.properties for form in self.bodies):
                found[parameter.name] = parameter
                continue
            alias = f"{parameter.location}.{parameter.name}"
            while alias in taken:
                alias = f"{parameter.location}.{alias}"
            found[alias] = replace(parameter, alias=alias)
        return found

    @cached_property
    def fields(self) -> Mapping[str, Schema]:
        """Every input's name and schema, in order: parameters first, without constants."""
        found: dict[str, Schema] = {name: each.schema for name, each in self.parameters.items() if name not in self.constants}
        for form in self.bodies:
            for name, schema in form.properties.items():
                found.setdefault(name, schema)
        return found

    @property
    def required(self) -> tuple[str, ...]:
        """The inputs that every call needs."""
        names = [name for name, parameter in self.parameters.items() if parameter.required and name not in self.constants]
        body = self.operation.request_body
        if body and body.required and self.bodies:
            flat = [form for form in self.bodies if form.is_flat]
            # Beside an object in JSON, other types are other spellings of it.
            forms = flat if flat and flat[0].takes_json else self.bodies
            # One that only lacks fields of another, such as JSON without the files, takes what the other asks for as missing.
            whole = [form for form in forms if not any(form.properties.keys() < other.properties.keys() for other in forms)]
            shared = set.intersection(*(set(form.required) for form in whole))
            names += [name for name in whole[0].required if name in shared]
        return tuple(names)

    @cached_property
    def constants(self) -> Mapping[str, Any]:
        """Parameters that are no inputs: those that must be sent and allow one value, which every request gets.

        A header need not be required for that, where its default is the one value: an operation that names such a header wants it.
        """
        found = {}
        for name, parameter in self.parameters.items():
            allowed, default = self._allowed(parameter)
            if len(allowed) == 1 and (parameter.required or (parameter.location == "header" and default == allowed)):
                found[name] = allowed[0]
        return found

    def _allowed(self, parameter: Parameter) -> tuple[list[Any], list[Any]]:
        """The values that a parameter is limited to, none where it is not, and its default as a list."""
        try:
            schema = self._document.resolve(parameter.schema, parameter.pointer)
        except DocumentError:
            return [], []
        if not isinstance(schema, Mapping):
            return [], []
        allowed = [schema["const"]] if "const" in schema else schema.get("enum")
        return allowed if isinstance(allowed, list) else [], [schema["default"]] if "default" in schema else []

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The flat input schema, JSON Schema 2020-12, self-contained."""
        properties = {name: self._described(name, schema) for name, schema in self.fields.items()}
        files = not all(form.takes_json for form in self.bodies)
        schema = self._document.schema({"type": "object", "properties": properties}, request=True, files=files)
        schema["required"] = list(self.required)
        for name in self.parameters.keys() & properties.keys():
            if isinstance(schema["properties"][name], dict):
                schema["properties"][name].pop("readOnly", None)  # it speaks of properties (OpenAPI 3.0.4, section 4.7.24)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema

    def _described(self, name: str, schema: Schema) -> Schema:
        parameter = self.parameters.get(name)
        if not parameter or not parameter.description or not isinstance(schema, Mapping):
            return schema
        return {**schema, "description": parameter.description}

    @cached_property
    def _parameter_validator(self) -> SchemaValidator:
        properties = {name: parameter.schema for name, parameter in self.parameters.items()}
        schema = self._document.schema({"type": "object", "properties": properties}, request=True)
        schema["required"] = [name for name, parameter in self.parameters.items() if parameter.required]
        return SchemaValidator(schema, known=None)

    def check(self, inputs: Mapping[str, Any], leniency: Leniency = Leniency()) -> Checked:
        """The inputs split and checked; raises InputError with every fault that is not let through. Nothing is read or sent."""
        if not isinstance(inputs, OBJECT) or not _are_texts(inputs):
            raise InputError("The inputs are not an object.", [Fault("", "type", "must be an object with text keys.")])
        form = self._choose(_with_extra(inputs))
        values = {**self.constants, **{name: inputs[name] for name in inputs if name in self.parameters}}
        rest = {name: inputs[name] for name in inputs if name not in self.parameters} if self.parameters else {**inputs}
        extra = rest.pop(EXTRA_BODY, None) if EXTRA_BODY not in (form.properties if form else ()) else None
        reports = [self._parameter_report(values, leniency)] if self.parameters else []
        fields = extra if isinstance(extra, Mapping) and form is not None and form.is_flat else {}
        body, extra_query, warnings = self._body(form, rest, fields, leniency, reports)
        faults = [fault for report in reports for fault in report.faults]
        faults += _extra_faults(extra, form, inputs)
        faults += [_cookie_fault(name) for name, required in self._cookies.items() if required or name in inputs]
        if faults:
            raise InputError(f"The inputs of {self.operation.id} have {_count(len(faults))}", faults)
        return Checked(
            parameters=values,
            body=body,
            media_type=form.written if form and body is not ABSENT else None,
            file_fields=form.file_fields if form else frozenset(),
            extra_query=extra_query,
            warnings=tuple(warnings) + tuple(warning for report in reports for warning in report.warnings),
        )

    def _parameter_report(self, values: Mapping[str, Any], leniency: Leniency) -> CheckReport:
        report = self._parameter_validator.check(values)
        fixed = {(name,) for name, parameter in self.parameters.items() if parameter.location == "path"}
        lax = CheckReport(tuple(fault for fault in report.faults if tokens(fault.pointer)[:1] not in fixed), report.warnings)
        settled = leniency.settled(lax, values, _WARN)
        return CheckReport((*(fault for fault in report.faults if fault not in lax.faults), *settled.faults), settled.warnings)

    def _body(
        self, form: BodyForm | None, rest: dict[str, Any], extra: Mapping[str, Any], leniency: Leniency, reports: list[CheckReport]
    ) -> tuple[Any, Mapping[str, Any], list[Fault]]:
        """The body, the query that unknown fields become where there is none, and warnings; adds to ``reports``.

        A body that is not required may be left out, whatever its schema requires; with ``extra`` fields it is not.
        """
        if form is None:
            unknown, warnings = self._unknown(rest)
            reports.append(CheckReport(tuple(unknown), ()))
            return ABSENT, rest, warnings
        if form.is_flat:
            required = self.operation.request_body is not None and self.operation.request_body.required
            if not rest and not required and not extra:
                return ABSENT, {}, []
            body = merged(rest, extra)
            report = without_extra(form.check(body), rest, extra) if extra else form.check(body)
            reports.append(leniency.settled(report, body, _EXTRA))
            return body, {}, []
        unknown, warnings = self._unknown({name: value for name, value in rest.items() if name != BODY})
        reports.append(CheckReport(tuple(unknown), ()))
        if BODY not in rest:
            if self.operation.request_body and self.operation.request_body.required:
                reports.append(CheckReport((Fault(f"/{BODY}", "required", "is missing.", f"Add `{BODY}`."),), ()))
            return ABSENT, {}, warnings
        if form.takes_json and not is_file(rest[BODY]):
            report = leniency.settled(form.check(rest[BODY]), rest[BODY], _WARN)
            reports.append(CheckReport(tuple(_below(report.faults)), tuple(_below(report.warnings))))
        return rest[BODY], {}, warnings

    def _unknown(self, names: Mapping[str, Any]) -> tuple[list[Fault], list[Fault]]:
        """Faults for near misses of a known name, warnings for the other unknown ones."""
        validator = SchemaValidator({"type": "object"}, known=frozenset(self.fields))
        report = validator.check(dict.fromkeys(names, ""))
        return list(report.faults), list(report.warnings)

    def _choose(self, inputs: Mapping[str, Any]) -> BodyForm | None:
        """The body form that the inputs mean: a file means multipart, ``body`` means the one that is not an object."""
        if len(self.bodies) < 2:  # noqa: PLR2004 - nothing to choose
            return self.bodies[0] if self.bodies else None
        flat = [form for form in self.bodies if form.is_flat]
        if BODY in inputs and len(flat) < len(self.bodies) and BODY not in self.fields.keys() - {BODY}:
            whole = [form for form in self.bodies if not form.is_flat]
            files = [form for form in whole if not is_json(form.media_type.name)] if is_file(inputs[BODY]) else []
            return (files or whole)[0]
        plain = [form for form in flat if not form.file_fields]
        for form in flat:
            others = {name for other in plain for name in other.properties}
            if any(name in inputs and (name not in others or is_file(inputs[name])) for name in form.file_fields):
                return form
        known = plain or flat or list(self.bodies)
        return max(known, key=lambda form: sum(name in inputs for name in form.properties))


def is_file(value: Any) -> bool:
    """Whether a value is a file in one of the accepted forms, or a list with one."""
    if isinstance(value, (bytes, bytearray, memoryview, os.PathLike)) or hasattr(value, "read") or hasattr(value, "open"):
        return True
    if isinstance(value, str):
        return value.startswith("data:")
    if isinstance(value, Mapping):
        return bool(_FILE_KEYS & value.keys())
    if isinstance(value, tuple):
        return len(value) > 1
    return isinstance(value, list) and any(is_file(item) for item in value)


def _are_texts(names: Iterable[Any]) -> bool:
    return set(map(type, names)) <= {str} or all(isinstance(name, str) for name in names)


def _with_extra(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    extra = inputs.get(EXTRA_BODY)
    return {**extra, **inputs} if isinstance(extra, Mapping) else inputs


def _below(faults: Iterable[Fault]) -> Iterator[Fault]:
    for fault in faults:
        yield Fault(f"/{BODY}{fault.pointer}", fault.rule, fault.message, fault.fix, fault.allowed)


def _extra_faults(extra: Any, form: BodyForm | None, inputs: Mapping[str, Any]) -> list[Fault]:
    if extra is None:
        return []
    pointer = f"/{EXTRA_BODY}"
    if not isinstance(extra, Mapping):
        return [Fault(pointer, "type", "must be an object.", "Give the extra fields as an object.")]
    if form is None or not form.is_flat:
        return [Fault(pointer, "body", "has no place: this action has no body with fields.", "Leave it out.")]
    fix = f"Give it once: in `{EXTRA_BODY}` where the description does not know its value."
    return [Fault(place, "twice", "is given twice.", fix) for place in given_twice(inputs, extra, pointer)]


def _cookie_fault(name: str) -> Fault:
    return Fault(f"/{name}", "cookie", "is a cookie, and nothing here sends cookies.", "Call this operation with another client.")


def _count(number: int) -> str:
    return "1 fault:" if number == 1 else f"{number} faults:"
