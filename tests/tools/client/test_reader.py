"""The whole client: which operations it has, their ids and components, webhooks, and what is left out."""

from __future__ import annotations

import json

import pytest

from kosha_connector_openai.sdk.names import OperationIds, component_names
from kosha_connector_openai.sdk.reader import place
from tests.tools.client.source import IMPORTS, RESOURCE_IMPORTS, files, method, read
from tools.spec.merging import RULES

GET = 'return self._get("/things", cast_to=Thing)'


def resource(*methods: str) -> str:
    return (
        RESOURCE_IMPORTS
        + "\nclass Things(SyncAPIResource):\n"
        + "\n".join(f"    {line}" for text in methods for line in text.splitlines())
        + "\n"
    )


def ids(texts: dict[str, str], published: dict[str, str] | None = None) -> list[str]:
    return [one["operationId"] for item in read(texts, published).document["paths"].values() for one in item.values()]


def test_description_says_where_it_is_from() -> None:
    """Name, version, digest and number of operations; the document is a description of OpenAPI 3.1."""
    document = read(method(GET)).document
    assert document["openapi"] == "3.1.0"
    assert document["x-kosha-source"] == {"title": "openai-python", "version": "9.1.0", "sha256": "0" * 64, "operations": 1}


def test_no_sentence_comes_over() -> None:
    """Neither a docstring nor a comment nor the text of a decorator is in the result."""
    texts = method(GET, decorators="@typing_extensions.deprecated('SENTENCE')")
    texts["resources/things.py"] = texts["resources/things.py"].replace(GET, f'"""SENTENCE"""\n        # SENTENCE\n        {GET}')
    texts["types/thing.py"] = (
        IMPORTS
        + 'class Thing(BaseModel):\n    """SENTENCE"""\n    id: str\n    """SENTENCE"""\nclass ThingEvent(BaseModel):\n    id: str\n'
    )
    reading = read(texts)
    assert reading.document["paths"]
    assert "SENTENCE" not in json.dumps(reading.document)


def test_order_of_the_files_does_not_count() -> None:
    """The same files give the same bytes."""
    texts = method(GET) | {"resources/others.py": resource("def list(self) -> Thing:", '    return self._get("/others", cast_to=Thing)')}
    turned = dict(reversed(texts.items()))
    assert json.dumps(read(texts).document) == json.dumps(read(turned).document)


def test_folders_of_resources_are_read() -> None:
    """However deep; asynchronous twins, helpers around other methods and classes that are no resources are not operations."""
    text = resource("def list(self) -> Thing:", f"    {GET}", "def poll(self) -> Thing:", "    return self.list()")
    more = """
class AsyncThings(AsyncAPIResource):
    async def list(self) -> Thing:
        return await self._get("/async", cast_to=Thing)
class Plain:
    def list(self) -> Thing:
        return self._get("/plain", cast_to=Thing)
"""
    deep = text.replace("from ..", "from ....")
    reading = read(files({"resources/a/__init__": "", "resources/a/b/__init__": "", "resources/a/b/things": deep + more}))
    assert reading.faults == []
    assert list(reading.document["paths"]) == ["/things"]


def test_one_operation_of_two_methods() -> None:
    """Of `create` and `parse` for one path the ordinary one counts, wherever it stands."""
    parse = "def parse(self) -> ThingEvent:\n    return self._post('/things', cast_to=ThingEvent)"
    create = "def create(self) -> Thing:\n    return self._post('/things', cast_to=Thing)"
    for text in (resource(parse, create), resource(create, parse)):
        (item,) = read(files({"resources/things": text})).document["paths"].values()
        assert item["post"]["operationId"] == "createThing"


def test_two_spellings_of_a_variable_are_one_path() -> None:
    """OpenAPI knows a path by its shape alone."""
    one = "def retrieve(self, thing_id: str) -> Thing:\n    return self._get(f'/things/{thing_id}', cast_to=Thing)"
    two = "def delete(self, id: str) -> Thing:\n    return self._delete(f'/things/{id}', cast_to=Thing)"
    document = read(files({"resources/things": resource(one, two)})).document
    (path,) = document["paths"]
    assert sorted(document["paths"][path]) == ["delete", "get"]
    assert {one["parameters"][0]["name"] for one in document["paths"][path].values()} == {path.partition("{")[2].rstrip("}")}


def test_published_id_is_used() -> None:
    """Where the published description has the operation, its id holds, whatever its variables are called."""
    texts = method('return self._get(path_template("/things/{id}", id=id), cast_to=Thing)', arguments="self, id: str", name="retrieve")
    assert ids(texts, {place("get", "/things/{thing}"): "getAThing"}) == ["getAThing"]
    assert ids(texts) == ["retrieveThing"]


@pytest.mark.parametrize(
    ("http", "path", "function", "expected"),
    [
        ("POST", "/agents/sessions", "create", "createAgentSession"),
        ("GET", "/agents/sessions", "list", "listAgentSessions"),
        ("GET", "/agents/sessions/{session_id}", "retrieve", "retrieveAgentSession"),
        ("POST", "/agents/sessions/{session_id}", "update", "updateAgentSession"),
        ("DELETE", "/agents/sessions/{session_id}", "delete", "deleteAgentSession"),
        ("POST", "/agents/automations/{automation_id}/pause", "pause", "pauseAgentAutomation"),
        ("POST", "/organization/external_keys", "create", "createExternalKey"),
        ("GET", "/organization/external_storage", "list", "listExternalStorage"),
        ("GET", "/vaults/{vault_id}/credentials/{credential_id}", "retrieve", "retrieveVaultCredential"),
        ("GET", "/live/sessions/{session_id}/content", "download_recording", "retrieveLiveSessionContent"),
        ("GET", "/agents/sessions/{session_id}/events", "stream", "streamAgentSessionEvents"),
        ("POST", "/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", "rotate_secret", "rotateWebhookEndpointSecret"),
        ("GET", "/organization/usage/decisions", "decisions", "usage-decisions"),
        ("POST", "/a/policies", "create", "createAPolicy"),
        ("POST", "/responses?beta=true", "create", "beta_createResponse"),
    ],
)
def test_id_of_a_new_operation(http: str, path: str, function: str, expected: str) -> None:
    """The verb of the method and the nouns of the path, as the vendor spells ids; exceptions are data."""
    assert OperationIds(RULES.ids).derive(http, path, function) == expected


def test_id_that_another_has_is_a_fault() -> None:
    """The second is left out and named, so that it can be given one of its own."""
    one = "def retrieve(self) -> Thing:\n    return self._get('/organization/things', cast_to=Thing)"
    two = "def get(self) -> Thing:\n    return self._get('/things', cast_to=Thing)"
    reading = read(files({"resources/things": resource(one, two)}))
    assert len(reading.document["paths"]) == 1
    assert "ids.exceptions" in str(reading.faults[0])


def test_component_names() -> None:
    """A module's own class keeps its name, others have the module's before theirs; the one nearer the root wins a clash."""
    names = component_names(
        ["types.agent.Agent", "types.agent.Tool", "types.agent.AgentTool", "types.beta.agent.Agent", "types.beta.deep.agent.Agent"]
    )
    assert names == {
        "types.agent.Agent": "Agent",
        "types.agent.AgentTool": "AgentTool",
        "types.agent.Tool": "types.agent.Tool".title().replace(".", ""),
        "types.beta.agent.Agent": "BetaAgent",
        "types.beta.deep.agent.Agent": "DeepAgent",
    }


def test_new_class_deeper_down_renames_none() -> None:
    """So that the components of two versions can be compared."""
    before = component_names(["types.agent.Agent"])
    assert component_names(["types.agent.Agent", "types.a.agent.Agent"]).items() >= before.items()


WEBHOOKS = """
class Done(BaseModel):
    type: Literal["thing.done"]
class Failed(BaseModel):
    type: Literal["thing.failed"]
UnwrapWebhookEvent: TypeAlias = Annotated[Union[Failed, Done], PropertyInfo(discriminator="type")]
"""


def test_webhook_events() -> None:
    """By the type that the delivery names, in order."""
    texts = method(GET) | {
        "types/webhooks/__init__.py": "",
        "types/webhooks/unwrap_webhook_event.py": IMPORTS.replace("from ..", "from ...") + WEBHOOKS,
    }
    hooks = read(texts).document["webhooks"]
    assert list(hooks) == ["thing.done", "thing.failed"]
    assert hooks["thing.done"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("Done")


def test_discriminator_gets_the_mapping_that_its_branches_show() -> None:
    """A discriminator without one would mean the names of components."""
    texts = method(GET) | {
        "types/webhooks/__init__.py": "",
        "types/webhooks/unwrap_webhook_event.py": IMPORTS.replace("from ..", "from ...") + WEBHOOKS,
    }
    texts["types/thing.py"] += "\nclass A(BaseModel):\n    type: Literal['a']\nclass B(BaseModel):\n    type: Literal['b']\n"
    texts["types/thing.py"] = texts["types/thing.py"].replace(
        "    id: str", "    id: Annotated[Union[A, B], PropertyInfo(discriminator='type')]", 1
    )
    schemas = read(texts).document["components"]["schemas"]
    assert schemas["Thing"]["properties"]["id"]["discriminator"]["mapping"] == {
        "a": "#/components/schemas/ThingA",
        "b": "#/components/schemas/ThingB",
    }


def test_file_that_is_nested_too_deeply_is_named() -> None:
    """The parser's own limits are a fault of the file, not an end of the reader."""
    reading = read(method(GET) | {"types/deep.py": "x = " + "(" * 50_000 + ")" * 50_000})
    assert list(reading.document["paths"]) == ["/things"]
    assert [fault.file for fault in reading.faults] == ["types/deep.py"]


@pytest.mark.parametrize("broken", ["resources/others.py", "types/unused.py"])
def test_file_that_is_no_python_is_named(broken: str) -> None:
    """With its line; the other files are read."""
    reading = read(method(GET) | {broken: "a = 1\ndef (:\n"})
    assert list(reading.document["paths"]) == ["/things"]
    assert [(fault.file, fault.line) for fault in reading.faults] == [(broken, 2)]


def test_unknown_type_deep_in_a_component_leaves_its_operations_out() -> None:
    """Every operation that needs it, and no other; the fault names where the type stands."""
    texts = method(GET) | {
        "resources/others.py": resource("def list(self) -> ThingEvent:", '    return self._get("/others", cast_to=ThingEvent)')
    }
    texts["types/thing.py"] += "\nclass Deep(BaseModel):\n    x: Strange\n"
    texts["types/thing.py"] = texts["types/thing.py"].replace("    id: str", "    id: List[Deep]", 1)
    reading = read(texts)
    assert list(reading.document["paths"]) == ["/others"]
    assert [fault.file for fault in reading.faults] == ["types/thing.py"]
    assert reading.faults[0].operation == "GET /things"


def test_components_are_those_in_use() -> None:
    """Types that no operation needs are not in the description, nor half-read ones."""
    texts = method(GET)
    texts["types/thing.py"] += "\nclass Unused(BaseModel):\n    x: Strange\n"
    reading = read(texts)
    assert reading.faults == []
    assert list(reading.document["components"]["schemas"]) == ["Thing"]


def test_client_is_never_run() -> None:
    """A file that would end the process, or write one, is only read."""
    texts = method(GET) | {"resources/evil.py": "raise SystemExit(3)", "types/evil.py": "open('/nowhere/at/all', 'w')"}
    assert list(read(texts).document["paths"]) == ["/things"]
