"""Rows B2, B3, B4, B10, B22 and B23: tenants of one account, over the service; the sequences are in tests/property/test_tenancy.py."""

from __future__ import annotations

import base64
import json

import pytest

from tests.recorder import Recorder, reply
from tests.threats.in_process import entry, in_process

LINE = b'{"body": {"input": [{"type": "input_file", "file_id": "file-of-a-1"}]}}\n'


@pytest.mark.parametrize("number", ["b02", "b03"])
async def test_b02_b03_what_a_list_or_a_reply_tells_of_others(number: str) -> None:
    """B2, B3: a page holds no foreign ids; a batch's output file and a response's container are their maker's."""
    made = {"id": "batch_of_a1", "object": "batch", "output_file_id": "file-output-a", "container_id": "cntr_of_a1"}
    page = {"object": "list", "data": [made], "first_id": "batch_of_a1", "last_id": "batch_of_a1", "has_more": True}
    with Recorder(reply(200, made), reply(200, page)) as upstream:
        async with in_process(upstream.url, validation="off") as house:
            assert (await house.call("POST", "/v1/batches", json={"endpoint": "/v1/responses"})).status_code == 200
            other = await house.call("GET", "/v1/batches?limit=1", "b")
            assert "of_a1" not in other.text
            asked = len(upstream.requests)
            for path in ("/v1/files/file-output-a/content", "/v1/containers/cntr_of_a1/files", "/v1/batches/batch_of_a1"):
                assert (await house.call("GET", path, "b")).status_code == 404
            assert len(upstream.requests) == asked, number
            after = other.json()["last_id"]
            await house.call("GET", f"/v1/batches?limit=1&after={after}", "b")
            assert upstream.last.target == "/v1/batches?limit=1&after=batch_of_a1"


@pytest.mark.parametrize("end", [b"\n", b""])
async def test_b03_ids_are_learned_from_lines_of_json(end: bytes) -> None:
    """B3: a stream whose events are lines of JSON makes things of the caller's as one of server-sent events does, the last line too."""
    lines = b'{"type": "response.created"}\n{"type": "response.completed", "response": {"id": "resp_of_a1", "object": "response"}}' + end
    with Recorder(reply(200, lines, content_type="application/x-ndjson"), reply(200, {"id": "resp_of_a1"})) as upstream:
        async with in_process(upstream.url, validation="off") as house:
            streamed = await house.call("POST", "/v1/responses", json={"model": "m", "input": "x", "stream": True})
            assert streamed.content == lines
            assert (await house.call("GET", "/v1/responses/resp_of_a1", "b")).status_code == 404
            assert (await house.call("GET", "/v1/responses/resp_of_a1", "a")).status_code == 200


@pytest.mark.parametrize(
    "file",
    [
        {"base64": base64.b64encode(LINE).decode(), "filename": "b.jsonl"},
        {"text": LINE.decode(), "filename": "b.jsonl"},
        "data:application/jsonl;base64," + base64.b64encode(LINE).decode(),
    ],
    ids=["base64", "text", "data"],
)
async def test_b04_a_files_bytes_are_read_however_it_comes(file: object) -> None:
    """B4: what a form's file may not name, a run's may not either."""
    with Recorder() as upstream:
        async with in_process(upstream.url) as house:
            assert (await house.run("createFile", {"purpose": "batch", "file": file}, "b")).status_code == 404
        assert upstream.silent


@pytest.mark.parametrize(
    "head", ["Content-Transfer-Encoding: base64", "content-transfer-encoding : quoted-printable", "Content-Encoding: gzip"]
)
async def test_b23_an_encoded_part_is_refused(head: str) -> None:
    """B23: servers differ in whether they decode it; and UTF-16 is read."""
    mark = "xyz"
    form = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n{head}\r\n\r\neHh4\r\n--{mark}--\r\n'
    with Recorder() as upstream:
        async with in_process(upstream.url, validation="off") as house:
            kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
            assert (await house.call("POST", "/v1/files", "b", content=form.encode(), headers=kind)).status_code == 404
            wide = {"file": ("f.jsonl", json.dumps({"file_id": "file-of-a-1"}).encode("utf-16"))}
            assert (await house.call("POST", "/v1/files", "b", files=wide)).status_code == 404
        assert upstream.silent


PURPOSE = b'--BB\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="f"'


def _form(head: bytes = DISPOSITION, content: bytes = LINE, mark: bytes = b"BB", end: bytes = b"--BB--\r\n") -> bytes:
    return PURPOSE.replace(b"BB", mark) + b"--" + mark + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" + end.replace(b"BB", mark)


TRICKS: dict[str, tuple[str, bytes]] = {
    "a quoted boundary": ('boundary="BB"', _form()),
    "a boundary with an escape": ('boundary="B\\B"', _form()),
    "two boundaries": ("boundary=XX; boundary=BB", _form()),
    "two boundaries, the first unused": ("boundary=BB; boundary=XX", _form(mark=b"XX")),
    "a boundary in pieces": ("boundary*0=B; boundary*1=B", _form()),
    "a boundary with a charset": ("boundary*=utf-8''BB", _form()),
    "no last boundary": ("boundary=BB", _form(end=b"")),
    "line feeds alone": ("boundary=BB", _form().replace(b"\r\n", b"\n")),
    "before the first part": ("boundary=BB", LINE + b"\r\n" + PURPOSE + b"--BB--\r\n"),
    "after the last part": ("boundary=BB", PURPOSE + b"--BB--\r\n" + LINE),
    "a part after the last": ("boundary=BB", PURPOSE + b"--BB--\r\n" + _form()),
    "a boundary inside the content": ("boundary=BB", _form(content=b"x\r\n--BBB\r\n" + LINE)),
    "blanks behind a boundary": ("boundary=BB", _form(content=b"x\r\n--BB \t\r\n" + DISPOSITION + b"\r\n\r\n" + LINE)),
    "a name in UTF-7": ("boundary=BB", _form(b"Content-Disposition: form-data; name*=utf-7''file; filename=f")),
    "a file name in UTF-7": ("boundary=BB", _form(b"Content-Disposition: form-data; name=\"file\"; filename*=utf-7''f")),
    "a line break in a file name": ("boundary=BB", _form(b'Content-Disposition: form-data; name="file"; filename="a\r\nX: y"')),
    "parts in a part": (
        "boundary=BB",
        _form(b'Content-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=CC', _form(mark=b"CC")),
    ),
}
"""Forms that readers of multipart bodies read in different ways; each has somewhere a line that names a file of another tenant."""


async def test_b23_no_form_hides_an_id() -> None:
    """B23: wherever the id stands, and whoever would find it there, nothing leaves."""
    with Recorder() as upstream:
        async with in_process(upstream.url, validation="off") as house:
            let_through = []
            for trick, (boundary, body) in TRICKS.items():
                kind = {"Content-Type": f"multipart/form-data; {boundary}"}
                answer = await house.call("POST", "/v1/files", "b", content=body, headers=kind)
                let_through += [trick] if answer.status_code not in (400, 404) else []
            assert let_through == []
        assert upstream.silent


async def test_b22_two_connections_with_one_key_are_one_account() -> None:
    """B22: their tenants are told apart, and the operator is told."""
    with Recorder(reply(200, {"id": "file-of-a-1"})) as upstream:
        async with in_process(upstream.url) as house:
            key = house.folder / "key"
            each = {"values": {"server_url": upstream.url, "api_key": f"file:{key}"}}
            connections = {"one": each, "two": each}
            tokens = [entry("a", connection="one"), entry("b", connection="two")]
            async with in_process(upstream.url, connections=connections, tokens=tokens, validation="off") as both:
                assert any("share the account behind one" in text for text in both.service.warnings)
                assert (await both.call("POST", "/v1/files", files={"file": b"x"})).status_code == 200
                assert (await both.call("GET", "/v1/files/file-of-a-1", "b")).status_code == 404
                assert (await both.call("GET", "/v1/files/file-of-a-1", "a")).status_code == 200


async def test_b10_unknown_ids_pass_only_where_the_operator_says_so() -> None:
    """B10: refused by default; `pass` is warned of."""
    with Recorder() as upstream:
        async with in_process(upstream.url) as house:
            assert (await house.call("GET", "/v1/files/file-before")).status_code == 404
        async with in_process(upstream.url, ownership={"unknown": "pass"}) as house:
            assert (await house.call("GET", "/v1/files/file-before")).status_code == 200
            assert any("`pass`" in text for text in house.service.warnings)
