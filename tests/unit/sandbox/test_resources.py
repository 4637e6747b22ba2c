"""Objects that are remembered: files, uploads, jobs, batches, responses and vector stores, each with its life."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from kosha_connector_openai.sandbox import DEFAULT_KEY
from kosha_connector_openai.sandbox.message import Blob, Incoming


def statuses(call: Any, path: str, times: int) -> list[str]:
    """The status at each of some readings."""
    return [call("GET", path).json["status"] for _ in range(times)]


def test_a_file_is_what_was_uploaded(call: Any) -> None:
    """Name, size and purpose are those of the upload; its content is the very bytes; after deletion there is nothing."""
    data = bytes(range(256)) * 3
    made = call.form("/v1/files", {"purpose": "user_data"}, {"file": ("a b.bin", data)}).json
    assert (made["filename"], made["bytes"], made["purpose"], made["status"]) == ("a b.bin", 768, "user_data", "processed")
    assert call("GET", f"/v1/files/{made['id']}").json == made
    assert call("GET", f"/v1/files/{made['id']}/content").body == data
    assert call("DELETE", f"/v1/files/{made['id']}").json == {"id": made["id"], "object": "file", "deleted": True}
    assert call("GET", f"/v1/files/{made['id']}").status == 404
    assert call("GET", f"/v1/files/{made['id']}/content").error["message"] == f"No such file object: {made['id']}"


def test_an_empty_file_stays_empty(call: Any) -> None:
    """No bytes in, no bytes out."""
    assert call("GET", f"/v1/files/{call.upload(b'')}/content").body == b""


def test_the_id_named_like_its_parameter_always_exists(call: Any) -> None:
    """So that every operation can be tried with sample inputs."""
    answer = call("GET", "/v1/files/file_id")
    assert (answer.status, answer.json["id"]) == (200, "file_id")
    assert call("GET", "/v1/files/other").status == 404


def test_any_id_stands_for_an_object(app_of: Any) -> None:
    """Under ``any_id`` an object that nobody made is answered by schema, changed and deleted; otherwise it is not there."""
    for any_id, status in ((True, 200), (False, 404)):
        app = app_of(any_id=any_id)
        headers = {"authorization": f"Bearer {DEFAULT_KEY}", "content-type": "application/json"}
        replies = [
            app.answer(Incoming(method, path, headers, Blob.of(body)))
            for method, path, body in (
                ("GET", "/v1/files/file-abc123", b""),
                ("POST", "/v1/batches/batch_abc123/cancel", b""),
                ("POST", "/v1/uploads/upload_abc123/complete", b'{"part_ids": ["part_1"], "md5": "0"}'),
                ("DELETE", "/v1/vector_stores/vs_abc123", b""),
            )
        ]
        assert [reply.status for reply in replies] == [status] * 4
        assert not any_id or json.loads(replies[0].whole())["id"] == "file-abc123"


def test_lists_have_pages(call: Any) -> None:
    """Newest first, ``limit`` at a time, going on after the last one; ``asc`` turns it round; other purposes are left out."""
    ids = [call.upload(b"x", purpose="vision", name=f"{number}.png") for number in range(5)]
    first = call("GET", "/v1/files?purpose=vision&limit=2").json
    assert ([entry["id"] for entry in first["data"]], first["has_more"]) == (ids[:-3:-1], True)
    assert (first["first_id"], first["last_id"]) == (ids[4], ids[3])
    rest = call("GET", f"/v1/files?purpose=vision&limit=10&after={ids[3]}").json
    assert ([entry["id"] for entry in rest["data"]], rest["has_more"]) == (ids[2::-1], False)
    turned = call("GET", "/v1/files?purpose=vision&order=asc&limit=3").json
    assert [entry["id"] for entry in turned["data"]] == ids[:3]


def test_an_empty_page_is_valid(call: Any) -> None:
    """No data, nothing more, ids that the schema allows."""
    page = call("GET", "/v1/files?purpose=assistants_output").json
    assert page == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


def lines_of(call: Any, batch: Any, name: str) -> list[Any]:
    """What stands in a file of a batch."""
    return [json.loads(line) for line in call("GET", f"/v1/files/{batch[f'{name}_file_id']}/content").body.splitlines()]


def started(call: Any, names: list[str]) -> str:
    """The path of a new batch with a line of each name."""
    line = {"method": "POST", "url": "/v1/completions", "body": {"model": "m", "prompt": "Say x"}}
    source = call.upload("\n".join(json.dumps({"custom_id": name, **line}) for name in names).encode())
    wanted = {"input_file_id": source, "endpoint": "/v1/completions", "completion_window": "24h"}
    return f"/v1/batches/{call('POST', '/v1/batches', wanted).json['id']}"


def limit(call: Any, **rules: Any) -> None:
    assert call("POST", "/__sandbox__/limits", rules).status == 200


def test_a_batch_expires_after_so_many_lines(call: Any) -> None:
    """What ran is in the one file, what did not in the other, and the counts are of those that ran."""
    limit(call, batch_lines=2)
    path = started(call, ["a", "b", "c"])
    assert statuses(call, path, 3) == ["in_progress", "expired", "expired"]
    limit(call)
    batch = call("GET", path).json
    assert [line["custom_id"] for line in lines_of(call, batch, "output")] == ["a", "b"]
    assert [(line["custom_id"], line["error"]["code"]) for line in lines_of(call, batch, "error")] == [("c", "batch_expired")]
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 0}


def test_a_batch_that_is_cancelled_half_way_has_the_lines_that_ran(call: Any) -> None:
    """They are in its output file, in their order, and counted."""
    path = started(call, ["a", "b", "c", "d"])
    assert statuses(call, path, 1) == ["in_progress"]
    call("POST", f"{path}/cancel")
    assert statuses(call, path, 1) == ["cancelled"]
    batch = call("GET", path).json
    assert [line["custom_id"] for line in lines_of(call, batch, "output")] == ["a", "b"]
    assert "error_file_id" not in batch
    assert batch["request_counts"]["completed"] == 2


def test_a_custom_id_that_comes_twice_is_refused(call: Any) -> None:
    """With the lines that are to blame; none of them is run."""
    path = started(call, ["a", "b", "a"])
    assert statuses(call, path, 2) == ["failed", "failed"]
    batch = call("GET", path).json
    assert [(error["code"], error["line"]) for error in batch["errors"]["data"]] == [("duplicate_custom_id", 3)]
    assert "output_file_id" not in batch


def test_a_batch_answers_every_line(call: Any) -> None:
    """It goes through its statuses one reading at a time; at the end each line has an answer under its own id."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say yes"}]}
    lines = [
        {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body},
        {
            "custom_id": "two",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "no-such-model", "messages": body["messages"]},
        },
        {"custom_id": "three", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}},
    ]
    source = call.upload("\n".join(map(json.dumps, lines)).encode())
    wanted = {"input_file_id": source, "endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": {"a": "b"}}
    batch = call("POST", "/v1/batches", wanted).json
    assert (batch["status"], batch["metadata"], "output_file_id" in batch) == ("validating", {"a": "b"}, False)
    assert statuses(call, f"/v1/batches/{batch['id']}", 3) == ["in_progress", "completed", "completed"]
    done = call("GET", f"/v1/batches/{batch['id']}").json
    assert done["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert done["completed_at"] > done["created_at"]
    answers, errors = lines_of(call, done, "output"), lines_of(call, done, "error")
    assert [(answer["custom_id"], answer["response"]["status_code"]) for answer in answers] == [("one", 200), ("three", 200)]
    assert [(error["custom_id"], error["response"]["status_code"]) for error in errors] == [("two", 404)]
    assert answers[0]["response"]["body"]["choices"][0]["message"]["content"] == "Yes (sandbox)."


def test_a_batch_without_its_file_fails(call: Any) -> None:
    """The missing file is named in the batch's errors."""
    wanted = {"input_file_id": "file-none", "endpoint": "/v1/embeddings", "completion_window": "24h"}
    batch = call("POST", "/v1/batches", wanted).json
    assert statuses(call, f"/v1/batches/{batch['id']}", 2) == ["failed", "failed"]
    assert call("GET", f"/v1/batches/{batch['id']}").json["errors"]["data"][0]["param"] == "input_file_id"


def test_a_cancelled_batch_stays_cancelled(call: Any) -> None:
    """Cancelling takes one reading, cannot be done twice, and leaves no output."""
    source = call.upload(b"{}")
    batch = call("POST", "/v1/batches", {"input_file_id": source, "endpoint": "/v1/embeddings", "completion_window": "24h"}).json
    path = f"/v1/batches/{batch['id']}"
    assert call("POST", f"{path}/cancel").json["status"] == "cancelling"
    assert statuses(call, path, 2) == ["cancelled", "cancelled"]
    assert call("POST", f"{path}/cancel").status == 400
    assert "output_file_id" not in call("GET", path).json


def test_a_fine_tuning_job_runs_to_its_end(call: Any) -> None:
    """Validated, queued, running, succeeded; the model's name comes last; events and checkpoints tell of it."""
    wanted = {"model": "gpt-4o-mini", "training_file": call.upload(b"{}", "fine-tune")}
    job = call("POST", "/v1/fine_tuning/jobs", wanted).json
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    assert (job["status"], job["fine_tuned_model"]) == ("validating_files", None)
    assert call("GET", f"{path}/checkpoints").json["data"] == []
    assert statuses(call, path, 4) == ["queued", "running", "succeeded", "succeeded"]
    assert call("GET", path).json["fine_tuned_model"].startswith("ft:gpt-4o-mini:sandbox::")
    messages = [event["message"] for event in call("GET", f"{path}/events").json["data"]]
    assert messages == [f"The status is {name}." for name in ("succeeded", "running", "queued", "validating_files")]
    assert call("GET", f"{path}/events?limit=1").json["has_more"] is True
    assert len(call("GET", f"{path}/checkpoints").json["data"]) == 1


def test_a_paused_job_waits(call: Any) -> None:
    """Nothing moves between pause and resume; a cancelled job has no model."""
    job = call("POST", "/v1/fine_tuning/jobs", {"model": "m", "training_file": "file-x"}).json
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    call("POST", f"{path}/pause")
    assert statuses(call, path, 2) == ["validating_files", "validating_files"]
    call("POST", f"{path}/resume")
    assert statuses(call, path, 1) == ["queued"]
    assert call("POST", f"{path}/cancel").json["status"] == "cancelled"
    assert call("GET", path).json["fine_tuned_model"] is None
    assert call("POST", f"{path}/resume").error["message"] == "This can no longer be changed: its status is cancelled."


def begin_upload(call: Any, size: int) -> str:
    """A new upload's path."""
    wanted = {"filename": "big.jsonl", "purpose": "batch", "bytes": size, "mime_type": "application/jsonl"}
    return f"/v1/uploads/{call('POST', '/v1/uploads', wanted).json['id']}"


def test_an_upload_joins_its_parts(call: Any) -> None:
    """In the order asked for; the MD5 is checked; the file has the joined bytes."""
    path = begin_upload(call, 6)
    parts = [call.form(f"{path}/parts", {}, {"data": ("p", data)}).json["id"] for data in (b"def", b"abc")]
    checksum = hashlib.md5(b"abcdef", usedforsecurity=False).hexdigest()
    done = call("POST", f"{path}/complete", {"part_ids": parts[::-1], "md5": checksum}).json
    assert (done["status"], done["file"]["filename"], done["file"]["bytes"]) == ("completed", "big.jsonl", 6)
    assert call("GET", f"/v1/files/{done['file']['id']}/content").body == b"abcdef"


@pytest.mark.parametrize(
    ("size", "extra", "param"),
    [(4, {}, "bytes"), (3, {"md5": "0" * 32}, "md5"), (3, {"part_ids": ["part_none"]}, "part_ids")],
)
def test_an_upload_that_does_not_add_up_is_refused(call: Any, size: int, extra: dict[str, Any], param: str) -> None:
    """Too few bytes, another checksum, an unknown part."""
    path = begin_upload(call, size)
    part = call.form(f"{path}/parts", {}, {"data": ("p", b"abc")}).json["id"]
    answer = call("POST", f"{path}/complete", {"part_ids": [part], **extra})
    assert (answer.status, answer.error["param"]) == (400, param)
    assert call("POST", f"{path}/cancel").json["status"] == "cancelled"


def test_a_vector_store_finds_text(call: Any) -> None:
    """A file is taken in after one reading, counted and measured; a search gives its text with a score, best first."""
    text = b"The lighthouse keeper counts ships. A gull watches."
    file, other = call.upload(text, "assistants", "sea.txt"), call.upload(b"Bread needs flour.", "assistants", "bread.txt")
    store = call("POST", "/v1/vector_stores", {"name": "tales", "file_ids": [file]}).json
    path = f"/v1/vector_stores/{store['id']}"
    assert (store["status"], store["file_counts"]["in_progress"]) == ("in_progress", 1)
    call("POST", f"{path}/files", {"file_id": other, "attributes": {"kind": "food"}})
    assert statuses(call, f"{path}/files/{file}", 2) == ["completed", "completed"]
    assert statuses(call, f"{path}/files/{other}", 1) == ["completed"]
    now = call("GET", path).json
    assert (now["name"], now["status"], now["file_counts"]["completed"], now["usage_bytes"]) == ("tales", "completed", 2, len(text) + 18)
    found = call("POST", f"{path}/search", {"query": "which flour for bread?"}).json["data"]
    assert [(hit["file_id"], hit["filename"], hit["attributes"], hit["score"]) for hit in found] == [
        (other, "bread.txt", {"kind": "food"}, 0.5)
    ]
    assert call("GET", f"{path}/files/{file}/content").json["data"] == [{"type": "text", "text": text.decode()}]
    assert call("DELETE", f"{path}/files/{file}").json == {"id": file, "deleted": True, "object": "vector_store.file.deleted"}
    assert call("GET", path).json["file_counts"]["total"] == 1


def test_a_file_batch_ends_with_its_files(call: Any) -> None:
    """Both files are completed once the batch is."""
    names = [call.upload(data, "assistants") for data in (b"one", b"two")]
    store = call("POST", "/v1/vector_stores", {}).json["id"]
    batch = call("POST", f"/v1/vector_stores/{store}/file_batches", {"file_ids": names}).json
    path = f"/v1/vector_stores/{store}/file_batches/{batch['id']}"
    assert batch["file_counts"]["in_progress"] == 2
    done = call("GET", path).json
    assert (done["status"], done["file_counts"]["completed"]) == ("completed", 2)
    assert [entry["id"] for entry in call("GET", f"{path}/files?order=asc").json["data"]] == names


def test_stored_responses_can_be_read_again(call: Any) -> None:
    """With their input items; not when the caller said so, and not after deletion."""
    made = call("POST", "/v1/responses", {"model": "m", "input": "Say yes", "metadata": {"k": "v"}}).json
    path = f"/v1/responses/{made['id']}"
    assert (made["status"], made["metadata"]) == ("completed", {"k": "v"})
    items = call("GET", f"{path}/input_items").json["data"]
    assert [item["content"] for item in items] == [[{"type": "input_text", "text": "Say yes"}]]
    assert (call("DELETE", path).status, call("GET", path).status) == (200, 404)
    lost = call("POST", "/v1/responses", {"model": "m", "input": "x", "store": False}).json
    assert call("GET", f"/v1/responses/{lost['id']}").status == 404


def test_a_background_response_takes_its_time(call: Any) -> None:
    """No output until it is completed; or never, when it is cancelled before."""
    made = call("POST", "/v1/responses", {"model": "m", "input": "Say yes", "background": True}).json
    path = f"/v1/responses/{made['id']}"
    assert (made["status"], made["output"]) == ("queued", [])
    assert statuses(call, path, 3) == ["in_progress", "completed", "completed"]
    assert call("GET", path).json["output"][0]["content"][0]["text"] == "Yes (sandbox)."
    other = call("POST", "/v1/responses", {"model": "m", "input": "x", "background": True}).json
    assert call("POST", f"/v1/responses/{other['id']}/cancel").json["status"] == "cancelled"
    assert call("GET", f"/v1/responses/{other['id']}").json["output"] == []


def test_chat_completions_are_kept_only_where_asked(call: Any) -> None:
    """As at the vendor, ``store`` has to be true."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    kept, lost = (call("POST", "/v1/chat/completions", {**body, **extra}).json["id"] for extra in ({"store": True}, {}))
    assert (call("GET", f"/v1/chat/completions/{kept}").status, call("GET", f"/v1/chat/completions/{lost}").status) == (200, 404)


def test_models_are_there_and_can_be_deleted(call: Any) -> None:
    """The seeds of the behaviour; a deleted one is gone."""
    name = "ft%3Agpt-4o-mini%3Asandbox%3A%3A000001"
    assert "gpt-4o-mini" in [model["id"] for model in call("GET", "/v1/models").json["data"]]
    assert call("DELETE", f"/v1/models/{name}").json["deleted"] is True
    assert call("GET", f"/v1/models/{name}").status == 404


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "static_bearer", "token": "bearer-9f31", "mcp_server_url": "https://mcp.example"},
        {"type": "environment_variable", "secret_name": "KEY", "secret_value": "value-9f31", "networking": {"type": "unrestricted"}},
        {
            "type": "mcp_oauth",
            "access_token": "access-9f31",
            "mcp_server_url": "https://mcp.example",
            "refresh": {
                "client_id": "c",
                "refresh_token": "refresh-9f31",
                "token_endpoint": "https://login.example",
                "token_endpoint_auth": {"type": "client_secret_post", "client_secret": "client-9f31"},
            },
        },
    ],
    ids=lambda auth: str(auth["type"]),
)
def test_a_vaults_credential_is_never_shown(call: Any, auth: dict[str, Any]) -> None:
    """Whatever kind it is: not when it is made, read, listed or renewed."""
    beta = {"openai_beta": "agents=v1"}
    vault = call("POST", "/v1/vaults", {"name": "keys"}, **beta).json["id"]
    made = call("POST", f"/v1/vaults/{vault}/credentials", {"name": "key", "auth": auth}, **beta)
    path = f"/v1/vaults/{vault}/credentials/{made.json['id']}"
    renewed = {"auth": {name: value for name, value in auth.items() if name in ("type", "token", "secret_value", "access_token")}}
    answers = [made, call("POST", path, renewed, **beta), call("GET", path, **beta), call("GET", f"/v1/vaults/{vault}/credentials", **beta)]
    assert [answer.status for answer in answers] == [200] * 4
    assert answers[2].json["name"] == "key"
    assert not any(b"9f31" in answer.body for answer in answers)


def test_a_list_shows_its_entries_in_their_own_shape(call: Any) -> None:
    """A certificate alone is a `certificate`; in the organization's list it is an `organization.certificate` and may be active."""
    made = call("POST", "/v1/organization/certificates", {"name": "ours", "certificate": "PEM"}).json
    (shown,) = (one for one in call("GET", "/v1/organization/certificates").json["data"] if one["id"] == made["id"])
    assert (made["object"], made["name"]) == ("certificate", "ours")
    assert (shown["object"], shown["name"], isinstance(shown["active"], bool)) == ("organization.certificate", "ours", True)


def test_a_vaults_credential_always_has_labels(call: Any) -> None:
    """None unless they are given; the client reads them in every answer."""
    beta = {"openai_beta": "agents=v1"}
    vault = call("POST", "/v1/vaults", {"name": "keys"}, **beta).json["id"]
    auth = {"type": "static_bearer", "token": "t", "mcp_server_url": "https://mcp.example.com"}
    path = f"/v1/vaults/{vault}/credentials"
    made = [call("POST", path, {"name": "key", "auth": auth, **labels}, **beta).json for labels in ({}, {"metadata": {"team": "a"}})]
    assert [one["metadata"] for one in made] == [{}, {"team": "a"}]
