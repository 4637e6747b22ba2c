"""Ids of tenants that share an account: whoever made a thing may name it, nobody else, and nobody's is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.gateway.access.ownership import Ownership, make_ownership, shared_accounts
from kosha_connector_openai.gateway.records import Allowance, Caller
from kosha_connector_openai.gateway.settings import OwnershipEntry, Settings
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.manifest.parts import RelayRules


def caller(tenant: str, connection: str = "shared") -> Caller:
    return Caller(tenant, tenant, connection, "on", Allowance(1, 1))


A, B = caller("a"), caller("b")


def make(connector: Connector, entry: Any = "memory") -> Ownership:
    rules = connector.part("relay", RelayRules).objects
    made = make_ownership(validated({"ownership": entry}, Settings).ownership, {"shared": "shared"}, connector.catalog, rules)
    assert made is not None
    return made


@pytest.fixture(params=["memory", "file"])
def owners(request: pytest.FixtureRequest, tmp_path: Path, connector: Connector) -> Iterator[Ownership]:
    made = make(connector, "memory" if request.param == "memory" else str(tmp_path / "ids.sqlite"))
    yield made
    made.close()


def test_what_a_made_b_may_not_name_in_a_path(owners: Ownership) -> None:
    """G12: a file, a batch, a job."""
    owners.learn(A, "createFile", b'{"id": "file-abc123", "object": "file"}')
    assert owners.allows(A, "retrieveFile", {"file_id": "file-abc123"})
    assert not owners.allows(B, "retrieveFile", {"file_id": "file-abc123"})


def test_nor_in_a_body_wherever_it_stands(owners: Ownership) -> None:
    """A batch over another's file would show what is in it; a name of the caller's own does not help."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    for body in (
        {"input_file_id": "file-abc123"},
        {"tools": [{"file_ids": ["file-abc123"]}]},
        [["file-abc123"]],
        {"metadata": {"x": "file-abc123"}},
    ):
        assert owners.allows_body(A, body)
        assert not owners.allows_body(B, body)


NOBODYS: list[Any] = [
    {"input_file_id": "file-before"},
    {"training_file": "file-before"},
    {"previous_response_id": "resp_before"},
    {"conversation": "conv_before"},
    {"conversation": {"id": "conv_before"}},
    {"tools": [{"container": "cntr_before"}]},
    {"tools": [{"container": {"file_ids": ["file-before"]}}]},
    {"vector_store_ids": ["vs_before"]},
    {"input": [{"type": "item_reference", "id": "msg_before"}]},
    {"input": [{"id": "msg_before"}]},
    {"assistant_id": "asst_before"},
    {"prompt": {"id": "pmpt_before", "version": "2"}},
    {"voice": {"id": "voice_before"}},
    {"model": "ft:m:o::1"},
    {"source": {"type": "file_id", "id": "file-before"}},
]
WORDS: list[Any] = [
    {"model": "gpt-4o-mini", "user": "somebody-1"},
    {"metadata": {"file_id": "anything"}},
    {"call_id": "call_abc123"},
    {"voice": "shimmer"},
    {"messages": [{"role": "user", "content": "file-before"}]},
    {"input": [{"type": "message", "id": "msg_before", "content": "long ago"}]},
    {"parameters": {"properties": {"file_id": {"type": "string"}}, "required": ["file_id"]}},
    {"container": {"type": "automatic"}},
]


@pytest.mark.parametrize("body", NOBODYS, ids=str)
def test_b03_what_nobody_was_seen_to_make_is_refused(owners: Ownership, body: Any) -> None:
    """B3: where a body's field names a thing by its id."""
    assert not owners.allows_body(B, body)


@pytest.mark.parametrize("body", WORDS, ids=str)
def test_names_and_words_are_no_ids(owners: Ownership, body: Any) -> None:
    """Names of models, what callers write freely, ids that an item carries with it."""
    assert owners.allows_body(B, body)


def test_b03_ids_in_a_reply_are_learned_wherever_they_stand(owners: Ownership) -> None:
    """B3: a batch's output file, the container that a response made, its items, a job's model; also where they come later, and in lists."""
    owners.learn(A, "createResponse", b'{"id": "resp_12345", "output": [{"type": "x", "id": "ci_12345", "container_id": "cntr_12345"}]}')
    owners.learn(A, "createBatch", b'{"id": "batch_12345", "input_file_id": "file-12345", "output_file_id": null}', {"file-12345"})
    owners.learn(A, "retrieveBatch", b'{"id": "batch_12345", "output_file_id": "file-output", "error_file_id": "file-errors"}')
    owners.learn(A, "retrieveFineTuningJob", b'{"id": "job_12345", "fine_tuned_model": "ft:m:o::1", "result_files": ["file-result"]}')
    owners.narrow(A, "listBatches", {"data": [{"id": "batch_12345", "output_file_id": "file-listed"}]})
    for key in ("file-output", "file-errors", "file-result", "file-listed"):
        assert owners.allows(A, "downloadFile", {"file_id": key})
        assert not owners.allows(B, "downloadFile", {"file_id": key})
    assert owners.allows(A, "ListContainerFiles", {"container_id": "cntr_12345"})
    assert not owners.allows(B, "ListContainerFiles", {"container_id": "cntr_12345"})
    assert owners.allows_body(A, {"model": "ft:m:o::1", "input": [{"type": "item_reference", "id": "ci_12345"}]})
    assert not owners.allows_body(B, {"model": "ft:m:o::1"})
    assert not owners.allows_body(B, {"input": [{"id": "ci_12345"}]})


def test_a_part_is_no_object_by_itself(owners: Ownership) -> None:
    """An item may carry an id that the caller wrote: it opens no path of its own."""
    owners.learn(B, "createConversationItems", b'{"data": [{"id": "conv_of_others"}]}')
    assert not owners.allows(B, "getConversation", {"conversation_id": "conv_of_others"})
    assert not owners.allows_body(B, {"conversation": {"id": "conv_of_others"}})


def test_what_a_caller_wrote_itself_is_never_learned(owners: Ownership) -> None:
    """A reply that repeats the request, at once or later, gives nobody what it names."""
    assert owners.allows_body(B, {"input": [{"type": "message", "id": "msg_of_others", "content": "x"}]})
    owners.learn(B, "listInputItems", b'{"data": [{"id": "msg_of_others"}]}')
    assert not owners.allows_body(B, {"input": [{"type": "item_reference", "id": "msg_of_others"}]})
    owners.learn(B, "modifyVectorStore", b'{"id": "vs_12345", "metadata": {"id": "thing-of-all", "file_id": "file-of-all"}}', {"vs_12345"})
    assert not owners.allows_body(B, {"file_id": "file-of-all"})
    assert not owners.allows(B, "getVectorStore", {"vector_store_id": "vs_12345"})


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'{"id": 5}', b'{"id": ""}', b'{"id": "' + b"x" * 500 + b'"}', b'"id"'])
def test_replies_without_an_id_are_passed_over(owners: Ownership, body: bytes) -> None:
    """Nothing fails, nothing is kept."""
    owners.learn(A, "createFile", body)
    assert not owners.allows(B, "retrieveFile", {"file_id": "1"})


def test_an_id_is_found_however_much_is_before_it(owners: Ownership) -> None:
    """There is no number of values after which none is looked at."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    assert not owners.allows_body(B, {"pad": [0] * 60_000, "file": "file-abc123"})


def test_b02_a_list_tells_of_the_callers_own_alone(owners: Ownership) -> None:
    """B2: its items, and its envelope: other ids become cursors that only this tenant, and only this list, can use."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    page = {"object": "list", "data": [{"id": "file-abc123"}, {"id": "file-before"}], "first_id": "file-abc123", "last_id": "file-before"}
    assert owners.narrows(A, "listFiles")
    assert not owners.narrows(A, "retrieveFile")
    mine = owners.narrow(A, "listFiles", page)
    assert mine == {**page, "data": [{"id": "file-abc123"}], "last_id": mine["last_id"]}
    assert mine["last_id"].startswith("kosha-page-")
    others = owners.narrow(B, "listFiles", page)
    assert others["data"] == []
    assert "file-" not in str(others)
    assert owners.resolve(A, "listFiles", mine["last_id"]) == "file-before"
    assert owners.allows_query(A, "listFiles", [("after", mine["last_id"])])
    for who, action in ((B, "listFiles"), (A, "listBatches")):
        assert owners.resolve(who, action, mine["last_id"]) == mine["last_id"]
    assert not owners.allows_query(B, "listFiles", [("after", mine["last_id"])])
    assert not owners.allows_query(B, "listFiles", [("after", "file-before")])


def test_an_object_in_a_query_keeps_its_claim(owners: Ownership) -> None:
    """B2: an object spread over a query's names, as the form style writes one, names an object as it does in a body; a body's own word of
    that name stays one."""
    assert not owners.allows_body(B, {"target": {"type": "session", "session_id": "session-1"}})
    assert not owners.allows_query(B, "cancelResponse", [("type", "session"), ("session_id", "session-1")])
    assert owners.allows_body(B, {"session_id": "session-1"})


def test_lists_of_what_all_use_leave_out_what_is_somebodys(owners: Ownership) -> None:
    """Models of the provider are shown; trained ones to who trained them."""
    owners.learn(A, "retrieveFineTuningJob", b'{"id": "job_12345", "fine_tuned_model": "ft:m:o::1"}')
    page = {"data": [{"id": "gpt-4o-mini"}, {"id": "ft:m:o::1"}, {"id": "ft:m:o::2"}]}
    assert [each["id"] for each in owners.narrow(A, "listModels", page)["data"]] == ["gpt-4o-mini", "ft:m:o::1"]
    assert [each["id"] for each in owners.narrow(B, "listModels", page)["data"]] == ["gpt-4o-mini"]
    assert owners.allows(B, "retrieveModel", {"model": "gpt-4o-mini"})
    assert not owners.allows(B, "retrieveModel", {"model": "ft:m:o::1"})
    assert not owners.allows(B, "deleteModel", {"model": "gpt-4o-mini"})


def test_whoever_made_it_first_keeps_it(owners: Ownership) -> None:
    """A reply that echoes another's id gives it to nobody else."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    owners.learn(B, "createFile", b'{"id": "file-abc123"}')
    assert not owners.allows(B, "retrieveFile", {"file_id": "file-abc123"})


def test_what_was_deleted_is_nobodys(owners: Ownership) -> None:
    """By its own path; a file that is taken out of a store is still there."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    owners.forget(A, "deleteVectorStoreFile", {"vector_store_id": "vs_1", "file_id": "file-abc123"})
    assert owners.allows(A, "retrieveFile", {"file_id": "file-abc123"})
    owners.forget(B, "deleteFile", {"file_id": "file-abc123"})
    assert owners.allows(A, "retrieveFile", {"file_id": "file-abc123"})
    owners.forget(A, "deleteFile", {"file_id": "file-abc123"})
    assert not owners.allows(A, "retrieveFile", {"file_id": "file-abc123"})


def test_b10_only_objects_that_are_kept_count(connector: Connector) -> None:
    """B10: a completion that the provider does not keep is none; where a tenant's objects are too many, it can make no more."""
    owners = make(connector, {"ids": "memory", "most": 3})
    for number in range(50):
        owners.learn(B, "createChatCompletion", b'{"id": "chatcmpl-%06d"}' % number, (), {"model": "m"})
        owners.learn(B, "createModeration", b'{"id": "modr-%06d"}' % number)
    assert not owners.is_full(B, "createFile")
    for number in range(3):
        owners.learn(B, "createChatCompletion", b'{"id": "chatcmpl-kept-%06d"}' % number, (), {"model": "m", "store": True})
    assert owners.is_full(B, "createFile")
    assert not owners.is_full(B, "createModeration")
    assert not owners.is_full(A, "createFile")


def test_the_operator_may_open_ids_and_let_unknown_ones_pass(connector: Connector) -> None:
    """`open` are everyone's; with `pass` nobody's are, but a list does not show them and nobody comes to own them."""
    owners = make(connector, {"open": ["pmpt_*", "vs_handbook"]})
    assert owners.allows_body(B, {"prompt": {"id": "pmpt_1234"}, "vector_store_ids": ["vs_handbook"]})
    assert not owners.allows_body(B, {"vector_store_ids": ["vs_other"]})
    owners.learn(B, "createResponse", b'{"id": "resp_12345"}')
    owners.learn(B, "getResponse", b'{"id": "resp_12345", "prompt": {"id": "pmpt_1234"}}')
    assert owners.allows_body(A, {"prompt": {"id": "pmpt_1234"}})
    passing = make(connector, {"unknown": "pass"})
    assert passing.allows(B, "retrieveFile", {"file_id": "file-before"})
    passing.learn(B, "retrieveFile", b'{"id": "file-before"}')
    passing.learn(B, "createFile", b'{"id": "file-before"}')
    assert passing.allows(A, "retrieveFile", {"file_id": "file-before"})
    assert passing.narrow(A, "listFiles", {"data": [{"id": "file-before"}]}) == {"data": []}


def test_connections_of_one_tenant_are_left_alone(owners: Ownership) -> None:
    """Nothing is kept and nothing refused."""
    own = caller("c", "own")
    assert not owners.listens(own, "createFile")
    assert owners.allows(own, "retrieveFile", {"file_id": "file-abc123"})
    assert owners.listens(A, "createFile")
    assert owners.listens(A, "retrieveBatch")
    assert not owners.listens(A, "listFiles")


def test_it_is_off_where_nothing_is_shared(connector: Connector) -> None:
    """Or where the operator says so."""
    rules = connector.part("relay", RelayRules).objects
    assert make_ownership(OwnershipEntry(), {}, connector.catalog, rules) is None
    assert make_ownership(OwnershipEntry(ids="off"), {"shared": "shared"}, connector.catalog, rules) is None


def test_b22_connections_with_one_key_are_one_account() -> None:
    """B22: tenants of two connections share an account where the connections do."""
    tenants = {"one": ["a"], "two": ["b"], "three": ["c", "c"], "four": ["x", "y"]}
    assert shared_accounts(tenants, {"one": "one", "two": "one"}) == {"one": "one", "two": "one", "four": "four"}
    assert shared_accounts(tenants, {}) == {"four": "four"}
