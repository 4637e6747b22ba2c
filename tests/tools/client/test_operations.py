"""Methods: what a method of a resource sends and gets, for every way that a client writes it."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.sdk.node import Node
from tests.tools.client.source import RESOURCE_IMPORTS, files, method, operation, read

OPTIONS = "options=make_request_options(extra_headers=extra_headers, extra_query=extra_query)"
GET = f'return self._get("/things", {OPTIONS}, cast_to=Thing)'
POST = """
return self._post(
    "/things",
    body=maybe_transform({"name": name, "tags": tags}, thing_params.ThingParams),
    options=make_request_options(extra_headers=extra_headers),
    cast_to=Thing,
)
"""
PARAMS = """
class ThingParams(TypedDict, total=False):
    name: Required[str]
    tags: Optional[List[str]]
    elsewhere: str
"""
ARGUMENTS = "self, *, name: str, tags: Optional[List[str]] | Omit = omit"
TEXT = {"type": "string"}


def parameters(found: Node) -> list[Node]:
    given: list[Node] = found.get("parameters", [])
    return given


def body(found: Node, media_type: str = "application/json") -> Node:
    schema: Node = found["requestBody"]["content"][media_type]["schema"]
    return schema


@pytest.mark.parametrize(
    ("call", "verb"),
    [("_get", "get"), ("_post", "post"), ("_put", "put"), ("_patch", "patch"), ("_delete", "delete")],
)
def test_method_of_http(call: str, verb: str) -> None:
    """Each function of the client that sends has its HTTP method."""
    reading = read(method(f'return self.{call}("/things", cast_to=Thing)'))
    assert list(reading.document["paths"]["/things"]) == [verb]


@pytest.mark.parametrize(
    "path",
    ['path_template("/things/{thing_id}/parts/{part}", thing_id=thing_id, part=part)', 'f"/things/{thing_id}/parts/{part}"'],
)
def test_path_variables(path: str) -> None:
    """Of a template or an f-string, in order, with the types of their arguments."""
    made = method(f"return self._get({path}, cast_to=Thing)", arguments="self, thing_id: str, *, part: Literal['a', 'b']")
    assert list(read(made).document["paths"]) == ["/things/{thing_id}/parts/{part}"]
    assert parameters(operation(made)) == [
        {"name": "thing_id", "in": "path", "required": True, "schema": TEXT},
        {"name": "part", "in": "path", "required": True, "schema": {"type": "string", "enum": ["a", "b"]}},
    ]


def test_path_keeps_its_own_query() -> None:
    """A path with a query of its own is a path of its own, and its id begins with the query's name."""
    reading = read(method('return self._get("/things?beta=true", cast_to=Thing)', name="list"))
    assert list(reading.document["paths"]) == ["/things?beta=true"]
    assert reading.document["paths"]["/things?beta=true"]["get"]["operationId"] == "beta_listThings"


def test_body_has_the_fields_that_are_sent() -> None:
    """Of a class of parameters only what this method puts into the body; required when one of them is."""
    found = operation(method(POST, params=PARAMS, arguments=ARGUMENTS))
    assert found["requestBody"]["required"] is True
    assert body(found) == {
        "type": "object",
        "properties": {"name": TEXT, "tags": {"type": ["array", "null"], "items": TEXT}},
        "required": ["name"],
    }


def test_body_by_a_local_name_and_helpers() -> None:
    """Copies, casts and a runtime helper around the table do not hide it."""
    call = 'return self._post("/things", body=maybe_transform(TABLE, thing_params.ThingParams), cast_to=Thing)'
    for first, table in (
        ('body = deepcopy_with_paths({"name": name}, [["name"]])', "body"),
        ('body = cast(Any, {"name": name})', "body"),
        ('context = prepare(self, {"name": name}, stream=1)', "context.body"),
    ):
        text = f"{first}\n{call.replace('TABLE', table)}"
        assert list(body(operation(method(text, params=PARAMS, arguments=ARGUMENTS)))["properties"]) == ["name"]


def test_body_with_another_name_on_the_wire() -> None:
    """An alias of the class of parameters holds."""
    params = "class ThingParams(TypedDict, total=False):\n    name: Annotated[str, PropertyInfo(alias='the-name')]"
    assert list(body(operation(method(POST.replace(', "tags": tags', ""), params=params, arguments=ARGUMENTS)))["properties"]) == [
        "the-name"
    ]


def test_field_that_the_class_does_not_name_comes_from_the_signature() -> None:
    """The argument's type and default count then."""
    found = body(operation(method(POST, params="class ThingParams(TypedDict):\n    name: str", arguments=ARGUMENTS)))
    assert found["properties"]["tags"] == {"type": ["array", "null"], "items": TEXT}
    assert found["required"] == ["name"]


def test_body_without_a_class_comes_from_the_signature() -> None:
    """A plain table is sent as it is; a constant in it is a fact."""
    text = 'return self._post("/things", body={"name": name, "kind": "x"}, cast_to=Thing)'
    assert body(operation(method(text, arguments="self, *, name: str"))) == {
        "type": "object",
        "properties": {"name": TEXT, "kind": {"const": "x"}},
        "required": ["name", "kind"],
    }


def test_body_that_is_a_list() -> None:
    """A body need not be an object."""
    text = 'return self._post("/things", body=maybe_transform(items, Iterable[thing_params.Item]), cast_to=Thing)'
    made = method(text, params="class Item(TypedDict):\n    a: str", arguments="self, *, items: Iterable[thing_params.Item]")
    found = body(operation(made))
    assert found["type"] == "array"
    assert found["items"]["$ref"].endswith("/ThingParamsItem")


def test_body_of_bytes() -> None:
    """What is sent as `content` is a body of bytes."""
    text = """
    extra_headers = {"Content-Type": "application/octet-stream", **(extra_headers or {})}
    return self._post("/things", content=data, cast_to=Thing)
    """
    assert body(operation(method(text, arguments="self, data: bytes")), "application/octet-stream") == {
        "type": "string",
        "format": "binary",
    }


STREAMING = """
class Base(TypedDict, total=False):
    name: Required[str]
class Plain(Base, total=False):
    stream: Optional[Literal[False]]
class Streaming(Base):
    stream: Required[Literal[True]]
ThingParams = Union[Plain, Streaming]
"""
STREAMED = """
return self._post(
    "/things",
    body=maybe_transform({"name": name, "stream": stream}, thing_params.Streaming if stream else thing_params.Plain),
    options=make_request_options(extra_headers=extra_headers),
    cast_to=Thing,
    stream=stream or False,
    stream_cls=Stream[ThingEvent],
)
"""


@pytest.mark.parametrize("types", ["thing_params.Streaming if stream else thing_params.Plain", "thing_params.ThingParams"])
def test_stream_switch_joins_the_two_classes(types: str) -> None:
    """One body whose `stream` is optional, and both answers."""
    text = STREAMED.replace("thing_params.Streaming if stream else thing_params.Plain", types)
    found = operation(method(text, params=STREAMING, arguments="self, *, name: str, stream: bool | Omit = omit"))
    assert body(found) == {"type": "object", "properties": {"name": TEXT, "stream": {"type": ["boolean", "null"]}}, "required": ["name"]}
    content = found["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["$ref"].endswith("/Thing")
    assert content["text/event-stream"]["schema"]["$ref"].endswith("/ThingEvent")


def test_alternatives_of_a_body_stay_apart() -> None:
    """Classes that differ in more than a switch are alternatives, each with its own required fields."""
    params = """
    class A(TypedDict, total=False):
        kind: Required[Literal["a"]]
        name: Required[str]
    class B(TypedDict, total=False):
        kind: Required[Literal["b"]]
        tags: Required[List[str]]
    ThingParams: TypeAlias = Union[A, B]
    """
    text = POST.replace('"name": name', '"kind": kind, "name": name')
    found = body(
        operation(method(text, params=params, arguments="self, *, kind: str, name: str | Omit = omit, tags: List[str] | Omit = omit"))
    )
    assert [branch["required"] for branch in found["anyOf"]] == [["kind", "name"], ["kind", "tags"]]
    assert [branch["properties"]["kind"]["const"] for branch in found["anyOf"]] == ["a", "b"]


QUERY = """
return self._get(
    "/things",
    options=make_request_options(query=maybe_transform({"limit": limit, "ids": ids, "meta": meta}, thing_params.ThingParams)),
    cast_to=Thing,
)
"""


def test_query_parameters() -> None:
    """Arrays as the client writes their names, maps as deep objects, required as the class says."""
    params = "class ThingParams(TypedDict, total=False):\n    limit: Required[int]\n    ids: List[str]\n    meta: Dict[str, str]"
    found = parameters(operation(method(QUERY, params=params, arguments="self, limit: int, ids: Any, meta: Any")))
    assert found == [
        {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}},
        {"name": "ids[]", "in": "query", "style": "form", "explode": True, "schema": {"type": "array", "items": TEXT}},
        {"name": "meta", "in": "query", "style": "deepObject", "explode": True, "schema": {"type": "object", "additionalProperties": TEXT}},
    ]


def test_array_names_without_brackets_where_the_client_has_none() -> None:
    """How arrays are written is a fact of the client."""
    params = "class ThingParams(TypedDict, total=False):\n    limit: int\n    ids: List[str]\n    meta: str"
    made = method(QUERY, params=params, arguments="self, limit: int, ids: Any, meta: Any") | {"_client.py": "qs = Querystring()"}
    assert [one["name"] for one in parameters(operation(made))] == ["limit", "ids", "meta"]


def test_query_and_body_of_one_class() -> None:
    """Each field goes where the method puts it."""
    text = """
    return self._post(
        "/things",
        body=maybe_transform({"name": name}, thing_params.ThingParams),
        options=make_request_options(query=maybe_transform({"tags": tags}, thing_params.ThingParams)),
        cast_to=Thing,
    )
    """
    found = operation(method(text, params=PARAMS, arguments=ARGUMENTS))
    assert list(body(found)["properties"]) == ["name"]
    assert [one["name"] for one in parameters(found)] == ["tags[]"]


def test_fixed_header_is_a_constant() -> None:
    """It has one value and that as its default, so that it is sent for the user."""
    text = f'extra_headers = {{"OpenAI-Beta": "things=v1", **(extra_headers or {{}})}}\n{GET}'
    assert parameters(operation(method(text))) == [
        {
            "name": "OpenAI-Beta",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "enum": ["things=v1"], "default": "things=v1"},
        }
    ]


def test_header_with_an_argument() -> None:
    """Its type is that of the argument; lists are joined by commas, which is how OpenAPI writes an array in a header."""
    text = f"""
    extra_headers = {{
        **strip_not_given({{"Idempotency-Key": key, "x-list": ",".join(str(e) for e in names) if is_given(names) else not_given}}),
        **(extra_headers or {{}}),
    }}
    {GET}
    """
    found = parameters(operation(method(text, arguments="self, key: str | Omit = omit, names: List[str] | Omit = omit")))
    assert found == [
        {"name": "Idempotency-Key", "in": "header", "schema": TEXT},
        {"name": "x-list", "in": "header", "schema": {"type": "array", "items": TEXT}},
    ]


FORM = """
body = deepcopy_with_paths({"file": file, "name": name}, [["file"]])
files = extract_files(cast(Mapping[str, object], body), paths=[["file"]])
HEADER
return self._post("/things", body=maybe_transform(body, thing_params.ThingParams), files=files, cast_to=Thing)
"""
FORM_PARAMS = "class ThingParams(TypedDict, total=False):\n    file: Required[FileTypes]\n    name: str"
FORM_HEADER = 'extra_headers = {"Content-Type": "multipart/form-data", **(extra_headers or {})}'


@pytest.mark.parametrize(
    ("header", "media_types"),
    [(FORM_HEADER, ["multipart/form-data"]), (f"if files:\n    {FORM_HEADER}", ["multipart/form-data", "application/json"])],
)
def test_files_make_a_form(header: str, media_types: list[str]) -> None:
    """A form always, or JSON as well where it is a form only with a file."""
    found = operation(
        method(FORM.replace("HEADER", header), params=FORM_PARAMS, arguments="self, file: FileTypes, name: str | Omit = omit")
    )
    assert list(found["requestBody"]["content"]) == media_types
    assert body(found, "multipart/form-data")["properties"]["file"] == {"type": "string", "format": "binary"}


def test_parts_with_media_types_of_their_own() -> None:
    """They are the encoding of the form."""
    text = """
    extra_headers = {"Accept": "application/sdp", **(extra_headers or {})}
    extra_headers = {"Content-Type": "multipart/form-data", **(extra_headers or {})}
    parts = maybe_transform({"sdp": sdp, "session": session}, thing_params.ThingParams)
    parts, parts_files, content, kind = encode_multipart(
        parts, None, {"sdp": ("application/sdp", False), "session": ("application/json", True)}, "sdp", None
    )
    extra_headers = {**{key: value for key, value in extra_headers.items()}, "Content-Type": kind}
    return self._post("/things", body=parts, files=parts_files, content=content, cast_to=_legacy_response.HttpxBinaryResponseContent)
    """
    params = "class ThingParams(TypedDict, total=False):\n    sdp: Required[str]\n    session: Dict[str, str]"
    found = operation(method(text, params=params, arguments="self, sdp: str, session: Any = None"))
    assert found["requestBody"]["content"]["multipart/form-data"]["encoding"] == {
        "sdp": {"contentType": "application/sdp"},
        "session": {"contentType": "application/json"},
    }
    assert list(found["responses"]["200"]["content"]) == ["application/sdp"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("application/binary", "application/octet-stream"), ("*/*", "application/octet-stream"), ("video/mp4", "video/mp4")],
)
def test_answer_of_bytes(accept: str, media_type: str) -> None:
    """Its media type is what the client asks for, where that is one."""
    text = f"""
    extra_headers = {{"Accept": "{accept}", **(extra_headers or {{}})}}
    return self._get("/things", cast_to=_legacy_response.HttpxBinaryResponseContent)
    """
    assert operation(method(text))["responses"]["200"]["content"] == {media_type: {"schema": {"type": "string", "format": "binary"}}}


ANSWERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nothing": ("cast_to=NoneType", "None", {}),
    "a text": ("cast_to=str", "str", {"text/plain": TEXT}),
    "a union by cast": ("cast_to=cast(Any, ThingEvent)", "Thing", {"application/json": {"$ref": "#/components/schemas/ThingEvent"}}),
    "what the method returns": (
        "cast_to=choose(name)",
        "Thing | str | Stream[ThingEvent]",
        {"application/json": {"$ref": "#/components/schemas/Thing"}, "text/plain": TEXT},
    ),
    "any of a union that it returns": (
        "cast_to=choose(name)",
        "Union[Thing, ThingEvent]",
        {"application/json": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"$ref": "#/components/schemas/ThingEvent"}]}},
    ),
    "events alone": (
        "cast_to=Thing, stream=True, stream_cls=Stream[ThingEvent]",
        "Thing",
        {"text/event-stream": {"$ref": "#/components/schemas/ThingEvent"}},
    ),
}


@pytest.mark.parametrize(("words", "returns", "content"), ANSWERS.values(), ids=ANSWERS)
def test_answer(words: str, returns: str, content: dict[str, Any]) -> None:
    """Its schemas by media type."""
    found = operation(method(f'return self._get("/things", {words})', answer=returns))
    assert found["responses"]["200"].get("content", {}) == {kind: {"schema": schema} for kind, schema in content.items()}


def test_events_of_a_class_of_streams() -> None:
    """A stream with a class of its own gives what its base gives."""
    text = 'return self._post("/things", cast_to=Thing, stream=stream or False, stream_cls=Own)'
    made = method(text, arguments="self, stream: bool = False")
    made["resources/things.py"] += "\nclass Own(Stream[ThingEvent]):\n    pass\n"
    assert "text/event-stream" in operation(made)["responses"]["200"]["content"]


def test_page_of_things() -> None:
    """The page with its items in place, and the class of pages as a fact."""
    found = operation(method('return self._get_api_list("/things", page=SyncCursorPage[Thing], model=Thing)', name="list"))
    assert found["x-kosha-page"] == "CursorPage"
    assert found["operationId"] == "listThings"
    assert found["responses"]["200"]["content"]["application/json"]["schema"]["properties"] == {
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
        "has_more": {"type": ["boolean", "null"]},
    }


def test_page_by_another_method_of_http() -> None:
    """A list that is made by POST says so."""
    made = method('return self._get_api_list("/things", page=SyncCursorPage[Thing], model=Thing, method="post")')
    assert list(read(made).document["paths"]["/things"]) == ["post"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('security={"bearer_auth": True}', None),
        ("timeout=1", None),
        ('security={"admin_api_key_auth": True}', [{"AdminApiKeyAuth": []}]),
        ('security={"bearer_auth": True, "admin_api_key_auth": True}', [{"ApiKeyAuth": []}, {"AdminApiKeyAuth": []}]),
    ],
)
def test_administration_key(options: str, expected: Any) -> None:
    """The administration key where the client takes that; the ordinary one is the rule."""
    found = operation(method(f'return self._get("/things", options=make_request_options({options}), cast_to=Thing)'))
    assert found.get("security") == expected


@pytest.mark.parametrize("decorator", ['@typing_extensions.deprecated("words")', "@deprecated('words', category=None)"])
def test_deprecated(decorator: str) -> None:
    """By its decorator, without the sentence."""
    assert operation(method(GET, decorators=decorator))["deprecated"] is True


OVERLOADED = (
    RESOURCE_IMPORTS
    + """
class Things(SyncAPIResource):
    @overload
    @typing_extensions.deprecated("x")
    def create(self, *, name: str, stream: Literal[False] | Omit = omit) -> Thing: ...
    @overload
    SECOND
    def create(self, *, name: str, stream: Literal[True]) -> Stream[ThingEvent]: ...
    @required_args(["name"], ["name", "stream"])
    def create(self, *, name: str, stream: bool | Omit = omit) -> Thing | Stream[ThingEvent]:
        body = {"name": name, "stream": stream}
        return self._post("/things", body=body, cast_to=Thing, stream=stream or False, stream_cls=Stream[ThingEvent])
"""
)


@pytest.mark.parametrize(("second", "deprecated"), [('@typing_extensions.deprecated("x")', True), ("", None)])
def test_overloads_are_one_operation(second: str, deprecated: bool | None) -> None:
    """Deprecated when every overload is."""
    found = operation(files({"resources/things": OVERLOADED.replace("SECOND", second)}))
    assert found.get("deprecated") is deprecated
    assert body(found)["required"] == ["name"]


UNREADABLE = {
    "two calls": ('self._get("/a", cast_to=Thing)\nreturn self._get("/things", cast_to=Thing)', "self", "more than once"),
    "a path that is computed": ('return self._get(build("/things"), cast_to=Thing)', "self", "neither a text nor a template"),
    "a path with a part that is no argument": ('return self._get(f"/things/{self.id}", cast_to=Thing)', "self", "no argument"),
    "a variable without an argument": ('return self._get("/things/{x}", cast_to=Thing)', "self", "variable x"),
    "an argument without a type": ('return self._get(f"/things/{x}", cast_to=Thing)', "self, x", "has no type"),
    "a security that is not known": (
        'return self._get("/things", options=make_request_options(security={"x": True}), cast_to=Thing)',
        "self",
        "security",
    ),
    "a security that is computed": (
        'return self._get("/things", options=make_request_options(security=chosen), cast_to=Thing)',
        "self",
        "security",
    ),
    "a header that is computed": ('extra_headers = {"X": make()}\nreturn self._get("/things", cast_to=Thing)', "self", "header X"),
    "a spread in a body": ('return self._post("/things", body={**more}, cast_to=Thing)', "self, more: Any", "names that are no constants"),
    "a field that is computed": ('return self._post("/things", body={"a": make()}, cast_to=Thing)', "self", "value of a"),
    "a class of a body that is none": (
        'return self._post("/things", body=maybe_transform({"a": 1}, thing_params.Missing), cast_to=Thing)',
        "self",
        "Missing",
    ),
    "an answer that is not known": ('return self._get("/things", cast_to=Missing)', "self", "Missing"),
    "a stream that is none": ('return self._get("/things", cast_to=Thing, stream=True, stream_cls=Thing)', "self", "no stream"),
}


@pytest.mark.parametrize(("text", "arguments", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_method_that_is_not_understood_is_left_out(text: str, arguments: str, said: str) -> None:
    """Named with file, line and reason; nothing is guessed."""
    reading = read(method(text, arguments=arguments))
    assert reading.document["paths"] == {}
    (fault,) = reading.faults
    assert said in str(fault)
    assert str(fault).startswith("resources/things.py:")
    assert fault.line > 0
    assert "is left out" in str(fault)
