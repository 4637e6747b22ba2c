"""Rows F1 to F8: files that inputs name, what is written about them into a form, and files that replies become."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kosha_connector_openai import CallOptions
from kosha_connector_openai.errors import InputError, ReplyError, TransportError, TruncatedReplyError
from kosha_connector_openai.text.json_text import loads_strict
from tests.audit import audit
from tests.cap import capped
from tests.integration.conftest import Way
from tests.recorder import Received, Script, raw, reply
from tests.threats.conftest import House, failure, without_frames

SECRET = b"root:x:0:0 do-not-read"
FILE_ACTIONS = {"createFile": {"purpose": "batch"}, "createTranscription": {"model": "m"}, "createImageEdit": {"prompt": "p"}}
FIELDS = {"createFile": "file", "createTranscription": "file", "createImageEdit": "image"}
PATHS = {
    "text": str,
    "path": Path,
    "object": lambda path: {"path": str(path)},
    "object-path": lambda path: {"path": Path(path)},
    "named": lambda path: {"path": str(path), "filename": "a.txt", "content_type": "text/plain"},
    "filepath": lambda path: {"filepath": str(path)},
    "upload": lambda path: {"name": "a", "filepath": str(path), "originalFilename": "a", "mimetype": "text/plain"},
    "url": lambda path: f"file://{path}",
    "at": lambda path: f"@{path}",
    "list": lambda path: [str(path)],
    "list-object": lambda path: [{"path": str(path)}],
    "tuple": lambda path: ("a.txt", {"path": str(path)}),
    "tuple-path": lambda path: ("a.txt", Path(path)),
    "base64-path": lambda path: {"base64": Path(path)},
    "two": lambda path: {"path": str(path), "text": "x"},
}
"""Ways of asking for a file by its place."""
PLACES = [
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/self/mem",
    "/dev/zero",
    "/dev/stdin",
    "../../etc/passwd",
    "~/.ssh/id_rsa",
    "connector.yaml",
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that nobody allowed."""
    path = tmp_path / "secret.txt"
    path.write_bytes(SECRET)
    return path


@pytest.mark.parametrize("action", FILE_ACTIONS)
@pytest.mark.parametrize("ask", [pytest.param(ask, id=f"F1-{name}") for name, ask in PATHS.items()])
def test_a_path_is_not_a_file(house: House, secret: Path, action: str, ask: Callable[[Any], Any]) -> None:
    """F1: by itself a connection opens no path in any form: it is refused, nothing is opened, nothing sent, and the key is not read."""
    with audit(hosts=["127.0.0.1"]) as watch:
        errors = [house.refused(action, {**FILE_ACTIONS[action], FIELDS[action]: ask(place)}) for place in [str(secret), *PLACES]]
    assert {type(error) for error in errors} == {InputError}
    assert {error.faults[0].pointer.split("/")[1] for error in errors} == {FIELDS[action]}  # type: ignore[attr-defined]
    assert not [name for name in watch.files if name.startswith(str(secret.parent))]


@pytest.mark.parametrize("field", ["purpose", "expires_after", "unknown"])
def test_a_path_in_another_field_is_not_opened(house: House, secret: Path, field: str) -> None:
    """F1: nor one that is given where no file belongs."""
    with audit(hosts=["127.0.0.1"]), suppress(InputError):
        house.run("createFile", {"purpose": "batch", "file": b"x", field: secret})
    assert all(SECRET not in request.raw for request in house.upstream.requests)


STANDING_IN = [
    b'{"purpose":"batch","file":{"filepath":"PATH"}}',
    b'{"purpose":"batch","file":{"path":"PATH"}}',
    b'{"purpose":"batch","file":"PATH"}',
    b'{"purpose":"batch","file":[{"path":"PATH"}]}',
    b'{"purpose":"batch","file":{"path":"PATH","filename":"x"},"extra_body":{"file":"PATH"}}',
    b'{"purpose":"batch","file":{"__class__":"pathlib.PosixPath","args":["PATH"]}}',
]


@pytest.mark.parametrize("text", [pytest.param(text, id=f"F2-{number}") for number, text in enumerate(STANDING_IN)])
def test_json_does_not_stand_in_for_an_upload(house: House, secret: Path, text: bytes) -> None:
    """F2: JSON that only names a file is refused; there is no way from JSON text to a file of this machine."""
    inputs = loads_strict(text.replace(b"PATH", str(secret).encode()))
    with audit(hosts=["127.0.0.1"]):
        assert isinstance(house.refused("createFile", inputs), InputError)


@pytest.mark.parametrize("value", [{"base64": "aGk="}, {"text": "hi"}, "data:,hi", {"base64": "aGk=", "filename": "a.txt"}])
def test_a_form_is_sent_as_a_form(house: House, value: Any) -> None:
    """F2: a file that stands in JSON itself is sent as a part of a form, never as JSON."""
    sent = house.sent("createFile", {"purpose": "batch", "file": value})
    assert (sent.header("Content-Type") or "").startswith("multipart/form-data; boundary=")
    assert b"\r\n\r\nhi\r\n" in sent.body


@pytest.fixture
def roots(tmp_path: Path, secret: Path) -> Path:
    """A folder that may be read, with doors that lead out of it."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "good.txt").write_bytes(b"good")
    (root / "sub" / "good.txt").write_bytes(b"good")
    (root / "link").symlink_to(secret)
    (root / "inner-link").symlink_to(root / "good.txt")
    (root / "folder-link").symlink_to(tmp_path)
    (root / "hard").hardlink_to(secret)
    (root / "loop").symlink_to(root / "loop")
    (root / "dangling").symlink_to(root / "absent")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    (root / "device").symlink_to("/dev/zero")
    return root


OUT_OF_ROOT = [
    "ROOT/link", "link", "ROOT/inner-link", "ROOT/folder-link/secret.txt", "folder-link/secret.txt", "ROOT/hard", "hard",
    "ROOT/loop", "ROOT/dangling", "ROOT/../secret.txt", "../secret.txt", "ROOT/sub/../../secret.txt", "sub/../good.txt", "ROOT/absent",
    "ROOT", "ROOT/sub", "", ".", "ROOT/pipe", "ROOT/socket", "ROOT/device", "ROOT/good.txt/x", "ROOTx/secret.txt", "/etc/passwd",
    "/proc/self/environ", "/proc/self/fd/0", "/proc/self/cwd/README.md", "ROOT/\x00good.txt", "ROOT/" + "a" * 300,
    "file://ROOT/good.txt", "ROOT/%2e%2e/secret.txt", "ROOT/\ud800",
]  # fmt: skip


@pytest.mark.parametrize("path", [pytest.param(path, id=f"F3-{path[:30]!r}") for path in OUT_OF_ROOT])
def test_nothing_leads_out_of_a_listed_folder(house: House, roots: Path, path: str) -> None:
    """F3, F4: links, second names, dots, pipes, sockets, devices and folders below a listed folder are refused at once, unsent."""
    inputs = {"purpose": "batch", "file": {"path": path.replace("ROOT", str(roots))}}
    error = house.refused("createFile", inputs, roots=[roots])
    assert isinstance(error, InputError)
    assert str(roots.parent) not in str(without_frames(error))


@pytest.mark.parametrize("path", ["ROOT/good.txt", "good.txt", "sub/good.txt", "ROOT/sub/good.txt", "ROOT//good.txt"])
def test_a_file_in_a_listed_folder_is_sent(house: House, roots: Path, path: str) -> None:
    """F3: the refusals above are no accident."""
    body = house.sent("createFile", {"purpose": "batch", "file": {"path": path.replace("ROOT", str(roots))}}, roots=[roots]).body
    assert b'filename="good.txt"' in body
    assert b"\r\n\r\ngood\r\n" in body


@pytest.fixture
def swapping(roots: Path, secret: Path) -> Iterator[Path]:
    """A folder in which someone replaces a good file, and the folder around it, by links to a secret, all the time."""
    stop = threading.Event()
    outer, spare, decoy = roots / "door", roots / "spare", secret.parent / "decoy"
    outer.mkdir()
    (outer / "f.txt").write_bytes(b"good")
    decoy.mkdir()
    (decoy / "f.txt").write_bytes(SECRET)

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):
                outer.rename(spare)
                outer.symlink_to(decoy)
                outer.unlink()
                spare.rename(outer)
                (outer / "f.txt").rename(outer / "kept")
                (outer / "f.txt").symlink_to(secret)
                (outer / "f.txt").unlink()
                (outer / "kept").rename(outer / "f.txt")
            time.sleep(0.0001)

    thread = threading.Thread(target=swap)
    thread.start()
    yield outer / "f.txt"
    stop.set()
    thread.join()


def test_a_race_is_not_won(house: House, roots: Path, swapping: Path) -> None:
    """F3: of ten thousand tries while files and folders are swapped for links, each gets the good file or a refusal."""
    connection = house.connection(roots=[roots])
    bodies = {_body(house, connection, swapping) for _ in range(10_000)}
    assert all(SECRET not in body for body in bodies)
    assert bodies <= {b"", b"good"}
    assert b"good" in bodies


def _body(house: House, connection: Any, path: Path) -> bytes:
    try:
        body = house.connector.preview("createFile", {"purpose": "batch", "file": path}, connection).body()
    except InputError:
        return b""
    return body.rpartition(b"\r\n--")[0].rpartition(b"\r\n\r\n")[2]


class Growing(io.RawIOBase):
    """A file object that has more than it said."""

    name = "grow.txt"

    def __init__(self, said: int, has: int) -> None:
        super().__init__()
        self._said, self._has, self._at = said, has, 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be rewound."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Its end is where it says."""
        self._at = self._said if whence == os.SEEK_END else offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As many bytes as it has."""
        count = max(0, min(len(buffer), self._has - self._at))
        buffer[:count] = b"x" * count
        self._at += count
        return count


@pytest.mark.parametrize(("said", "has"), [pytest.param(100_000, 200_000, id="F4-longer"), pytest.param(200_000, 100_000, id="F4-shorter")])
def test_a_file_that_changes_its_size_is_no_upload(house: House, way: Way, said: int, has: int) -> None:
    """F4: fewer or more bytes than told before is an error, and the upstream never gets a whole request."""
    connection = house.connection(engine=way.engine, retries={"attempts": 1})
    error = failure(lambda: way.run(connection, "createFile", {"purpose": "batch", "file": io.BufferedReader(Growing(said, has))}))
    assert isinstance(error, InputError)
    assert [fault.rule for fault in error.faults] == ["size"]
    assert all(len(request.body) < int(request.header("Content-Length") or 0) for request in house.upstream.requests)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: io.TextIOWrapper(io.BytesIO(b"x")), id="F4-text"),
        pytest.param(lambda _: io.StringIO("x"), id="F4-string"),
        pytest.param(lambda _: object(), id="F4-object"),
        pytest.param(lambda _: 7, id="F4-number"),
        pytest.param(lambda _: {"base64": "not base64!"}, id="F4-base64"),
        pytest.param(lambda _: {"base64": "A" * 2_000}, id="F4-long-base64"),
        pytest.param(lambda _: b"x" * 2_000, id="F4-long"),
        pytest.param(lambda _: {"text": "x" * 2_000}, id="F4-long-text"),
        pytest.param(lambda path: path, id="F4-long-path"),
        pytest.param(lambda _: "data:,%zz" + "a" * 2_000, id="F4-long-url"),
    ],
)
def test_what_is_no_file_or_too_large_is_refused(house: House, tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """F4: other objects, text files and files over the limit of the connection are refused unsent."""
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * 2_000)
    inputs = {"purpose": "batch", "file": make(path)}
    assert isinstance(house.refused("createFile", inputs, limits={"upload": 1_000}, roots=[tmp_path]), InputError)


def test_a_sparse_terabyte_is_refused(house: House, tmp_path: Path) -> None:
    """F4: by its size, without reading it."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert isinstance(house.refused("createFile", {"purpose": "batch", "file": path}, roots=[tmp_path]), InputError)


def by_standard(sent: Received) -> list[tuple[Any, ...]]:
    """The parts as the standard library reads them: name, file name, content type, bytes, headers."""
    whole = b"Content-Type: " + (sent.header("Content-Type") or "").encode() + b"\r\n\r\n" + sent.body
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get("content-type"),
            part.get_payload(decode=True),
            sorted(name.lower() for name in part.keys()),  # noqa: SIM118
        )
        for part in message_from_bytes(whole, policy=HTTP).iter_parts()  # type: ignore[attr-defined]
    ]


def by_aiohttp(sent: Received) -> list[tuple[Any, ...]]:
    """The same by aiohttp."""

    async def read() -> list[tuple[Any, ...]]:
        stream = aiohttp.StreamReader(aiohttp.base_protocol.BaseProtocol(asyncio.get_running_loop()), 2**20)
        stream.feed_data(sent.body)
        stream.feed_eof()
        reader = aiohttp.MultipartReader({"Content-Type": sent.header("Content-Type") or ""}, stream)
        return [
            (
                part.name,
                part.filename,
                part.headers.get("Content-Type"),
                bytes(await part.read()),
                sorted(name.lower() for name in part.headers),
            )
            async for part in reader
        ]

    return asyncio.run(read())


NAMES = [
    ("quote", 'a".txt', "a.txt"),
    ("crlf", "a\r\nX-Evil: 1.txt", "aX-Evil 1.txt"),
    ("header-end", "a\r\n\r\nevil.txt", "aevil.txt"),
    ("nul", "a\x00b.txt", "ab.txt"),
    ("backslash", "a.txt\\", "a.txt"),
    ("windows", "C:\\dir\\a.txt", "a.txt"),
    ("path", "/etc/a.txt", "a.txt"),
    ("climb", "../../a.txt", "a.txt"),
    ("dots", "..", "file.bin"),
    ("dot", ".", "file.bin"),
    ("empty", "", "file.bin"),
    ("blank", "  ", "file.bin"),
    ("semicolon", 'a"; name="other', "a; name=other"),
    ("escape", "a\x1b[31m.txt", "a[31m.txt"),
    ("direction", "a\u202etxt.exe", "atxt.exe"),
    ("separator", "a\u2028b.txt", "ab.txt"),
    ("accent", "\u00e9\u20ac.txt", "\u00e9\u20ac.txt"),
    ("emoji", "\U0001f600.txt", "\U0001f600.txt"),
    ("long", "a" * 300 + ".txt", "a" * 196 + ".txt"),
    ("percent", "a%22.txt", "a%22.txt"),
    ("stream", "a.txt:evil", "a.txtevil"),
    ("hidden", ".bashrc", "bashrc"),
]


@pytest.mark.parametrize(("given", "safe"), [pytest.param(given, safe, id=f"F5-{name}") for name, given, safe in NAMES])
def test_a_file_name_adds_nothing_to_a_form(house: House, given: str, safe: str) -> None:
    """F5: it becomes a safe base name; two parsers find the same two parts, with the headers that belong there and no others."""
    sent = house.sent("createFile", {"purpose": "batch", "file": (given, b"data")})
    standard = by_standard(sent)
    assert [(part[0], part[3]) for part in standard] == [("purpose", b"batch"), ("file", b"data")]
    assert [part[4] for part in standard] == [["content-disposition"], ["content-disposition", "content-type"]]
    assert [part[:1] + part[2:] for part in by_aiohttp(sent)] == [part[:1] + part[2:] for part in standard]
    assert f'filename="{safe}"'.encode() in sent.body


TYPES = [
    "text/plain\r\nX: 1", "text/plain\n", "text/plain\x00", "text", "/", "text/", "/plain", "text/plain; a",
    "text/plain; a=b c", 'text/plain; a="b', "text/plain;;", "text /plain", "text/pl\u00e4in", "a/b, c/d", "", " ",
    "text/plain; a=\u20ac", "text/plain\r\n\r\nevil", "text/plain; a=\r\n b",
]  # fmt: skip


@pytest.mark.parametrize("given", [pytest.param(given, id=f"F5-{given!r}") for given in TYPES])
def test_a_content_type_that_is_none_is_refused(house: House, given: str) -> None:
    """F5: a file's content type follows the grammar of RFC 9110 or the call is refused, in each form that can carry one."""
    for file in (("a.txt", b"x", given), {"text": "x", "content_type": given}, {"base64": "eA==", "filename": "a", "content_type": given}):
        assert isinstance(house.refused("createFile", {"purpose": "batch", "file": file}), InputError)


@pytest.mark.parametrize(
    "url", ["data:text/plain\r\nX: 1;base64,eA==", "data:text/plain\x00,x", "data:a b/c,x", "data:text;x=\u20ac,x", "data:\n/x,x"]
)
def test_the_type_in_a_data_url_is_checked(house: House, url: str) -> None:
    """F5: the same for a type that stands in a data URL."""
    assert isinstance(house.refused("createFile", {"purpose": "batch", "file": url}), InputError)


@pytest.mark.parametrize("name", ['a"b', "a\r\nX: 1", "a\r\n\r\nx", 'a"; filename="x', "a\\", "\u00e9", "a\x00"])
def test_a_field_name_adds_nothing_to_a_form(house: House, name: str) -> None:
    """F5: unknown fields are sent under their names, escaped as browsers do; no parser finds another header or part."""
    sent = house.sent("createFile", {"purpose": "batch", "file": b"x", name: "value"})
    assert [part[3] for part in by_standard(sent)] == [b"batch", b"x", b"value"]
    assert [part[3] for part in by_aiohttp(sent)] == [b"batch", b"x", b"value"]
    assert {header for part in by_standard(sent) for header in part[4]} == {"content-disposition", "content-type"}


def test_a_boundary_in_the_data_ends_nothing(house: House) -> None:
    """F5: each request has a boundary of its own that no sender of data can know."""
    first = house.sent("createFile", {"purpose": "batch", "file": b"x"}).header("Content-Type") or ""
    boundary = first.partition("boundary=")[2].encode()
    data = b"\r\n--" + boundary + b"--\r\n"
    sent = house.sent("createFile", {"purpose": "batch", "file": data})
    assert [part[3] for part in by_standard(sent)] == [b"batch", data]
    assert boundary not in (sent.header("Content-Type") or "").encode()


UPLOADS = """
import pathlib, socket, sys, threading
from kosha_connector_openai import Connector
from kosha_connector_openai.plugin import folder
from tests.canary import Canary
from tests.integration.conftest import Way
from tests.threats.conftest import RecordingStore
server = socket.create_server(("127.0.0.1", 0))
def swallow():
    connection, _ = server.accept()
    with connection:
        data = bytearray(1 << 20)
        total = 0
        while total < size:
            total += connection.recv_into(data)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        while connection.recv_into(data):
            pass
threading.Thread(target=swallow, daemon=True).start()
connector = Connector(folder(), stores=[RecordingStore(Canary())])
values = {"server_url": f"http://127.0.0.1:{server.getsockname()[1]}", "api_key": "test:key"}
connection = connector.connection(values, environ={}, engine=engine, roots=[pathlib.Path(path).parent])
print(Way(connector, engine, is_async).run(connection, "createFile", {"purpose": "batch", "file": pathlib.Path(path)}).status)
"""


@pytest.mark.parametrize("way", [pytest.param(("httpx", False), id="F6-httpx"), pytest.param(("aiohttp", True), id="F6-aiohttp")])
def test_an_upload_is_not_held_in_memory(tmp_path: Path, way: tuple[str, bool]) -> None:
    """F6: four hundred megabytes go out while the process stays below a hundred and sixty."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(400 << 20)
    done = capped(UPLOADS, memory=1024, path=str(path), size=400 << 20, engine=way[0], is_async=way[1])
    assert done.output == "200\n"
    assert done.peak < 160


ESCAPES = [
    'attachment; filename="../../evil"', 'attachment; filename="/etc/cron.d/evil"',
    "attachment; filename*=UTF-8''..%2f..%2fevil", 'attachment; filename="C:\\\\evil"', 'attachment; filename="NUL"',
    'attachment; filename=".."', "inline", 'attachment; filename="a\x85b"',
]  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a download goes, in a folder of its own."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "a.bin"


def download(house: House, target: Path, script: Script | None = None, **options: Any) -> Any:
    """One download to a file."""
    house.upstream.scripts = [script or reply(body=b"data", content_type="application/octet-stream")]
    return house.run("downloadFile", {"file_id": "f"}, CallOptions(out=target, attempts=1, **options)).value


@pytest.mark.parametrize("given", [pytest.param(given, id=f"F7-{number}") for number, given in enumerate(ESCAPES)])
def test_the_servers_name_for_a_file_is_not_used(house: House, target: Path, given: str) -> None:
    """F7: the caller names the file; it is put there whole, for its owner only, and nothing else is written."""
    script = reply(body=b"data", content_type="application/octet-stream", headers=[("Content-Disposition", given)])
    with audit(files=[target.parent], hosts=["127.0.0.1"]):
        saved = download(house, target, script)
    assert (saved.path, saved.size, target.read_bytes()) == (target, 4, b"data")
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(target.parent.iterdir()) == [target]


def occupied(target: Path) -> Path:
    """A file that is there already."""
    target.write_bytes(b"old")
    return target


def link_to_file(target: Path) -> Path:
    """A link to a file that is there already."""
    (target.parent / "real").write_bytes(b"old")
    target.symlink_to(target.parent / "real")
    return target


def link_to_nothing(target: Path) -> Path:
    """A link to where nothing is yet."""
    target.symlink_to(target.parent / "absent")
    return target


UNFIT = {
    "exists": occupied,
    "link": link_to_file,
    "dangling": link_to_nothing,
    "folder": lambda target: target.parent,
    "no-folder": lambda target: target.parent / "absent" / "a.bin",
    "below-file": lambda target: occupied(target) / "b",
    "device": lambda _: Path("/dev/null"),
    "pipe": lambda target: os.mkfifo(target) or target,
}


@pytest.mark.parametrize("make", [pytest.param(make, id=f"F7-{name}") for name, make in UNFIT.items()])
def test_an_unfit_target_is_refused_before_anything_is_sent(house: House, target: Path, make: Callable[[Path], Path]) -> None:
    """F7: nothing that is there is overwritten, no link followed; nothing is asked for and nothing left behind."""
    place = make(target)
    before = {path: path.read_bytes() for path in target.parent.rglob("*") if path.is_file()}
    reads = house.store.reads
    assert isinstance(failure(lambda: download(house, place)), InputError)
    assert house.upstream.silent
    assert house.store.reads == reads
    assert {path: path.read_bytes() for path in target.parent.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("make", [pytest.param(UNFIT[name], id=f"F7-{name}") for name in ("link", "dangling", "folder", "pipe")])
def test_overwriting_follows_no_link_either(house: House, target: Path, make: Callable[[Path], Path]) -> None:
    """F7: leave to overwrite a file is none to write through a link or into something that is no file."""
    place = make(target)
    assert isinstance(failure(lambda: download(house, place, overwrite=True)), InputError)
    assert house.upstream.silent


def test_a_target_that_appears_meanwhile_is_kept(house: House, target: Path) -> None:
    """F7: a file that comes there while the reply is read is not overwritten, and no rest stays."""

    def script(connection: socket.socket, request: Received) -> bool:
        target.write_bytes(b"someone else's")
        return reply(body=b"data", content_type="application/octet-stream")(connection, request)

    assert isinstance(failure(lambda: download(house, target, script)), (InputError, ReplyError))
    assert {path.name: path.read_bytes() for path in target.parent.iterdir()} == {"a.bin": b"someone else's"}


def test_a_link_that_appears_meanwhile_is_not_followed(house: House, target: Path) -> None:
    """F7: nor a link, also where overwriting is allowed."""
    victim = target.parent.parent / "victim"
    victim.write_bytes(b"old")

    def script(connection: socket.socket, request: Received) -> bool:
        target.symlink_to(victim)
        return reply(body=b"data", content_type="application/octet-stream")(connection, request)

    with suppress(InputError, ReplyError):
        download(house, target, script, overwrite=True)
    assert victim.read_bytes() == b"old"


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 500\r\n\r\n" + bytes(range(250)) * 2
CUTS = sorted(random.Random(7).sample(range(WHOLE.index(b"\r\n\r\n") + 4, len(WHOLE)), 200))


def test_a_download_is_whole_or_not_there(house: House, target: Path) -> None:
    """F8: cut at two hundred places of its body it leaves neither a file nor a rest."""
    for cut in CUTS:
        error = failure(lambda: download(house, target, raw(WHOLE[:cut])))  # noqa: B023
        assert isinstance(error, TruncatedReplyError)
        assert list(target.parent.iterdir()) == []
    assert download(house, target, raw(WHOLE)).size == 500


@pytest.mark.parametrize("cut", [1, 250, 499])
def test_an_old_file_survives_a_cut_download(house: House, way: Way, target: Path, cut: int) -> None:
    """F8: with leave to overwrite, what was there stays until the new file is whole; through each engine."""
    occupied(target)
    house.upstream.scripts = [raw(WHOLE[: len(WHOLE) - cut])]
    connection = house.connection(engine=way.engine, retries={"attempts": 1})
    with pytest.raises((ReplyError, TransportError)):
        way.run(connection, "downloadFile", {"file_id": "f"}, out=target, overwrite=True)
    assert {path.name: path.read_bytes() for path in target.parent.iterdir()} == {"a.bin": b"old"}


@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param(reply(body=b"x" * 2_000, content_type="application/octet-stream"), {"limits": {"download": 1_000}}, id="F8-limit"),
        pytest.param(reply(status=500, body=b"x"), {}, id="F8-error"),
        pytest.param(reply(body=b"<html>", content_type="text/html"), {}, id="F8-page"),
        pytest.param(
            reply(body=b"x", headers=[("Content-Encoding", "gzip")], content_type="application/octet-stream"), {}, id="F8-compressed"
        ),
        pytest.param(raw(WHOLE[:-400], pause=0.3, size=90), {"timeouts": {"total": 0.4}}, id="F8-late"),
    ],
)
def test_what_is_no_download_leaves_nothing(house: House, target: Path, script: Script, options: dict[str, Any]) -> None:
    """F8: a reply over its limit, an error, a sign-in page and a late end are not saved."""
    house.upstream.scripts = [script]
    call = CallOptions(out=target, attempts=1)
    failure(lambda: house.run("downloadFile", {"file_id": "f"}, call, **options))
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
@pytest.mark.parametrize("moment", ["open", "write", "fsync", "replace"])
def test_a_full_disk_is_told(house: House, target: Path, monkeypatch: pytest.MonkeyPatch, moment: str, links: bool) -> None:
    """F8: wherever the disk refuses, it is a typed error, no rest is left and no file that looks whole; with hard links and without."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def to_full(descriptor: int, mode: str) -> Any:
        os.close(descriptor)
        return Path("/dev/full").open(mode)

    places = {
        "open": (os, "open", full),
        "fsync": (os, "fsync", full),
        "replace": (Path, "replace", full),
        "write": (os, "fdopen", to_full),
    }
    house.sent("listModels", {})
    monkeypatch.setattr(*places[moment])
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", full)
    error = failure(lambda: download(house, target, overwrite=moment == "replace" and links))
    monkeypatch.undo()
    assert isinstance(error, ReplyError)
    assert "No space left" in str(error)
    assert list(target.parent.iterdir()) == []
