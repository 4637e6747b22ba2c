"""What a file field accepts and what it never opens."""

import base64
import contextlib
import copy
import io
import os
import pathlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.request.caller_file import caller_files
from kosha_connector_openai.core.request.file_names import guess_type, is_content_type, safe_name
from kosha_connector_openai.core.request.files import FilePolicy, is_file_value, local_file, read_file_input
from kosha_connector_openai.errors import InputError

NONE = FilePolicy()
PNG = b"\x89PNG\r\n\x1a\n"


def read(value, policy=NONE):
    return read_file_input(value, "/file", policy)


def refused(value, policy=NONE):
    with pytest.raises(InputError) as error:
        read(value, policy)
    return error.value.faults[0]


@pytest.mark.parametrize(
    ("value", "name", "content_type", "content"),
    [
        (b"abc", "file.bin", "application/octet-stream", b"abc"),
        (bytearray(PNG), "file.png", "image/png", PNG),
        (memoryview(b"%PDF-1.7"), "file.pdf", "application/pdf", b"%PDF-1.7"),
        (b"", "file.bin", "application/octet-stream", b""),
        ({"base64": "YWJj"}, "file.bin", "application/octet-stream", b"abc"),
        ({"base64": "YW\nJj"}, "file.bin", "application/octet-stream", b"abc"),
        ({"base64": "YWJj", "filename": "a.jsonl"}, "a.jsonl", "application/jsonl", b"abc"),
        ({"base64": "YWJj", "content_type": "audio/mpeg"}, "file.mp3", "audio/mpeg", b"abc"),
        ({"bytes": b"abc", "filename": "a.png", "content_type": "image/x"}, "a.png", "image/x", b"abc"),
        ({"text": "é"}, "file.txt", "text/plain", "é".encode()),
        ({"text": "{}", "filename": "rows.jsonl"}, "rows.jsonl", "application/jsonl", b"{}"),
        ("data:image/png;base64,YWJj", "file.png", "image/png", b"abc"),
        ("data:text/plain;charset=utf-8;base64,YWJj", "file.txt", "text/plain;charset=utf-8", b"abc"),
        ("DATA:,a%20b", "file.txt", "text/plain", b"a b"),
        ("data:;charset=utf-8,a", "file.txt", "text/plain;charset=utf-8", b"a"),
        (("a.wav", b"abc"), "a.wav", "audio/wav", b"abc"),
        (("a.wav", b"abc", "audio/x"), "a.wav", "audio/x", b"abc"),
        ((None, b"abc"), "file.bin", "application/octet-stream", b"abc"),
        (("x", io.BytesIO(b"abc"), None), "x", "application/octet-stream", b"abc"),
    ],
)
def test_every_form_in_memory(value, name, content_type, content):
    """Bytes, base64, text, data URLs and tuples give a named, typed file that reads the same each time."""
    file = read(value)
    assert (file.name, file.content_type, file.size, file.replayable) == (name, content_type, len(content), True)
    assert file.open().read() == file.open().read() == content
    assert b"".join(file.chunks()) == b"".join(file.chunks()) == content


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (PNG, "file.png"),
        (b"\xff\xd8\xff\xe0", "file.jpg"),
        (b"GIF89a", "file.gif"),
        (b"RIFF\x10\n\0\0WEBPVP8 ", "file.webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "file.wav"),
        (b"ID3\x04", "file.mp3"),
        (b"\xff\xfb\x90", "file.mp3"),
        (b"OggS", "file.ogg"),
        (b"fLaC", "file.flac"),
        (b"\0\0\0\x18ftypmp42", "file.mp4"),
        (b"\0\0\0\x18ftypM4A ", "file.m4a"),
        (b"%PDF-", "file.pdf"),
        (b"PK\x03\x04", "file.zip"),
        (b"plain", "file.bin"),
    ],
)
def test_nameless_bytes_are_named_by_their_first_bytes(head, name):
    """Common formats are recognised, so that an upload without a name has the extension that it needs."""
    assert read(head).name == name
    assert read(io.BytesIO(head)).name == name


def test_file_objects_are_read_from_the_start_and_left_open(tmp_path):
    """A binary file object is sent whole, whatever its position, and stays the caller's."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc")
    with path.open("rb") as lent:
        lent.seek(2)
        file = read(lent)
        assert (file.name, file.size, file.replayable) == ("a.txt", 3, True)
        with file.open() as reader:
            assert reader.read() == b"abc"
        assert b"".join(file.chunks()) == b"abc"
        assert not lent.closed


def test_a_closed_file_is_a_fault(tmp_path):
    """A file object that cannot be read any more is told at its field."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    with path.open("rb") as lent:
        pass
    assert refused(lent).fix == "Pass it while it is open."


def test_a_pipe_is_read_once():
    """What cannot seek has no size and cannot be replayed; a second reading is an error, not an empty file."""
    source, target = os.pipe()
    with os.fdopen(target, "wb") as writer:
        writer.write(b"abc")
    with os.fdopen(source, "rb") as lent:
        file = read(lent)
        assert (file.size, file.replayable, file.name) == (None, False, "file.bin")
        assert b"".join(file.chunks()) == b"abc"
        with pytest.raises(InputError) as error:
            file.open()
        assert error.value.faults[0].rule == "replay"


def test_a_pipe_without_end_stops_at_the_limit():
    """An unknown size is bounded while it is read."""
    source = io.BytesIO(b"x" * 100)
    source.seekable = None
    pipe = io.BufferedReader(source)
    pipe.seekable = lambda: False
    with pytest.raises(InputError) as error:
        list(read(pipe, FilePolicy(max_bytes=99)).chunks())
    assert error.value.faults[0].rule == "size"


@pytest.mark.parametrize(
    "value",
    [
        "/etc/hostname",
        "a.png",
        "",
        "data:nonsense",
        None,
        42,
        True,
        ["x"],
        {},
        {"filepath": "/etc/hostname"},
        {"filepath": "/etc/hostname", "filename": "x"},
        {"path": "a", "base64": "YQ=="},
        {"base64": "YQ==", "url": "x"},
        {"filename": "x"},
        ("x",),
        ("x", b"y", "text/plain", {}),
        ("x", ("y", b"z")),
        ("x", "text"),
        io.StringIO("text"),
        {"bytes": "text"},
        {"text": b"bytes"},
        {"text": "\ud800"},
        {"path": 7},
        {"base64": 7},
        {"base64": "a"},
        {"base64": "a-_="},
        {"base64": "é"},
        (7, b"x"),
        {"base64": "YQ==", "filename": 7},
    ],
)
def test_everything_else_is_refused_and_nothing_is_opened(value, monkeypatch):
    """Strings, look-alikes, text streams and half-right objects are faults at the field; the policy would allow any path."""
    monkeypatch.setattr(os, "open", None)
    fault = refused(value, FilePolicy(roots=(pathlib.Path("/"),)))
    assert fault.pointer.startswith("/file")
    assert "hostname" not in str(fault)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain\r\nX: 1", "text", "text/", "/plain", "text/plain;", "text/plain; a", "text/pl ain", "é/é", "a/b; c=\x01", "", 7],
)
def test_content_types_follow_the_grammar(content_type):
    """Anything but type/subtype with parameters is refused, header injection first of all."""
    assert refused(("a", b"x", content_type)).rule == "content-type"


@pytest.mark.parametrize("content_type", ["text/plain", "audio/x-m4a", 'a/b; c="d e\\"f"', "application/vnd.a+json ; v=1"])
def test_content_types_that_are_one(content_type):
    """Parameters, quoted strings and suffixes pass."""
    assert is_content_type(content_type)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("a.png", "a.png"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\a.txt", "a.txt"),
        ("C:\\x\\b.wav", "b.wav"),
        ("dir/", "dir"),
        ("..", ""),
        (".env", "env"),
        ("...a..", "a"),
        ('a"b\r\nc\0.txt', "abc.txt"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("\ud800.txt", "txt"),
        ("ünï.txt", "ünï.txt"),
        ("x" * 300 + ".jsonl", "x" * 194 + ".jsonl"),
        ("x" * 300, "x" * 200),
        ("", ""),
    ],
)
def test_names_become_safe_base_names(given, safe):
    """No separators, quotes, controls, invisible characters or leading dots; the extension survives the cut."""
    assert safe_name(given) == safe


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=260))
def test_any_name_is_safe_or_empty(text):
    """Whatever is given, the name is printable, short and stays a base name."""
    name = safe_name(text)
    assert len(name) <= 200
    assert name.isprintable()
    assert not set(name) & set('/\\"')
    assert name not in {".", ".."}
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.WAV", "audio/wav"), ("a.jsonl", "application/jsonl"), ("a.html", "text/html"), ("a", "application/octet-stream")],
)
def test_types_follow_from_names(name, content_type):
    """Case does not matter; unknown extensions are octets."""
    assert guess_type(name) == content_type


def test_sizes_are_bounded():
    """Every form over the limit is refused, base64 before it is decoded."""
    policy = FilePolicy(max_bytes=3)
    assert read(b"abc", policy).size == 3
    assert refused(b"abcd", policy).rule == "size"
    assert refused(io.BytesIO(b"abcd"), policy).rule == "size"
    assert refused({"base64": "A" * 400}, policy).rule == "size"
    assert refused({"text": "abcd"}, policy).rule == "size"


def test_no_path_by_default(tmp_path):
    """Without roots a path is refused, existing or not, in each of its forms."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    for value in (path, {"path": str(path)}, ("n", path), tmp_path / "missing", {"path": path}):
        assert refused(value).rule == "path"


def test_a_local_file_is_for_whoever_typed_its_name(tmp_path):
    """It and links to it are opened; the name comes from the path, and the action's limit on its size holds."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    for name in ("a.png", "link.png"):
        file = local_file(tmp_path / name)
        assert (file.path, read(file).path) == (tmp_path / name, tmp_path / name)
        assert refused(file, FilePolicy(max_bytes=7)).rule == "size"
        assert (file.name, file.content_type, file.size, file.replayable) == (name, "image/png", 8, True)
        assert b"".join(file.chunks()) == b"".join(file.chunks()) == PNG
    file = read({"path": "a.png", "filename": "b.bin", "content_type": "x/y"}, FilePolicy(roots=(tmp_path,)))
    assert (file.name, file.content_type) == ("b.bin", "x/y")


def test_b07_a_path_that_a_reply_wrote_is_not_opened(tmp_path):
    """Where texts may not name files, only the caller's own mark and a path object do."""
    (tmp_path / "a.txt").write_bytes(b"x")
    policy = FilePolicy(roots=(tmp_path,), named=False)
    given = caller_files({"a": [{"path": "a.txt"}], "b": {"c": {"path": "a.txt"}}, "d": "a.txt"})
    assert refused({"path": "a.txt"}, policy).rule == "path"
    assert refused(copy.deepcopy(dict(given["a"][0])), policy).rule == "path"
    for value in (given["a"][0], given["b"]["c"], copy.deepcopy(given["a"][0]), pathlib.Path("a.txt")):
        assert read(value, policy).size == 1
    assert given["d"] == "a.txt"


@pytest.fixture
def root(tmp_path):
    """A root with a file, a folder and every trick beside a secret."""
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"inside")
    (root / "sub" / "b.txt").write_bytes(b"below")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "inner-link").symlink_to(root / "a.txt")
    (root / "dirlink").symlink_to(tmp_path)
    (root / "hard").hardlink_to(tmp_path / "secret")
    os.mkfifo(root / "fifo")
    return root


@pytest.mark.parametrize(("path", "content"), [("a.txt", b"inside"), ("sub/b.txt", b"below"), ("./sub/b.txt", b"below")])
def test_files_below_a_root_are_read(root, path, content):
    """Relative to the first root, or absolute below any."""
    policy = FilePolicy(roots=(root, root.parent / "other"))
    assert b"".join(read(pathlib.Path(path), policy).chunks()) == content
    assert b"".join(read(root / path, policy).chunks()) == content
    assert b"".join(read(root / path, FilePolicy(roots=(root.parent / "other", root))).chunks()) == content


@pytest.mark.parametrize(
    "path",
    [
        "../secret", "sub/../../secret", "sub/../a.txt", "link", "inner-link", "dirlink/secret", "hard", "fifo", "sub", ".", "",
        "missing", "a.txt/x", "a\0b", "/etc/hostname", "/dev/zero",
    ],
)  # fmt: skip
def test_nothing_leaves_the_root(root, path):
    """Parents, links of both kinds, pipes, folders, devices and missing files are refused."""
    policy = FilePolicy(roots=(root,))
    assert refused(pathlib.Path(path), policy).rule in {"path", "file"}
    assert refused({"path": f"{root}/{path}"}, policy).rule in {"path", "file"}


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/proc/self", "/"])
def test_special_files_are_refused_everywhere(path):
    """Devices and folders are no uploads, whatever the policy."""
    with pytest.raises(InputError) as error:
        local_file(pathlib.Path(path), "/file")
    assert (error.value.faults[0].rule, error.value.faults[0].pointer) == ("file", "/file")


def test_a_pipe_on_disk_does_not_hang(root):
    """Opening a named pipe without a writer returns at once with a fault."""
    with pytest.raises(InputError):
        local_file(root / "fifo")


@pytest.mark.skipif(not pathlib.Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_file_that_lies_about_its_size_is_an_error():
    """A file of size 0 with content is not sent as an empty one, nor read to its end."""
    file = local_file(pathlib.Path("/proc/self/environ"))
    with pytest.raises(InputError):
        list(file.chunks())


def test_a_file_swapped_between_check_and_sending_is_an_error(root):
    """Another file under the same name, or other content, is noticed when it is opened again."""
    policy = FilePolicy(roots=(root,))
    file = read(root / "a.txt", policy)
    (root / "a.txt").rename(root / "old")
    (root / "a.txt").write_bytes(b"INSIDE")
    with pytest.raises(InputError):
        list(file.chunks())
    link = read(root / "sub" / "b.txt", policy)
    (root / "sub" / "b.txt").unlink()
    (root / "sub" / "b.txt").symlink_to(root.parent / "secret")
    with pytest.raises(InputError):
        list(link.chunks())


def test_a_racing_swapper_never_gets_the_secret_out(root):
    """While a thread swaps a file and a folder for links, each reading gives the file or a fault."""
    policy, stop = FilePolicy(roots=(root,)), threading.Event()

    def swap():
        spare, link = root / "spare", root / "swap-link"
        while not stop.is_set():
            link.symlink_to(root.parent)
            (root / "sub").rename(spare)
            link.rename(root / "sub")
            (root / "sub").unlink()
            spare.rename(root / "sub")

    (root.parent / "b.txt").write_bytes(b"secret")
    thread = threading.Thread(target=swap)
    thread.start()
    found = set()
    for _ in range(2000):
        try:
            found.add(b"".join(read(root / "sub" / "b.txt", policy).chunks()))
        except InputError as error:
            found.add(error.faults[0].rule)
    stop.set()
    thread.join()
    assert found <= {b"below", "file", "size"}


@settings(deadline=None, max_examples=100)
@given(
    st.recursive(
        st.none() | st.text(max_size=9) | st.binary(max_size=9) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["path", "base64", "bytes", "text", "filename", "content_type", "x"]), inner, max_size=3)
            | st.tuples(inner, inner)
        ),
        max_leaves=6,
    )
)
def test_any_value_is_a_file_or_a_fault(value):
    """No value makes anything but a file or an InputError."""
    with contextlib.suppress(InputError):
        assert read(value).name


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=300))
def test_base64_gives_the_bytes_back(content):
    """base64 and data URLs are exact."""
    text = base64.b64encode(content).decode()
    assert b"".join(read({"base64": text}).chunks()) == b"".join(read(f"data:;base64,{text}").chunks()) == content


@pytest.mark.parametrize(
    ("value", "is_file"),
    [(b"x", True), (io.BytesIO(), True), (pathlib.Path("x"), True), (bytearray(), True), ("data:,x", False), ({"base64": ""}, False)],
)
def test_values_that_can_only_be_files(value, is_file):
    """Bytes, paths and readers are files in any field; text and objects only where the description says so."""
    assert is_file_value(value) is is_file


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("audio/wav", "file.wav"),
        ("audio/x-wav", "file.wav"),
        ("audio/mp3", "file.mp3"),
        ("audio/webm;codecs=opus", "file.webm"),
        ("audio/x-m4a", "file.m4a"),
        ("text/csv", "file.csv"),
        ("text/markdown", "file.md"),
        ("application/json", "file.json"),
        ("image/svg+xml", "file.svg"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "file.docx"),
        ("image/tiff", "file.tiff"),
        ("x/y", "file.bin"),
    ],
)
def test_a_type_without_a_name_gives_the_ending(content_type, name):
    """Servers know a file's format by its ending; the type that its sender names goes before the first bytes."""
    for value in (("", b"abc", content_type), {"bytes": b"abc", "content_type": content_type}):
        file = read_file_input(value, "/file", NONE)
        assert (file.name, file.content_type) == (name, content_type)


def test_a_named_type_goes_before_the_first_bytes():
    """An MP4 container that holds sound alone is called so, and a name that was given stays."""
    data = b"\x00\x00\x00\x18ftypisom" + bytes(8)
    assert read_file_input(("", data), "/file", NONE).name == "file.mp4"
    assert read_file_input(("", data, "audio/mp4"), "/file", NONE).name == "file.m4a"
    assert read_file_input(("x.mp4", data, "audio/mp4"), "/file", NONE).name == "x.mp4"
