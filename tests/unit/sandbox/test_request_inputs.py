"""Requests read back into the inputs that they were written from."""

from __future__ import annotations

import pytest

from kosha_connector_openai.core.actions.sample_inputs import action_sample
from kosha_connector_openai.core.request.files import FilePolicy
from kosha_connector_openai.core.request.request import build_request
from kosha_connector_openai.sandbox.app import App
from kosha_connector_openai.sandbox.message import Blob, Incoming, UploadedFile
from kosha_connector_openai.sandbox.request_inputs import Reader, Unreadable, parts

MULTIPART = "multipart/form-data; boundary=B"


def incoming(target: str, body: bytes = b"", content_type: str = "application/json") -> Incoming:
    """A request with a body."""
    return Incoming("POST", target, {"content-type": content_type}, Blob.of(body))


def test_query_values_get_their_types(app: App) -> None:
    """Numbers become numbers, repeated names arrays, unknown names are left alone."""
    reader = Reader(app.actions["getResponse"])
    target = "/v1/responses/r?stream=true&starting_after=3&include%5B%5D=file_search_call.results&beta=true"
    expected = {"response_id": "r", "stream": True, "starting_after": 3, "include": ["file_search_call.results"]}
    assert reader.read(incoming(target), {"response_id": "r"}) == expected


def test_json_bodies_become_inputs(app: App) -> None:
    """The fields of the body stand beside the path's values, which win."""
    reader = Reader(app.actions["modifyVectorStore"])
    body = b'{"name":"n","vector_store_id":"other"}'
    assert reader.read(incoming("/", body), {"vector_store_id": "vs"}) == {"vector_store_id": "vs", "name": "n"}


def test_multipart_fields_get_their_types(app: App) -> None:
    """Text becomes a number where the schema has one, a file stays where it is, brackets make arrays."""
    body = (
        b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--B\r\nContent-Disposition: form-data; name="temperature"\r\n\r\n0.5\r\n'
        b'--B\r\nContent-Disposition: form-data; name="include[]"\r\n\r\nlogprobs\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a \xc3\xa9.wav"\r\nContent-Type: audio/wav\r\n\r\nRI\r\nFF\r\n'
        b"--B--\r\n"
    )
    inputs = Reader(app.actions["createTranscription"]).read(incoming("/", body, MULTIPART), {})
    file = inputs.pop("file")
    assert inputs == {"model": "whisper-1", "temperature": 0.5, "include": ["logprobs"]}
    assert isinstance(file, UploadedFile)
    assert (file.filename, file.content_type, file.read()) == ("a é.wav", "audio/wav", b"RI\r\nFF")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"a=1", "text/csv"),
    ],
)
def test_unreadable_bodies_are_said(app: App, body: bytes, content_type: str) -> None:
    """Not JSON, not an object, too deep, or of another type."""
    with pytest.raises(Unreadable):
        Reader(app.actions["createEmbedding"]).read(incoming("/", body, content_type), {})


@pytest.mark.parametrize("body", [b"", b"--B\r\n", b"--B\r\n\r\nx", b"no boundary", b"--B\r\n" + b"x" * 20_000 + b"\r\n\r\n\r\n--B--"])
def test_broken_multipart_is_said(body: bytes) -> None:
    """Without an end, a head or a boundary there are no parts."""
    with pytest.raises(Unreadable):
        list(parts(Blob.of(body), "B"))


def test_every_written_request_reads_back(app: App) -> None:
    """For every operation: the inputs, written by the connector and read by the sandbox, are accepted again, none left out."""
    lost = {}
    for name, action in app.actions.items():
        inputs = action_sample(action)
        request = build_request(action, inputs, FilePolicy())
        body = b"".join(request.body.chunks()) if request.body else b""
        headers = {key.lower(): value for key, value in request.headers}
        values = {key: value for key, value in inputs.items() if f"{{{key}}}" in action.operation.path}
        read = Reader(action).read(Incoming("POST", request.target, headers, Blob.of(body)), values)
        action.check(read)
        if not inputs.keys() <= read.keys():
            lost[name] = (read, inputs)
    assert lost == {}
