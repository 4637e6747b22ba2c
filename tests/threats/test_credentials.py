"""Rows C1 to C6: keys that are malformed, logged, in frames, on errors, on the command line or in loose files."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from kosha_connector_openai import CallOptions, Connector, ConnectorError, Secret
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.errors import SecretError, SecretMissingError, SecretRefusedError, SecretStoreError, SetupError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.secret import SecretReference, check_secret
from kosha_connector_openai.secrets.store import SecretContext
from kosha_connector_openai.secrets.stores import default_stores
from tests.canary import Canary
from tests.integration.conftest import Way
from tests.recorder import Recorder, Script, events, raw, reply, reset, silence
from tests.threats.conftest import CHAT, House, RecordingStore, failure

SEED = {"model": "m", "prompt": "p"}
MALFORMED = {
    "newline-inside": "{0}\n{1}",
    "crlf": "{0}\r\nX-Evil: {1}",
    "cr": "{0}\r{1}",
    "two-line-breaks": "{0}{1}\n\n",
    "nul": "{0}\x00{1}",
    "tab": "{0}\t{1}",
    "escape": "{0}\x1b[31m{1}",
    "delete": "{0}{1}\x7f",
    "blank-inside": "{0} {1}",
    "curly-quotes": "\u201c{0}{1}\u201d",
    "angle-quotes": "\u00ab{0}{1}\u00bb",
    "quotes": '"{0}{1}"',
    "apostrophes": "'{0}{1}'",
    "no-break-space": "{0}\u00a0{1}",
    "zero-width": "{0}\u200b{1}",
    "bom-inside": "{0}\ufeff{1}",
    "direction": "{0}\u202e{1}",
    "line-separator": "{0}\u2028{1}",
    "next-line": "{0}\x85{1}",
    "accent": "{0}\u00e9{1}",
    "latin": "{0}\u00ff{1}",
    "emoji": "{0}\U0001f511{1}",
    "surrogate": "{0}\ud800{1}",
    "long": "{0}{1}" + "x" * 8200,
}
TRIMMED = {
    "lf": "{0}{1}\n",
    "crlf-end": "{0}{1}\r\n",
    "blanks": "  {0}{1}\t",
    "bearer": "Bearer {0}{1}",
    "bearer-lower": "bearer  {0}{1}\n",
}


class TextStore(RecordingStore):
    """Gives a text as it is, as a store would that checks nothing."""

    def __init__(self, canary: Canary, form: str) -> None:
        super().__init__(canary)
        self._form = form

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The key in its form."""
        return Secret(self._form.format(self._canary.key[:20], self._canary.key[20:]))


def with_store(store: Any, upstream: Recorder, way: Way, reference: str = "test:key") -> Callable[[], Any]:
    """A call whose key comes from this store."""

    def call() -> Any:
        with Connector(folder(), stores=[store]) as connector:
            connection = connector.connection({"server_url": upstream.url, "api_key": reference}, environ={}, engine=way.engine)
            return Way(connector, way.engine, way.is_async).run(connection, "createCompletion", SEED)

    return call


@pytest.mark.parametrize("way", ["httpx", "aiohttp-async"], indirect=True)
@pytest.mark.parametrize("form", [pytest.param(form, id=f"C1-{name}") for name, form in MALFORMED.items()])
def test_a_malformed_key_is_refused(canary: Canary, way: Way, caplog: pytest.LogCaptureFixture, form: str) -> None:
    """C1: before any HTTP library could print it, with a position and never a character of it, whichever store it comes from."""
    caplog.set_level(logging.DEBUG)
    with Recorder() as upstream:
        error = failure(with_store(TextStore(canary, form), upstream, way))
    assert isinstance(error, SecretRefusedError)
    assert upstream.silent
    canary.scan(error, str(error.to_dict()), caplog.records)


@pytest.mark.parametrize(
    "form", [pytest.param(form, id=f"C1-{name}") for name, form in MALFORMED.items() if name not in ("nul", "surrogate")]
)
def test_a_malformed_key_of_the_environment_is_refused(canary: Canary, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """C1: the same from the environment, through the facade as it is shipped."""
    monkeypatch.setenv("OPENAI_API_KEY", form.format(canary.key[:20], canary.key[20:]))
    with Recorder() as upstream, Connector(folder()) as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"})
        error = failure(lambda: connector.run("createCompletion", SEED, connection))
    assert isinstance(error, SecretRefusedError)
    assert upstream.silent
    canary.scan(error, repr(connection), str(vars(connection)))


@pytest.mark.parametrize("text", [pytest.param(text, id=f"C1-{text!r}") for text in ("", " ", "\n", '""')])
def test_what_is_no_whole_key_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """C1, C13: nothing, blanks and stubs are no credential; an empty variable is as good as none."""
    monkeypatch.setenv("OPENAI_API_KEY", text)
    with Recorder() as upstream, Connector(folder()) as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"})
        assert isinstance(failure(lambda: connector.run("listModels", {}, connection)), SecretError)
        assert upstream.silent


@pytest.mark.parametrize("text", [pytest.param(text, id=f"C1-{text!r}") for text in ("short", "a" * 7)])
def test_a_stub_is_no_key_of_the_provider(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """C1: its keys are long; another server may hand out short ones."""
    monkeypatch.setenv("OPENAI_API_KEY", text)
    with Recorder() as upstream, Connector(folder()) as connector:
        assert isinstance(failure(lambda: connector.run("listModels", {}, connector.connection())), SecretError)
        connector.run("listModels", {}, connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}))
        assert upstream.last.header("Authorization") == f"Bearer {text}"


@pytest.mark.parametrize("form", [pytest.param(form, id=f"C1-{name}") for name, form in TRIMMED.items()])
def test_a_sloppy_key_is_trimmed(canary: Canary, way: Way, form: str) -> None:
    """C1: one line break, outer blanks and a pasted ``Bearer`` are taken away; the header on the wire is exact."""
    with Recorder() as upstream:
        with_store(TextStore(canary, form), upstream, way)()
    assert upstream.last.header("Authorization") == f"Bearer {canary.key}"
    assert b"Bearer " + canary.key.encode() + b"\r\n" in upstream.last.raw


class RaisingStore(RecordingStore):
    """Fails with the secret in its error and in a variable of its frame."""

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """Raises."""
        secret = self._canary.key
        try:
            raise KeyError(secret)
        except KeyError as inner:
            raise RuntimeError(f"cannot use {secret}") from inner


class OddStore(RecordingStore):
    """Gives something that is no Secret."""

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The bare text."""
        return self._canary.key  # type: ignore[return-value]


@pytest.mark.parametrize("kind", [RaisingStore, OddStore])
def test_a_store_that_fails_shows_nothing(canary: Canary, way: Way, kind: type[RecordingStore]) -> None:
    """C3, C4: of a foreign store's failure only the type's name is kept."""
    with Recorder() as upstream:
        error = failure(with_store(kind(canary), upstream, way))
    assert isinstance(error, SecretStoreError)
    assert upstream.silent
    canary.scan(error, str(error.to_dict()))


GARBAGE = raw(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n")
FAILURES: dict[str, tuple[Script, dict[str, Any], dict[str, Any]]] = {
    "400": (reply(status=400, body={"error": {"message": "no"}}), SEED, {}),
    "401": (reply(status=401, body={"error": {"message": "no"}}), SEED, {}),
    "429": (reply(status=429, body=b"slow", content_type="text/plain"), SEED, {}),
    "500": (reply(status=500, body=b""), SEED, {}),
    "redirect": (reply(status=302, headers=[("Location", "https://x.invalid/")]), SEED, {}),
    "reset": (reset, SEED, {}),
    "silence": (silence(2), SEED, {"timeout": 0.2}),
    "malformed": (reply(body=b"{"), SEED, {}),
    "page": (reply(body=b"<html>", content_type="text/html"), SEED, {}),
    "compressed": (reply(body=b"x", headers=[("Content-Encoding", "gzip")]), SEED, {}),
    "truncated": (reply(body=b"{}", length=9), SEED, {}),
    "garbage": (GARBAGE, SEED, {}),
    "large": (reply(body=b" " * 20_000), SEED, {}),
    "event-error": (events(b'data: {"error":{"message":"no"}}\n\n'), SEED, {}),
    "input": (reply(), {"model": 1}, {}),
    "unknown-host": (reply(), SEED, {}),
}


@pytest.fixture
def failed(house: House, way: Way, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ConnectorError]:
    """The error of one kind of failure, through one engine."""

    def fail(name: str) -> ConnectorError:
        script, inputs, options = FAILURES[name]
        house.upstream.scripts = [script]
        house.values = {"server_url": "https://nowhere.invalid"} if name == "unknown-host" else {}
        connection = house.connection(engine=way.engine, limits={"reply_json": 10_000}, retries={"attempts": 1})
        return failure(lambda: way.run(connection, "createCompletion", inputs, **options))

    def nowhere(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "nowhere.invalid":
            raise socket.gaierror(-2, "unknown")
        return real(host, *rest, **more)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    return fail


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """Every logger there is, at DEBUG, and asyncio in its debug mode."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    caplog.set_level(logging.DEBUG)
    names = [*logging.root.manager.loggerDict, "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "aiohttp.client", "asyncio", "hpack"]
    for name in names:
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.parametrize("name", [pytest.param(name, id=f"C2-C3-C4-{name}") for name in FAILURES])
def test_no_failure_shows_the_key(
    house: House, failed: Callable[[str], ConnectorError], everything_logged: pytest.LogCaptureFixture, name: str
) -> None:
    """C2-C4: not in any log record at DEBUG, nor in text, arguments, notes, causes, pickles and frame variables of the error;
    pickled, copied, printed or as JSON it says the same, and holds no request and no cause."""
    error = failed(name)
    house.canary.scan(error, everything_logged.records, everything_logged.text)
    again = pickle.loads(pickle.dumps(error))
    forms = [copy.copy(error), copy.deepcopy(error), again]
    assert [(type(form), str(form), form.to_dict()) for form in forms] == [(type(error), str(error), error.to_dict())] * 3
    assert (again.__cause__, again.__context__, again.__traceback__) == (None, None, None)
    assert (error.__cause__, "request" in vars(error)) == (None, False)
    house.canary.scan(forms, json.dumps(error.to_dict(), default=str), repr(error), str(vars(error)))


def test_no_success_shows_the_key(
    house: House, way: Way, everything_logged: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """C2: neither logs nor results, previews, connections and printed text of a call that works."""
    house.upstream.scripts = [reply(body={"id": "x"}), events(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n')]
    connection = house.connection(engine=way.engine)
    results = [
        way.run(connection, action, inputs)
        for action, inputs in (("createCompletion", SEED), ("createChatCompletion", {**CHAT, "stream": True}))
    ]
    preview = house.connector.preview("createCompletion", SEED, connection)
    assert ("Authorization", "Bearer ********") in preview.headers
    shown = [[repr(result), result.to_dict(), repr(vars_of(result))] for result in results]
    house.canary.scan(everything_logged.records, shown, repr(preview), repr(connection), str(vars(connection)), list(capfd.readouterr()))


def vars_of(value: Any) -> dict[str, Any]:
    """The slots of a record."""
    return {name: getattr(value, name) for name in type(value).__slots__}


@pytest.mark.parametrize("engine", ["httpx", "httpx2", "aiohttp"])
def test_a_cancelled_call_shows_nothing(house: House, engine: str) -> None:
    """C3: a timeout of the caller's own cancels the call inside the HTTP client; its frames are not carried out."""
    house.upstream.scripts = [silence(3)]
    connection = house.connection(engine=engine)

    async def call() -> None:
        try:
            async with asyncio.timeout(0.2):
                await house.connector.arun("createCompletion", SEED, connection)
        finally:
            await house.connector.aclose()

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(call())
    house.canary.scan(caught.value)


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy, iter, len, json.dumps, hash, bytes, dict, list, vars])
def test_a_secret_is_opaque(canary: Canary, act: Callable[[Any], object]) -> None:
    """C4: it cannot be pickled, copied, iterated or made JSON, and the refusal shows nothing."""
    secret = check_secret(canary.key, "test:key")
    with pytest.raises(TypeError) as caught:
        act(secret)
    canary.scan(caught.value)


def test_a_secret_shows_nothing(canary: Canary) -> None:
    """C4: however it is formatted."""
    secret = check_secret(canary.key, "test:key")
    canary.scan(str(secret), repr(secret), f"{secret} {secret!r} {secret:>80}", "{0} {0!s}".format(secret), "%s %r" % (secret, secret))  # noqa: UP031, UP032


def options(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Parameter]]:
    """Every option of a command and of those below it."""
    for found in command.params:
        yield path, found
    for name, inner in getattr(command, "commands", {}).items():
        yield from options(inner.load() if hasattr(inner, "load") else inner, f"{path} {name}")


def test_no_option_takes_a_key() -> None:
    """C5: no command has an option for a key, a token, a secret or a password."""
    names = [
        (path, name)
        for path, found in options(typer.main.get_command(make_app()))
        if not getattr(found, "is_flag", False)
        for name in found.opts
    ]
    assert len(names) > 60
    assert not [
        found for found in names if any(word in found[1].lower() for word in ("key", "token", "secret", "password", "auth", "bearer"))
    ]


def command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    environ = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    words = [sys.executable, "-m", "kosha_connector_openai.cli", *arguments]
    return subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_key_is_in_no_process_listing(canary: Canary) -> None:
    """C5: while a call runs, the arguments that everyone on the machine can read have no trace of the key."""
    with Recorder(silence(8)) as upstream:
        running = command(
            "run", "listModels", "--set", f"server_url={upstream.url}", "--set", "api_key=env:OPENAI_API_KEY", OPENAI_API_KEY=canary.key
        )
        try:
            _until(lambda: bool(upstream.requests))
            listing = Path(f"/proc/{running.pid}/cmdline").read_bytes()
        finally:
            running.kill()
            running.communicate()
    assert upstream.last.header("Authorization") == f"Bearer {canary.key}"
    assert b"listModels" in listing
    canary.scan(listing)


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 8
    while not done() and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.parametrize(
    "arguments", [("--set", "api_key=KEY"), ("--set", "server_url=https://KEY@x"), ("--api-key", "KEY"), ("--token=KEY",)]
)
def test_a_key_on_the_command_line_is_refused(arguments: tuple[str, ...]) -> None:
    """C5: with advice, without sending anything, and without repeating it."""
    pasted = "sk-proj-" + "aB3xY9kQ" * 5
    done = command("run", "listModels", *[word.replace("KEY", pasted) for word in arguments])
    output, errors = done.communicate(timeout=20)
    assert done.returncode not in (0, 1)
    assert pasted not in output + errors
    assert errors + output


def write(path: Path, text: str | bytes = "file-key-0123456789", mode: int = 0o600) -> Path:
    """A file of this mode, whatever the umask."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def linked(root: Path) -> Path:
    """A symbolic link to a good file."""
    (root / "link").symlink_to(write(root / "target"))
    return root / "link"


def below_link(root: Path) -> Path:
    """A good file in a folder that is a link."""
    (root / "real").mkdir(mode=0o700)
    write(root / "real" / "key")
    (root / "alias").symlink_to(root / "real")
    return root / "alias" / "key"


def in_open_folder(root: Path) -> Path:
    """A good file in a folder that others can change."""
    (root / "open").mkdir()
    (root / "open").chmod(0o777)
    return write(root / "open" / "key")


def pipe(root: Path) -> Path:
    """A pipe that nobody writes to."""
    os.mkfifo(root / "pipe", 0o600)
    return root / "pipe"


def listening(root: Path) -> Path:
    """A socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    return root / "socket"


def subfolder(root: Path) -> Path:
    """A folder."""
    (root / "folder").mkdir(mode=0o700)
    return root / "folder"


REFUSED = {
    "read-by-group": lambda root: write(root / "key", mode=0o640),
    "read-by-all": lambda root: write(root / "key", mode=0o644),
    "written-by-all": lambda root: write(root / "key", mode=0o602),
    "run-by-all": lambda root: write(root / "key", mode=0o601),
    "link": linked,
    "folder-link": below_link,
    "open-folder": in_open_folder,
    "pipe": pipe,
    "socket": listening,
    "folder": subfolder,
    "large": lambda root: write(root / "key", b"k" * (10 << 20)),
    "sparse": lambda root: _sparse(root / "key"),
    "not-utf-8": lambda root: write(root / "key", b"key-\xff\xfe-0123456789"),
    "two-lines": lambda root: write(root / "key", "key-0123456789\nother\n"),
    "empty": lambda root: write(root / "key", ""),
    "nul": lambda root: write(root / "key", b"key-0123\x00456789"),
    "up": lambda root: root / "below" / ".." / "key",
    "outside": lambda _: Path("/etc/passwd"),
    "environment": lambda _: Path("/proc/self/environ"),
    "root": lambda root: root,
}


def _sparse(path: Path) -> Path:
    with write(path).open("ab") as file:
        file.truncate(1 << 40)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Sends one request with the key in a file; gives the header that arrived."""
    tmp_path.chmod(0o700)
    with Recorder() as upstream, Connector(folder(), stores=default_stores([], [tmp_path])) as connector:

        def send(path: Path) -> str:
            connection = connector.connection({"server_url": upstream.url, "api_key": f"file:{path}"}, environ={})
            try:
                connector.run("listModels", {}, connection, CallOptions(attempts=1))
            except ConnectorError:
                assert upstream.silent
                raise
            return upstream.last.header("Authorization") or ""

        yield send


@pytest.mark.parametrize("make", [pytest.param(make, id=f"C6-{name}") for name, make in REFUSED.items()])
def test_a_loose_secret_file_is_refused(kept: Callable[[Path], str], tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """C6: modes, links, places, kinds and contents that do not fit are refused without waiting, and nothing is sent."""
    started = time.monotonic()
    error = failure(lambda: kept(make(tmp_path)))
    assert isinstance(error, SetupError)
    assert time.monotonic() - started < 2
    assert "file-key" not in str(error)


def test_a_missing_secret_file_is_told(kept: Callable[[Path], str], tmp_path: Path) -> None:
    """C6: which is another thing than one that is refused."""
    assert isinstance(failure(lambda: kept(tmp_path / "absent")), SecretMissingError)


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file away")
def test_a_file_of_another_user_is_refused(kept: Callable[[Path], str], tmp_path: Path) -> None:
    """C6: it could change under us."""
    os.chown(write(tmp_path / "key"), 12345, 12345)
    assert isinstance(failure(lambda: kept(tmp_path / "key")), SecretRefusedError)


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=f"C6-{name}") for name, text in {"plain": "K", "newline": "K\n", "crlf": "K\r\n", "bom": "\ufeffK"}.items()],
)
def test_a_tight_secret_file_is_read(kept: Callable[[Path], str], tmp_path: Path, text: str) -> None:
    """C6: what editors add at either end is taken away."""
    assert kept(write(tmp_path / "key", text.replace("K", "file-key-0123456789"), mode=0o400)) == "Bearer file-key-0123456789"
