"""multipart/form-data as two independent parsers read it."""

import asyncio
import io
import tracemalloc
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.request.files import CHUNK, FileInput, FilePolicy, read_file_input
from kosha_connector_openai.core.request.multipart import FormPart, MultipartBody
from kosha_connector_openai.errors import InputError

POLICY = FilePolicy(roots=(Path("/"),))


def by_email(body):
    """(name, filename, content type, bytes) of each part, by the standard library."""
    raw = b"Content-Type: " + body.content_type.encode() + b"\r\n\r\n" + b"".join(body.chunks())
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get("content-type"),
            part.get_payload(decode=True),
        )
        for part in message_from_bytes(raw, policy=HTTP).iter_parts()
    ]


def by_aiohttp(body):
    """The same by aiohttp."""

    async def read():
        stream = aiohttp.StreamReader(aiohttp.base_protocol.BaseProtocol(asyncio.get_running_loop()), 2**20)
        stream.feed_data(b"".join(body.chunks()))
        stream.feed_eof()
        reader = aiohttp.MultipartReader({"Content-Type": body.content_type}, stream)
        return [(part.name, part.filename, part.headers.get("Content-Type"), bytes(await part.read())) async for part in reader]

    return asyncio.run(read())


def test_the_bytes_of_a_form():
    """Fields and a file, byte for byte, with the length told before."""
    file = read_file_input(("a.png", b"\x89PNG\r\n--x"), "/image", POLICY)
    body = MultipartBody([FormPart("model", b"m"), FormPart("image", file), FormPart("meta", b"{}", None, "application/json")], "x1")
    sent = b"".join(body.chunks())
    assert sent == (
        b'--x1\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
        b'--x1\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        b"\x89PNG\r\n--x\r\n"
        b'--x1\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{}\r\n'
        b"--x1--\r\n"
    )
    assert body.length == len(sent)
    assert body.content_type == "multipart/form-data; boundary=x1"
    assert b"".join(body.chunks()) == sent


def test_two_parsers_read_the_same_form():
    """Repeated names, empty values and a file come back in order from both."""
    file = read_file_input(("ä b.wav", b"RIFF"), "/file", POLICY)
    body = MultipartBody([FormPart("a[]", b"1"), FormPart("a[]", b""), FormPart("file", file)])
    parts = [("a[]", None, None, b"1"), ("a[]", None, None, b""), ("file", "ä b.wav", "audio/wav", b"RIFF")]
    assert by_aiohttp(body) == parts
    assert [part[0::3] for part in by_email(body)] == [part[0::3] for part in parts]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.text('ab[]"\r\n=\\é ', min_size=1, max_size=8), st.binary(max_size=60)), min_size=1, max_size=4))
def test_names_and_values_never_break_out(fields):
    """Any names and bytes give exactly as many parts, each with one header line and its own bytes."""
    body = MultipartBody([FormPart(name, value) for name, value in fields])
    sent = b"".join(body.chunks())
    assert body.length == len(sent)
    assert [part[3] for part in by_aiohttp(body)] == [value for _, value in fields]
    heads = [piece.split(b"\r\n\r\n")[0] for piece in sent.split(f"--{body.boundary}\r\n".encode())[1:]]
    assert [head.count(b"\r") for head in heads] == [0] * len(fields)


def test_names_are_escaped_as_browsers_do():
    """Quote, CR and LF become %22, %0D and %0A, a backslash %5C; the rest stays."""
    assert FormPart('a"b\r\nX: 1;\\', b"").head() == b'Content-Disposition: form-data; name="a%22b%0D%0AX: 1;%5C"\r\n\r\n'


@pytest.mark.parametrize("filename", ['a"\r\nX-Evil: 1', "x\0y", "tail\\", "../../etc/passwd", "n" * 300, "\u202egnp.exe"])
def test_hostile_file_names_stay_one_parameter(filename):
    """Both parsers see one file whose name has no separators, quotes, controls or excess."""
    body = MultipartBody([FormPart("file", read_file_input((filename, b"data"), "/file", POLICY))])
    ((name, found, content_type, data),) = by_aiohttp(body)
    assert (name, content_type, data) == ("file", "application/octet-stream", b"data")
    assert len(found) <= 200
    assert not set(found) & set('"\\/\r\n\0\u202e')
    assert len(by_email(body)) == 1


def test_boundaries_are_random():
    """Two bodies do not share a boundary, and it is within RFC 2046's 70 characters."""
    first, second = MultipartBody([]), MultipartBody([])
    assert first.boundary != second.boundary
    assert len(first.boundary) == 32


def test_files_stream_in_small_pieces(tmp_path):
    """Twenty megabytes from disk pass in pieces of at most 64 KiB, within two megabytes of memory."""
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(20_000_000))
    body = MultipartBody([FormPart("file", read_file_input(path, "/file", POLICY))])
    tracemalloc.start()
    sizes = [len(chunk) for chunk in body.chunks()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) == body.length
    assert max(sizes) == CHUNK
    assert peak < 2_000_000


def test_a_file_that_shrank_or_grew_is_an_error():
    """A file object that is not as long as it was ends the body with an error, never with a false length."""
    for change in (lambda file: file.truncate(1), lambda file: (file.seek(0, 2), file.write(b"more"))):
        file = io.BytesIO(b"12345")
        body = MultipartBody([FormPart("file", read_file_input(file, "/file", POLICY))])
        change(file)
        with pytest.raises(InputError):
            list(body.chunks())


def test_a_pipe_has_no_length_and_no_second_time():
    """A reader that cannot seek makes the body of unknown length and not replayable."""
    pipe = io.BufferedReader(io.BytesIO(b"x"))
    pipe.seekable = lambda: False
    body = MultipartBody([FormPart("a", b"1"), FormPart("file", read_file_input(pipe, "/file", POLICY))])
    assert (body.length, body.replayable) == (None, False)
    assert b"\r\n\r\nx\r\n--" in b"".join(body.chunks())
    assert MultipartBody([FormPart("a", b"1")]).replayable


def test_a_part_may_rename_its_file():
    """The part's own name and type win over the file's."""
    file = read_file_input(b"x", "/f", POLICY)
    assert isinstance(file, FileInput)
    assert FormPart("f", file, "n.txt", "text/plain").head() == (
        b'Content-Disposition: form-data; name="f"; filename="n.txt"\r\nContent-Type: text/plain\r\n\r\n'
    )
