"""Ids of tenants that share a connection: whoever made a thing may name it, the others may not."""

import stat
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.ownership import MemoryIds, Ownership, SqliteIds, make_ownership, shared_connections
from kosha_connector_openai.gateway.records import Allowance, Caller


def caller(tenant: str, connection: str = "shared") -> Caller:
    return Caller(tenant, tenant, connection, "on", Allowance(1, 1))


A, B = caller("a"), caller("b")


@pytest.fixture(params=["memory", "file"])
def owners(request: pytest.FixtureRequest, tmp_path: Path, connector: Connector):
    place = "memory" if request.param == "memory" else tmp_path / "ids.sqlite"
    made = make_ownership(place, ["shared"], connector.catalog)
    assert made is not None
    yield made
    made.close()


def test_what_a_made_b_may_not_name_in_a_path(owners: Ownership):
    """G12: a file, a batch, a job."""
    owners.learn(A, "createFile", b'{"id": "file-abc123", "object": "file"}')
    assert owners.allows(A, "retrieveFile", {"file_id": "file-abc123"})
    assert not owners.allows(B, "retrieveFile", {"file_id": "file-abc123"})


def test_nor_in_a_body(owners: Ownership):
    """A batch over another's file would show what is in it."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    body = {"input_file_id": "file-abc123", "tools": [{"file_ids": ["file-abc123"]}]}
    assert owners.allows_body(A, body)
    assert not owners.allows_body(B, body)
    assert not owners.allows_body(B, [["file-abc123"]])


def test_ids_that_were_not_made_here_are_nobodys(owners: Ownership):
    """Names of models, and what the account had before."""
    assert owners.allows(B, "retrieveModel", {"model": "model-of-the-provider"})
    assert owners.allows_body(B, {"model": "model-of-the-provider"})


def test_ids_in_objects_in_a_reply_count_too(owners: Ownership):
    """An event says what was made inside it; items of a list do not."""
    owners.learn(A, "createResponse", b'{"type": "response.created", "response": {"id": "resp_12345"}}')
    owners.learn(A, "createImage", b'{"data": [{"id": "item_12345"}]}')
    assert not owners.allows(B, "getResponse", {"response_id": "resp_12345"})
    assert owners.allows(B, "x", {"id": "item_12345"})


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'{"id": 5}', b'{"id": "1"}', b'{"id": "' + b"x" * 500 + b'"}', b'"id"'])
def test_replies_without_an_id_are_passed_over(owners: Ownership, body: bytes):
    """Nothing fails, nothing is kept."""
    owners.learn(A, "createFile", body)
    assert owners.allows(B, "x", {"id": "1", "n": "x" * 500})


def test_a_reply_that_repeats_the_request_makes_nothing(owners: Ownership):
    """Names of models or prompts that all use, and free words of the caller's, now or earlier, become nobody's own."""
    owners.learn(B, "createResponse", b'{"id": "resp_12345", "prompt": {"id": "pmpt_shared"}}', {"pmpt_shared"})
    owners.learn(
        B, "modifyVectorStore", b'{"id": "vs_12345", "metadata": {"id": "model-of-all", "x": {"id": "other-of-all"}}}', {"vs_12345"}
    )
    for key in ("pmpt_shared", "model-of-all", "other-of-all", "vs_12345"):
        assert owners.allows(A, "x", {"id": key})
    assert not owners.allows(A, "x", {"id": "resp_12345"})


def test_an_id_is_found_however_much_is_before_it(owners: Ownership):
    """There is no number of values after which none is looked at."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    assert not owners.allows_body(B, {"pad": [0] * 60_000, "file": "file-abc123"})


def test_a_list_is_narrowed_to_the_callers_own(owners: Ownership):
    """Where callers make such things; of other lists only what is another's goes. The page's fields stay."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    page = {"data": [{"id": "file-abc123"}, {"id": "file-before"}], "last_id": "file-before", "has_more": True}
    assert owners.narrows(A, "listFiles")
    assert not owners.narrows(A, "retrieveFile")
    assert owners.narrow(A, "listFiles", page) == {**page, "data": [{"id": "file-abc123"}]}
    assert owners.narrow(B, "listFiles", page) == {**page, "data": []}
    assert owners.narrow(B, "listModels", page) == {**page, "data": [{"id": "file-before"}]}


def test_whoever_made_it_first_keeps_it(owners: Ownership):
    """A reply that echoes another's id gives it to nobody else."""
    owners.learn(A, "createFile", b'{"id": "file-abc123"}')
    owners.learn(B, "createFile", b'{"id": "file-abc123"}')
    assert not owners.allows(B, "x", {"id": "file-abc123"})


def test_connections_of_one_tenant_are_left_alone(owners: Ownership):
    """Nothing is kept and nothing refused."""
    own = caller("c", "own")
    assert not owners.listens(own, "createFile")
    assert owners.allows(own, "x", {"id": "file-abc123"})
    assert owners.listens(A, "createFile")
    assert not owners.listens(A, "listFiles")


def test_it_is_off_where_nothing_is_shared(connector: Connector):
    """Or where the operator says so."""
    assert make_ownership("auto", [], connector.catalog) is None
    assert make_ownership("off", ["shared"], connector.catalog) is None
    assert shared_connections({"a": ["x", "x"], "b": ["x", "y"]}) == ("b",)


def test_a_file_outlives_the_process_and_is_its_owners_alone(tmp_path: Path):
    """Mode 0600."""
    place = tmp_path / "ids"
    ids = SqliteIds(place)
    ids.keep("c", "file-abc123", "a")
    ids.close()
    again = SqliteIds(place)
    assert again.owner("c", "file-abc123") == "a"
    again.close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_used_is_told_at_start(tmp_path: Path):
    """A folder, or something that is no database."""
    (tmp_path / "text").write_text("not a database, but long enough to look like something" * 50)
    for place in (tmp_path / "no" / "such", tmp_path / "text"):
        with pytest.raises(SetupError, match="file of ids"):
            SqliteIds(place)


def test_memory_is_bounded():
    """The oldest ids go first."""
    ids = MemoryIds(most=3)
    for number in range(5):
        ids.keep("c", f"id-{number}", "a")
    assert [ids.owner("c", f"id-{number}") for number in range(5)] == [None, None, "a", "a", "a"]
