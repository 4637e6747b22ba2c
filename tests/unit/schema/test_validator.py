"""Every fault at once, each with its place, its rule, what is permitted and a fix; never the value itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from kosha_connector_openai.errors import DocumentError, InputError
from kosha_connector_openai.openapi.dialect import flatten_properties, to_json_schema
from kosha_connector_openai.openapi.document import Document, read_document
from kosha_connector_openai.schema.python_backend import PythonBackend
from kosha_connector_openai.schema.rust_backend import RustBackend
from kosha_connector_openai.schema.validator import CheckReport, SchemaValidator

CANARY = "sk-canary-5e1f0c9a"
DESCRIPTION = Path(__file__).parents[3] / "openapi.json"

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
MESSAGE = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"role": {"const": "user"}, "content": TEXT, "name": TEXT},
            "required": ["role", "content"],
        },
        {"type": "object", "properties": {"role": {"enum": ["assistant"]}, "content": TEXT}, "required": ["role"]},
        {"type": "object", "properties": {"role": {"const": "tool"}, "tool_id": TEXT}, "required": ["role", "tool_id"]},
    ]
}
TOKENS = {
    "anyOf": [
        TEXT,
        {"type": "array", "items": TEXT, "minItems": 1},
        {"type": "array", "items": INTEGER, "minItems": 1},
        {"type": "array", "items": {"type": "array", "items": INTEGER}, "minItems": 1},
    ]
}
CLOSED = {"type": "object", "properties": {"temperature": {"type": "number"}, "seed": INTEGER}, "additionalProperties": False}
UNEVALUATED = {"properties": {"max_tokens": INTEGER}, "unevaluatedProperties": False}
MODE_OR_OBJECT = {"anyOf": [{"enum": ["auto", "none"]}, {"type": "object"}]}
CHOICE_IN_CHOICE = {"anyOf": [{"anyOf": [INTEGER, {"type": "boolean"}]}, {"type": "null"}]}
TREE = {"$ref": "#/$defs/Tree"}
DEFS = {
    "Share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "Tree": {
        "type": "object",
        "properties": {"name": TEXT, "parts": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["name"],
    },
    "Mode": {"type": "string", "enum": ["low", "medium", "high"]},
}

WRONG = [
    # what is wrong: schema of the field, value, pointer below the field, rule, words of the message, words of the fix
    ("text for number", {"type": "number"}, CANARY, "", "type", "must be a number, not a text", "Give a number."),
    ("quoted number", {"type": "number"}, "0.5", "", "type", "must be a number", "Remove the quotes."),
    ("quoted integer", INTEGER, "12", "", "type", "a whole number, not a text", "Remove the quotes."),
    ("quoted boolean", {"type": "boolean"}, "True", "", "type", "true or false, not a text", "Remove the quotes."),
    ("true for number", {"type": "number"}, True, "", "type", "not true or false", ""),
    ("true for integer", INTEGER, False, "", "type", "not true or false", ""),
    ("fraction for integer", INTEGER, 1.5, "", "type", "a whole number, not a fraction", "Give a whole number."),
    ("number for text", TEXT, 5, "", "type", "must be a text, not a number", "Put it in quotes."),
    ("boolean for text", TEXT, True, "", "type", "must be a text", "Put it in quotes."),
    ("null for optional", TEXT, None, "", "type", "not null", "Leave the field out instead of null."),
    ("list for text", TEXT, [CANARY], "", "type", "must be a text, not a list", "Give a text."),
    ("object for text", TEXT, {CANARY: CANARY}, "", "type", "must be a text, not an object", ""),
    ("text for list", {"type": "array"}, CANARY, "", "type", "must be a list, not a text", "Put it in a list."),
    ("object for list", {"type": "array"}, {"a": CANARY}, "", "type", "must be a list, not an object", "Put it in a list."),
    ("JSON text for list", {"type": "array"}, f'["{CANARY}"]', "", "type", "must be a list", "Give the list itself"),
    ("JSON text for object", {"type": "object"}, f'{{"a": "{CANARY}"}}', "", "type", "must be an object", "Give the object itself"),
    ("text for object", {"type": "object"}, CANARY, "", "type", "must be an object, not a text", ""),
    ("two types", {"type": ["string", "integer"]}, [CANARY], "", "type", "must be a text or a whole number", ""),
    ("nullable type", {"type": ["string", "null"]}, 5, "", "type", "must be a text, not a number", "Put it in quotes."),
    ("NaN", {"type": "number"}, float("nan"), "", "type", "not infinity or NaN", "Give a number."),
    ("infinity", {"type": "number"}, float("inf"), "", "type", "not infinity or NaN", ""),
    ("too large", {"type": "number", "maximum": 2}, 3, "", "maximum", "must be at most 2", "Send a value of at most 2."),
    ("very large", {"type": "number", "maximum": 2}, 10**300, "", "maximum", "must be at most 2", ""),
    ("between", {"type": ["number", "null"], "minimum": 0, "maximum": 2}, 2.5, "", "maximum", "at most 2.", "Send a value from 0 to 2."),
    ("between, referred", {"$ref": "#/$defs/Share"}, -1, "", "exclusiveMinimum", "more than 0.", "a value that is above 0 and at most 1."),
    ("count between", {"minItems": 1, "maxItems": 4}, [CANARY] * 5, "", "maxItems", "at most 4 items.", "Send 1 to 4 items."),
    ("exact length", {"minLength": 2, "maxLength": 2}, CANARY, "", "maxLength", "at most 2 characters.", "Send 2 characters."),
    ("too small", {"type": "number", "minimum": 0}, -1, "", "minimum", "must be at least 0", ""),
    ("not below", {"exclusiveMaximum": 1}, 1, "", "exclusiveMaximum", "must be less than 1", "Send a value below 1."),
    ("not above", {"exclusiveMinimum": 0}, 0, "", "exclusiveMinimum", "must be more than 0", ""),
    ("no multiple", {"multipleOf": 8}, 12, "", "multipleOf", "must be a multiple of 8", "Send 0, 8 or another multiple."),
    ("too short", {"minLength": 1}, "", "", "minLength", "must have at least 1 character.", "Send 1 character or more."),
    ("too long", {"maxLength": 3}, CANARY, "", "maxLength", "must have at most 3 characters.", "Send 3 characters or fewer."),
    ("no match", {"pattern": "^[a-z]{4}$"}, CANARY, "", "pattern", "must match the pattern `^[a-z]{4}$`", "so that it matches"),
    ("empty list", {"minItems": 1}, [], "", "minItems", "must have at least 1 item.", "Send 1 item or more."),
    ("long list", {"maxItems": 2}, [CANARY] * 3, "", "maxItems", "must have at most 2 items.", "Send 2 items or fewer."),
    ("repeats", {"uniqueItems": True}, [CANARY, CANARY], "", "uniqueItems", "the same item twice", "Remove the repeats."),
    ("few fields", {"minProperties": 2}, {CANARY: 1}, "", "minProperties", "at least 2 fields", "Send 2 fields or more."),
    ("many fields", {"maxProperties": 1}, {"a": CANARY, "b": 1}, "", "maxProperties", "at most 1 field.", "Send 1 field or fewer."),
    ("no such item", {"contains": INTEGER}, [CANARY], "", "contains", "must have an item", "Add one."),
    ("forbidden form", {"not": TEXT}, CANARY, "", "not", "a form that is not allowed", ""),
    ("not together", {"not": {"required": ["a", "b"]}}, {"a": CANARY, "b": 1}, "", "not", "must not have `a`, `b` together", "Leave one"),
    ("bad name", {"propertyNames": {"maxLength": 3}}, {"names": CANARY}, "/names", "propertyNames", "not an accepted name", "Rename it."),
    ("not listed", {"enum": ["low", "high"]}, CANARY, "", "enum", "must be one of: low, high.", ""),
    ("nearly listed", {"enum": ["low", "high"]}, "hgih", "", "enum", "must be one of: low, high.", "Did you mean `high`?"),
    ("listed in capitals", {"$ref": "#/$defs/Mode"}, "LOW", "", "enum", "low, medium, high", "Did you mean `low`?"),
    ("listed type and text", {"$ref": "#/$defs/Mode"}, 5, "", "enum", "must be one of", ""),
    ("null for listed", {"$ref": "#/$defs/Mode"}, None, "", "type", "not null", "Leave the field out instead of null."),
    ("long list of values", {"enum": list(range(30))}, CANARY, "", "enum", "18, 19 and 10 more.", ""),
    ("constant", {"const": "v1"}, CANARY, "", "const", "must be `v1`.", ""),
    ("number for constant", {"const": "v1"}, 1, "", "const", "must be `v1`.", ""),
    ("nearly constant", {"const": "session"}, "sesion", "", "const", "must be `session`.", "Did you mean `session`?"),
    ("missing", {"required": ["kind"]}, {"a": CANARY}, "/kind", "required", "is missing.", "Add `kind`."),
    ("missing beside another", {"dependentRequired": {"a": ["b"]}}, {"a": CANARY}, "/b", "required", "is missing.", "Add `b`."),
    ("deep", TREE, {"name": "a", "parts": [{"name": "b", "parts": [{"name": 5}]}]}, "/parts/0/parts/0/name", "type", "must be a text", ""),
    ("escaped pointer", {"additionalProperties": INTEGER}, {"a/b~c": CANARY}, "/a~1b~0c", "type", "a whole number", ""),
    ("name like a number", {"additionalProperties": INTEGER}, {"007": CANARY}, "/007", "type", "a whole number", ""),
    ("else", {"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": CANARY}, "/b", "required", "is missing", "Add `b`."),
    # choices: the true fault, not "matches no branch"
    ("no branch's type", MESSAGE, CANARY, "", "type", "must be an object, not a text", ""),
    ("unknown tag", MESSAGE, {"role": CANARY, "content": "a"}, "/role", "enum", "one of: user, assistant, tool.", ""),
    ("nearly a tag", MESSAGE, {"role": "usr", "content": CANARY}, "/role", "enum", "one of: user", "Did you mean `user`?"),
    ("no tag", MESSAGE, {"content": CANARY}, "/role", "required", "must be one of: user, assistant.", "Add `role`."),
    ("fault behind the tag", MESSAGE, {"role": "tool", "tool_id": [CANARY]}, "/tool_id", "type", "must be a text", ""),
    ("missing behind the tag", MESSAGE, {"role": "tool", "content": CANARY}, "/tool_id", "required", "is missing.", "Add `tool_id`."),
    ("no type of several", TOKENS, True, "", "type", "must be a text or a list, not true", "Put it in quotes."),
    ("fault in every branch", TOKENS, [], "", "minItems", "must have at least 1 item", ""),
    ("no item's type", TOKENS, [1.5], "/0", "type", "a text, a whole number or a list, not a fraction", ""),
    ("mixed items", TOKENS, [CANARY, 1], "", "anyOf", "a list of texts or a list of whole numbers.", ""),
    ("deepest branch", TOKENS, [[1, 2], [3, CANARY]], "/1/1", "type", "must be a whole number", ""),
    ("mode or object", MODE_OR_OBJECT, "atuo", "", "enum", "auto, none", "Did you mean `auto`?"),
    ("constants", {"anyOf": [{"const": "auto"}, {"const": "none"}]}, CANARY, "", "enum", "must be one of: auto, none", ""),
    ("neither", {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"c": CANARY}, "", "anyOf", "with `a` or an object with `b`", ""),
    ("choice in choice", CHOICE_IN_CHOICE, CANARY, "", "type", "a whole number or true or false", ""),
    ("more than one", {"oneOf": [TEXT, {"minLength": 1}]}, CANARY, "", "oneOf", "more than one", "all forms but one"),
    # closed objects
    ("misspelt", CLOSED, {"temprature": 1, "seed": 2}, "/temprature", "unknown", "not a known field", "Did you mean `temperature`?"),
    ("camel case", UNEVALUATED, {"maxTokens": 1}, "/maxTokens", "unknown", "not a known", "`max_tokens`?"),
    ("never allowed", {"properties": {"a": False}}, {"a": CANARY}, "/a", "falseSchema", "is not allowed here", "Leave it out."),
]  # fmt: skip


def field(schema: Any) -> SchemaValidator:
    whole = {"type": "object", "properties": {"prompt": TEXT, "x": schema}, "$defs": DEFS}
    return SchemaValidator(whole, known=frozenset({"prompt", "x"}))


@pytest.mark.parametrize(
    ("schema", "value", "pointer", "rule", "message", "fix"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_fault_is_told(schema: Any, value: Any, pointer: str, rule: str, message: str, fix: str) -> None:
    """Each wrong input is one fault with its pointer, its rule, the reason and a fix; P13: no value is repeated."""
    report = field(schema).check({"prompt": CANARY, "x": value})
    assert [(fault.pointer, fault.rule) for fault in report.faults] == [(f"/x{pointer}", rule)]
    assert message in report.faults[0].message
    assert fix in report.faults[0].fix
    assert CANARY not in f"{report!r}"


RIGHT = [
    ("1.0 for integer", INTEGER, 1.0),
    ("large integer", INTEGER, 10**300),
    ("minus zero", {"minimum": 0}, -0.0),
    ("null where allowed", {"type": ["string", "null"]}, None),
    ("tuple for list", {"type": "array"}, (1, 2)),
    ("recursion", TREE, {"name": "a", "parts": [{"name": "b", "parts": []}]}),
    ("a tag's branch", MESSAGE, {"role": "user", "content": CANARY}),
    ("numbers of two lists", TOKENS, [[1, 2], [3]]),
    ("formats are the provider's to judge", {"format": "date-time"}, CANARY),
]


@pytest.mark.parametrize(("schema", "value"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_a_valid_value_has_an_empty_report(schema: Any, value: Any) -> None:
    """What JSON Schema accepts passes without a word."""
    assert field(schema).check({"prompt": CANARY, "x": value}) == CheckReport()


@pytest.mark.parametrize("backend", [RustBackend, PythonBackend])
def test_every_fault_is_told_at_once(backend: Callable[[], Any]) -> None:
    """Independent faults come in one report: names and missing fields first, then types, values, bounds."""
    schema = {
        "type": "object",
        "properties": {"model": TEXT, "mode": {"$ref": "#/$defs/Mode"}, "n": INTEGER, "temperature": {"maximum": 2}, "stop": TEXT},
        "required": ["model", "stop"],
        "$defs": DEFS,
    }
    validator = SchemaValidator(schema, known=frozenset(schema["properties"]), backend=backend())
    report = validator.check({"modle": "m", "mode": "x", "n": "1", "temperature": 3, "other": CANARY})
    assert [str(fault) for fault in report.faults] == [
        "/modle: is not a known field. Did you mean `model`?",
        "/stop: is missing. Add `stop`.",
        "/n: must be a whole number, not a text. Remove the quotes.",
        "/mode: must be one of: low, medium, high.",
        "/temperature: must be at most 2. Send a value of at most 2.",
    ]
    assert [fault.allowed for fault in report.faults] == [None, None, "integer", ("low", "medium", "high"), 2]
    assert [str(fault) for fault in report.warnings] == ["/other: is not a known field. It is passed on as it is."]


def test_null_for_a_required_field() -> None:
    """A required field cannot be left out, so the fix is another one."""
    report = SchemaValidator({"properties": {"a": TEXT}, "required": ["a"]}).check({"a": None})
    assert [fault.fix for fault in report.faults] == ["Give a value."]


def test_unknown_names_pass_with_a_warning() -> None:
    """P15: a new field of the provider is passed on; only a slip in a free known name is refused."""
    validator = SchemaValidator({"type": "object"}, known=frozenset({"temperature", "top_p"}))
    assert validator.check({"top_k": 1}).faults == ()
    assert [fault.pointer for fault in validator.check({"top_k": 1}).warnings] == ["/top_k"]
    assert [fault.pointer for fault in validator.check({"temperatur": 1}).faults] == ["/temperatur"]
    assert validator.check({"temperatur": 1, "temperature": 1}).faults == ()


def test_unknown_names_in_closed_objects_pass_with_a_warning() -> None:
    """A closed object further in is judged by the same rule, inside branches too."""
    schema = {"properties": {"x": {"anyOf": [CLOSED, TEXT]}}}
    report = SchemaValidator(schema).check({"x": {"seed": 1, "brand_new": CANARY}})
    assert report.faults == ()
    assert [(fault.pointer, fault.rule) for fault in report.warnings] == [("/x/brand_new", "unknown")]


def test_a_new_name_does_not_hide_a_fault() -> None:
    """Beside an unknown name that passes, what is really wrong is still told."""
    report = SchemaValidator(CLOSED).check({"brand_new": CANARY, "seed": "1"})
    assert [(fault.pointer, fault.rule) for fault in report.faults] == [("/seed", "type")]
    assert [fault.pointer for fault in report.warnings] == ["/brand_new"]


def test_what_is_negated_stays_closed() -> None:
    """Opening closed objects never makes ``not`` refuse more, or a ``oneOf`` fit more than once."""
    schema = {
        "oneOf": [CLOSED, {"type": "object", "properties": {"seed": INTEGER}, "additionalProperties": False}],
        "not": {"additionalProperties": False},
    }
    report = SchemaValidator(schema).check({"brand_new": CANARY})
    assert report.faults == ()


NOT_JSON = [
    ("lone surrogate", {"a": [{"b": f"{CANARY}\ud800"}]}, "/a/0/b", "half of a surrogate pair"),
    ("bytes", {"a": [CANARY.encode()]}, "/a/0", "which JSON lacks"),
    ("set", {"a": {CANARY}}, "/a", "which JSON lacks"),
    ("object", {"a": object()}, "/a", "which JSON lacks"),
    ("names that are numbers", {"a": {1: CANARY}}, "/a", "a key that is not text"),
    ("surrogate in a name", {"a": {f"{CANARY}\ud800": 1}}, "/a", "half of a surrogate pair"),
]


@pytest.mark.parametrize(("value", "pointer", "message"), [row[1:] for row in NOT_JSON], ids=[row[0] for row in NOT_JSON])
def test_values_that_json_lacks(value: Any, pointer: str, message: str) -> None:
    """P10, P11: what JSON does not have is a fault with its place, not a crash of the backend."""
    report = SchemaValidator({"properties": {"a": {"enum": ["a", [1], {"b": "c"}]}}}).check(value)
    assert [fault.pointer for fault in report.faults] == [pointer]
    assert message in report.faults[0].message
    assert CANARY not in f"{report!r}"


def test_pointers_are_cut_and_safe() -> None:
    """The names in a pointer are input: control and direction characters are replaced, and they are cut to 64."""
    report = SchemaValidator({"additionalProperties": INTEGER}).check({"\x1b[2J\u202e\n" + "a" * 100: "b"})
    assert [fault.pointer for fault in report.faults] == ["/?[2J??" + "a" * 58 + "…"]


def test_many_faults_are_counted_not_listed() -> None:
    """A report lists a hundred faults and says that there may be more."""
    report = SchemaValidator({"items": INTEGER}).check([CANARY] * 1_000)
    assert len(report.faults) == 101
    assert report.faults[-1].rule == "more"


def test_a_large_value_is_looked_at_in_parts() -> None:
    """Where listing all could take seconds, the first faulty part of a long list is told, with its true place."""
    schema = {"type": "object", "properties": {"list": {"type": "array", "items": MESSAGE}, "n": INTEGER}}
    messages = [{"role": "user", "content": "a"} for _ in range(90_000)]
    messages[70_001] = {"role": "user", "content": [CANARY]}
    report = SchemaValidator(schema).check({"n": 1, "list": messages})
    assert [(fault.pointer, fault.rule) for fault in report.faults] == [("/list/70001/content", "type"), ("", "more")]


def test_a_large_value_whose_fault_has_no_place() -> None:
    """A fault of the whole of a large list is told without its place rather than not at all."""
    schema = {"maxItems": 50, "items": {"anyOf": [{"minimum": number} for number in range(20)]}}
    report = SchemaValidator(schema).check(list(range(60_000)))
    assert [(fault.pointer, fault.rule) for fault in report.faults] == [("", "schema"), ("", "more")]


def test_threads_share_a_validator() -> None:
    """Eight threads that use a fresh validator at once all get the same report."""
    validator, barrier, found = field(MESSAGE), Barrier(8), []

    def check() -> None:
        barrier.wait()
        found.append(validator.check({"x": {"role": "usr"}}))

    threads = [Thread(target=check) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 8
    assert len({str(report) for report in found}) == 1


def test_a_faulty_schema_is_the_descriptions_fault() -> None:
    """A schema that is no JSON Schema is a DocumentError with the place in the schema."""
    with pytest.raises(DocumentError) as caught:
        SchemaValidator({"properties": {"a": {"minimum": "x"}}}).check({})
    assert caught.value.pointer == "/properties/a/minimum"


def nested(leaf: Any, wrap: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    levels = {f"L{n}": {"anyOf": [wrap({"$ref": f"#/$defs/L{n + 1}"}) for _ in range(8)]} for n in range(12)}
    return {"$ref": "#/$defs/L0", "$defs": levels | {"L12": leaf}}


def test_branches_upon_branches_are_refused() -> None:
    """S11: twelve nested choices of eight, 8**12 visits, are refused before anything is checked."""
    with pytest.raises(InputError) as caught:
        SchemaValidator(nested(INTEGER, lambda reference: {"allOf": [reference]})).check(CANARY)
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("", "too-complex")]
    assert CANARY not in f"{caught.value!r} {caught.value}"


def test_branches_that_descend_are_refused_from_a_depth_on() -> None:
    """S11: where the branches multiply level by level, shallow values are checked and deep ones refused with the place."""
    validator = SchemaValidator(nested(INTEGER, lambda reference: {"type": "object", "properties": {"x": reference}}))
    assert [fault.rule for fault in validator.check({"x": {"x": CANARY}}).faults] == ["type"]
    with pytest.raises(InputError) as caught:
        validator.check({"x": {"x": {"x": {"x": CANARY}}}})
    assert [fault.pointer for fault in caught.value.faults] == ["/x/x/x"]


def test_unique_items_of_many_objects() -> None:
    """S11: a hundred thousand objects are compared in bounded time, the one repeat found."""
    schema = {"uniqueItems": True, "items": {"type": "object"}}
    values = [{"a": number, "b": [number]} for number in range(100_000)]
    assert SchemaValidator(schema).check(values) == CheckReport()
    assert SchemaValidator(schema).check([*values, values[0]]).faults != ()


REAL = [
    ("createChatCompletion", {"messages": [CANARY]}, [("/model", "required"), ("/messages/0", "type")]),
    ("createChatCompletion", {"modle": "m", "messages": [{"role": "user", "content": CANARY}]}, [("/modle", "unknown")]),
    ("createChatCompletion", {"model": "m", "messages": CANARY}, [("/messages", "type")]),
    ("createChatCompletion", {"model": "m", "messages": []}, [("/messages", "minItems")]),
    ("createChatCompletion", {"model": "m", "messages": [{"role": "usr", "content": CANARY}]}, [("/messages/0/role", "enum")]),
    ("createChatCompletion", {"model": "m", "messages": [{"content": CANARY}]}, [("/messages/0/role", "required")]),
    ("createChatCompletion", {"model": "m", "messages": [{"role": "user", "content": 3}]}, [("/messages/0/content", "type")]),
    (
        "createChatCompletion",
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "txt", "text": CANARY}]}]},
        [("/messages/0/content/0/type", "enum")],
    ),
    (
        "createChatCompletion",
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "txt": CANARY}]}]},
        [("/messages/0/content/0/text", "required")],
    ),
    (
        "createChatCompletion",
        {
            "model": "m",
            "messages": [{"role": "user", "content": CANARY}],
            "temperature": "1",
            "top_p": 3,
            "n": 0,
            "stream": "true",
            "maxTokens": 4,
            "reasoning_effort": "hgih",
            "tool_choice": "atuo",
        },
        [
            ("/maxTokens", "unknown"),
            ("/stream", "type"),
            ("/temperature", "type"),
            ("/reasoning_effort", "enum"),
            ("/tool_choice", "enum"),
            ("/n", "minimum"),
            ("/top_p", "maximum"),
        ],
    ),
    (
        "createChatCompletion",
        {"model": "m", "messages": [{"role": "user", "content": CANARY}], "tools": [{"type": "function"}], "stop": [1]},
        [("/tools/0/function", "required"), ("/stop/0", "type")],
    ),
    (
        "createChatCompletion",
        {"model": "m", "messages": [{"role": "user", "content": CANARY}], "response_format": {"type": "json"}},
        [("/response_format/type", "enum")],
    ),
    ("createEmbedding", {"model": "m", "input": []}, [("/input", "minItems")]),
    ("createEmbedding", {"model": "m", "input": [CANARY, 1]}, [("/input", "anyOf")]),
    ("createEmbedding", {"model": "m", "input": True}, [("/input", "type")]),
    ("createEmbedding", {"model": "m", "input": CANARY, "dimension": 3}, [("/dimension", "unknown")]),
    ("createResponse", {"model": "m", "input": 5}, [("/input", "type")]),
    ("createResponse", {"model": "m", "input": [{"role": "usr", "content": CANARY}]}, [("/input/0/role", "enum")]),
    ("createResponse", {"model": "m", "input": [{"content": CANARY}]}, [("/input/0/role", "required")]),
    (
        "createResponse",
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_txt", "text": CANARY}]}]},
        [("/input/0/content/0/type", "enum")],
    ),
    (
        "createResponse",
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "txt": CANARY}]}]},
        [("/input/0/content/0/text", "required")],
    ),
    ("createResponse", {"model": "m", "input": CANARY, "tools": [{"type": "functoin"}]}, [("/tools/0/type", "enum")]),
    (
        "createResponse",
        {"model": "m", "input": [{"type": "function_call", "name": 3, "call_id": CANARY}]},
        [("/input/0/arguments", "required"), ("/input/0/name", "type")],
    ),
]


@pytest.fixture(scope="module")
def document() -> Document:
    if not DESCRIPTION.exists():
        pytest.skip("the description is not here")
    return read_document(DESCRIPTION)


@pytest.mark.parametrize(("operation", "body", "expected"), REAL)
def test_faults_in_real_bodies(document: Document, operation: str, body: Any, expected: list[tuple[str, str]]) -> None:
    """In the bodies that this connector offers, the true faults are named, inside unions too, and nothing else."""
    request = document[operation].request_body
    assert request is not None
    schema = request.content["application/json"].schema
    flat = flatten_properties(document.root, schema, document.version)
    assert flat is not None
    whole = to_json_schema(document.root, schema, version=document.version, request=True)
    report = SchemaValidator(whole, known=frozenset(flat[0])).check(body)
    assert [(fault.pointer, fault.rule) for fault in report.faults] == expected
    assert CANARY not in f"{report!r}"
    assert report.warnings == ()
