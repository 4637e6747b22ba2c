"""Stores read what they were allowed to and nothing else; the cache reads once, forgets in time and never mixes tenants."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import (
    Fault,
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.secrets.cache import SecretCache, cache_key
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStore, SecretStores
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.fail import FailingStore
from kosha_connector_openai.secrets.stores.file import FileStore
from kosha_connector_openai.testing import SecretStoreContract
from tests.canary import Canary

_VALUE = "value-12345"
_ANYONE = SecretContext()


class _Store:
    """A store for tests: reads what a function gives, and counts."""

    def __init__(self, answer: Callable[[], object], scheme: str = "test", *, slow: bool = False) -> None:
        self.scheme = scheme
        self.slow = slow
        self.reads = count()
        self._answer = answer

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """What the function gives, of whatever type."""
        next(self.reads)
        return self._answer()  # type: ignore[return-value]


def _raises(error: BaseException) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer


def _read(store: SecretStore, text: str) -> Secret:
    return store.read(SecretReference.parse(text), _ANYONE)


def _refusal(store: SecretStore, text: str) -> SecretRefusedError:
    with pytest.raises(SecretRefusedError) as caught:
        _read(store, text)
    return caught.value


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _write(path: Path, data: bytes = _VALUE.encode(), mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.fixture
def canary() -> Canary:
    """A fresh key."""
    return Canary()


class TestEnvironmentStoreContract(SecretStoreContract):
    """The environment store keeps the contract of all stores."""

    store = pytest.fixture(lambda self: EnvironmentStore(["TEAM_*"], {"TEAM_KEY": _VALUE}))
    reference = pytest.fixture(lambda self: SecretReference.parse("env:TEAM_KEY"))
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("env:TEAM_OTHER"))


class TestFileStoreContract(SecretStoreContract):
    """The file store keeps the contract of all stores."""

    store = pytest.fixture(lambda self, tmp_path: FileStore([tmp_path]))
    reference = pytest.fixture(lambda self, tmp_path: SecretReference.parse(f"file:{_write(tmp_path / 'key')}"))
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self, tmp_path: SecretReference.parse(f"file:{tmp_path / 'other'}"))


class TestEnvironmentStore:
    """``env:NAME``."""

    def test_the_environment_is_read_at_each_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable that changes after the store was made gives its new value."""
        store = EnvironmentStore(["API_KEY"])
        monkeypatch.setenv("API_KEY", "value-before")
        before = _read(store, "env:API_KEY").reveal()
        monkeypatch.setenv("API_KEY", "value-after")
        assert (before, _read(store, "env:API_KEY").reveal()) == ("value-before", "value-after")

    @pytest.mark.parametrize("name", ["PATH", "AWS_SECRET_ACCESS_KEY", "api_key", "API_KEY2", "TEAM_", "TEAM", "XTEAM_A", "API_KEY#f"])
    def test_only_listed_names_are_read(self, name: str) -> None:
        """A variable that is set but not listed is refused; the refusal lists what is allowed, and not what was asked."""
        error = _refusal(EnvironmentStore(["TEAM_*", "API_KEY"], {name: _VALUE}), f"env:{name}")
        assert str(error) == "This environment variable may not be read here. Allowed: API_KEY, TEAM_*."

    def test_no_list_allows_nothing(self) -> None:
        """An empty list refuses every variable."""
        assert "Allowed: none." in str(_refusal(EnvironmentStore([], {"API_KEY": _VALUE}), "env:API_KEY"))

    @pytest.mark.parametrize("allowed", ["API_KEY", ["*"], ["_*x"], ["API*"], [""], ["A B"], ["A=B"]])
    def test_a_list_that_allows_by_accident_is_refused(self, allowed: list[str]) -> None:
        """A bare text, a lone star and what is no name are refused when the store is made."""
        with pytest.raises(SetupError):
            EnvironmentStore(allowed)

    def test_an_unset_variable_is_missing_and_an_empty_one_refused(self) -> None:
        """Both errors name the variable; neither becomes an empty credential."""
        store = EnvironmentStore(["BEARER_TOKEN", "API_KEY"], {"BEARER_TOKEN": ""})
        with pytest.raises(SecretMissingError, match="environment variable API_KEY is not set"):
            _read(store, "env:API_KEY")
        assert _refusal(store, "env:BEARER_TOKEN").message == "The secret env:BEARER_TOKEN is empty."

    def test_a_malformed_value_leaves_no_trace(self, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
        """The refusal of a value with a line break inside shows it nowhere, frames included."""
        monkeypatch.setenv("API_KEY", f"{canary.key}\nX-Other: 1")
        error = _refusal(EnvironmentStore(["API_KEY"]), "env:API_KEY")
        assert "line break at position 47" in error.message
        canary.scan(error)


class TestFileStore:
    """``file:/path``."""

    @pytest.mark.parametrize("data", [b"value-12345", b"value-12345\n", b"value-12345\r\n", b"\xef\xbb\xbfvalue-12345\n"])
    def test_a_file_gives_its_text(self, tmp_path: Path, data: bytes) -> None:
        """A final line break and a byte order mark do not belong to the secret."""
        inner = tmp_path / "a" / "b"
        inner.mkdir(parents=True, mode=0o700)
        assert _read(FileStore([tmp_path]), f"file:{_write(inner / 'key', data)}").reveal() == _VALUE

    def test_a_file_is_read_at_each_call(self, tmp_path: Path) -> None:
        """A rotated file gives its new secret."""
        path, store = _write(tmp_path / "key"), FileStore([tmp_path])
        before = _read(store, f"file:{path}").reveal()
        _write(path, b"value-rotated")
        assert (before, _read(store, f"file:{path}").reveal()) == (_VALUE, "value-rotated")

    def test_only_listed_folders_are_read(self, tmp_path: Path) -> None:
        """A file outside the roots is refused, also where its path begins like one, is relative or has a field."""
        (tmp_path / "root").mkdir()
        outside, inside = _write(tmp_path / "rootkey"), _write(tmp_path / "root" / "key")
        store = FileStore([tmp_path / "root"])
        for text in (f"file:{outside}", "file:key", f"file:/{inside}", f"file:{inside}#field", "file:/etc/passwd"):
            assert str(_refusal(store, text)) == (f"This file may not be read as a secret. Allowed are files below: {tmp_path / 'root'}.")

    def test_a_record_made_by_hand_does_not_climb(self, tmp_path: Path) -> None:
        """A reference that was not parsed, and so not checked, still cannot leave its root by ``..``."""
        (tmp_path / "root").mkdir()
        _write(tmp_path / "key")
        with pytest.raises(SecretRefusedError):
            FileStore([tmp_path / "root"]).read(SecretReference("file", f"{tmp_path}/root/../key"), _ANYONE)

    def test_folders_are_given_by_absolute_paths(self) -> None:
        """A relative root would mean another folder in another process."""
        with pytest.raises(SetupError):
            FileStore([Path("secrets")])

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o666, 0o777])
    def test_loose_files_are_refused_with_the_command_that_mends_them(self, tmp_path: Path, mode: int) -> None:
        """Any right of the group or of others is one too many."""
        path = _write(tmp_path / "a key", mode=mode)
        error = _refusal(FileStore([tmp_path]), f"file:{path}")
        assert error.message == f"The secret file:{path} can be used by others than its owner."
        assert error.hint == f"Run: chmod 600 '{path}'"

    @pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
    def test_files_of_their_owner_alone_are_read(self, tmp_path: Path, mode: int) -> None:
        """The owner's own rights do not matter."""
        assert _read(FileStore([tmp_path]), f"file:{_write(tmp_path / 'key', mode=mode)}").reveal() == _VALUE

    @pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
    def test_folders_that_others_can_change_are_refused(self, tmp_path: Path, mode: int) -> None:
        """Who can write to the folder can replace the file; in a sticky folder nobody else can."""
        folder = tmp_path / "loose"
        folder.mkdir()
        folder.chmod(mode)
        path, store = _write(folder / "key"), FileStore([tmp_path])
        assert "is in a folder that others can change" in _refusal(store, f"file:{path}").message
        folder.chmod(mode | stat.S_ISVTX)
        assert _read(store, f"file:{path}").reveal() == _VALUE

    @pytest.mark.parametrize(
        ("kind", "what"),
        [(stat.S_ISREG, "belongs to another user"), (stat.S_ISDIR, "is in a folder that others can change")],
    )
    def test_what_another_user_owns_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[int], bool], what: str
    ) -> None:
        """A file or folder that belongs to neither this user nor root was put there by someone else."""
        path, real = _write(tmp_path / "key"), os.fstat

        def foreign(file: int) -> os.stat_result:
            status = real(file)
            owner = status.st_uid + 12345 * kind(status.st_mode)
            return os.stat_result((*status[: stat.ST_UID], owner, *status[stat.ST_UID + 1 :]))

        monkeypatch.setattr(os, "fstat", foreign)
        assert what in _refusal(FileStore([tmp_path]), f"file:{path}").message

    @pytest.mark.parametrize("link", ["key", "folder/key", "loop", "dangling"])
    def test_links_are_not_followed(self, tmp_path: Path, link: str) -> None:
        """Neither a file nor a folder on the way may be a link, wherever it leads."""
        root, outside = tmp_path / "root", tmp_path / "outside"
        root.mkdir()
        outside.mkdir()
        _write(outside / "key")
        (root / "key").symlink_to(outside / "key")
        (root / "folder").symlink_to(outside)
        (root / "loop").symlink_to(root / "loop")
        (root / "dangling").symlink_to(root / "nothing")
        error = _refusal(FileStore([root]), f"file:{root / link}")
        assert "passes a symbolic link or something that is no folder" in error.message

    def test_a_folder_swapped_for_a_link_is_never_followed(self, tmp_path: Path) -> None:
        """While another process swaps a folder for a link and back, no read ever gives the file that the link leads to."""
        root, outside, done = tmp_path / "root", tmp_path / "outside", Event()
        (root / "real").mkdir(parents=True)
        outside.mkdir()
        _write(root / "real" / "key")
        _write(outside / "key", b"value-of-another")
        (root / "link").symlink_to(outside)

        def swap() -> None:
            while not done.is_set():
                for name in ("real", "link"):
                    (root / name).rename(root / "way")
                    (root / "way").rename(root / name)

        swapping, store, seen = Thread(target=swap), FileStore([root]), set()
        swapping.start()
        until = monotonic() + 0.4
        while monotonic() < until:
            try:
                seen.add(_read(store, f"file:{root / 'way' / 'key'}").reveal())
            except SecretError as error:
                seen.add(type(error).__name__)
        done.set()
        swapping.join()
        assert seen <= {_VALUE, "SecretRefusedError", "SecretMissingError"}

    def test_what_is_no_regular_file_is_refused_at_once(self, tmp_path: Path) -> None:
        """A pipe without a writer, a folder, a device and a socket are refused without waiting."""
        os.mkfifo(tmp_path / "pipe", 0o600)
        (tmp_path / "folder").mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(tmp_path / "socket"))
        store = FileStore([tmp_path, Path("/dev")])
        places = (tmp_path / "pipe", tmp_path / "folder", tmp_path / "socket", tmp_path, Path("/dev/null"))
        assert {"is not a regular file" in _refusal(store, f"file:{place}").message for place in places} == {True}

    def test_large_files_are_not_read(self, tmp_path: Path) -> None:
        """64 KiB is the limit of a file; the limit of the secret in it is lower."""
        store = FileStore([tmp_path])
        path = _write(tmp_path / "key", b"x" * (64 * 1024 + 1))
        assert "is larger than 64 KiB" in _refusal(store, f"file:{path}").message
        _write(path, b"x" * (64 * 1024))
        assert "is longer than 8 KiB" in _refusal(store, f"file:{path}").message

    @pytest.mark.parametrize(("before", "after"), [(b"", b"\xff"), (b"\xff\xfe", b""), (b"", b"\nsecond"), (b"", b"\0")])
    def test_malformed_content_leaves_no_trace(self, tmp_path: Path, canary: Canary, before: bytes, after: bytes) -> None:
        """What is not UTF-8, or no secret, is refused without a byte of it in the error or its frames."""
        path = _write(tmp_path / "key", before + canary.key.encode() + after)
        canary.scan(_refusal(FileStore([tmp_path]), f"file:{path}"))

    @pytest.mark.parametrize(
        ("number", "kind", "what"),
        [
            (1, SecretStoreError, "cannot be read: Operation not permitted."),
            (5, SecretStoreError, "cannot be read: Input/output error."),
            (13, SecretRefusedError, "may not be opened by this process."),
        ],
    )
    def test_failures_of_the_system_are_told_apart(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[SecretError], what: str
    ) -> None:
        """What the user can mend is a refusal, what may pass is a failure of the store; neither keeps the system's error."""
        path = _write(tmp_path / "key")
        monkeypatch.setattr(os, "read", lambda file, size: _raises(OSError(number, os.strerror(number)))())
        with pytest.raises(kind) as caught:
            _read(FileStore([tmp_path]), f"file:{path}")
        assert caught.value.message == f"The secret file:{path} {what}"
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    def test_no_descriptor_is_left_open(self, tmp_path: Path) -> None:
        """Reads and refusals close what they opened."""
        _write(tmp_path / "key")
        _write(tmp_path / "loose", mode=0o644)
        (tmp_path / "a" / "b").mkdir(parents=True)
        store, open_before = FileStore([tmp_path]), _descriptors()
        for name in ("loose", "missing", "key/below", "a/b/missing"):
            with pytest.raises(SecretError):
                _read(store, f"file:{tmp_path / name}")
        _read(store, f"file:{tmp_path / 'key'}")
        assert _descriptors() == open_before


class TestTrustedMounts:
    """Folders that the platform fills, as Kubernetes and Docker do."""

    @pytest.fixture
    def mount(self, tmp_path: Path) -> Path:
        """A volume laid out as Kubernetes does it: the visible name leads to ``..data``, that to a dated folder."""
        mount = tmp_path / "mount"
        (mount / "..2024_01_01").mkdir(parents=True)
        _write(mount / "..2024_01_01" / "key", mode=0o644)
        (mount / "..data").symlink_to("..2024_01_01")
        (mount / "key").symlink_to("..data/key")
        return mount

    def test_inner_links_and_read_bits_are_accepted(self, mount: Path) -> None:
        """The platform's own links and its read-only mode 0644 are fine in a listed mount, even one inside a root."""
        store = FileStore([mount.parent], trusted_mounts=[mount])
        assert _read(store, f"file:{mount / 'key'}").reveal() == _VALUE

    def test_a_rotation_is_seen(self, mount: Path) -> None:
        """When ``..data`` moves on to a new folder, the next read gives the new secret."""
        store = FileStore([], trusted_mounts=[mount])
        (mount / "..2024_02_02").mkdir()
        _write(mount / "..2024_02_02" / "key", b"value-rotated", mode=0o444)
        (mount / "..tmp").symlink_to("..2024_02_02")
        (mount / "..tmp").rename(mount / "..data")
        assert _read(store, f"file:{mount / 'key'}").reveal() == "value-rotated"

    def test_elsewhere_the_same_layout_is_refused(self, mount: Path) -> None:
        """Without the operator's word the link is a link."""
        assert "passes a symbolic link" in _refusal(FileStore([mount]), f"file:{mount / 'key'}").message

    def test_links_out_of_the_mount_are_refused(self, mount: Path) -> None:
        """Trust ends at the mount's edge."""
        _write(mount.parent / "other")
        (mount / "out").symlink_to("../other")
        store = FileStore([], trusted_mounts=[mount])
        assert "leads out of its trusted mount" in _refusal(store, f"file:{mount / 'out'}").message

    @pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
    def test_what_others_can_write_is_refused(self, mount: Path, mode: int) -> None:
        """Reading is the platform's affair, writing is not."""
        (mount / "..2024_01_01" / "key").chmod(mode)
        store = FileStore([], trusted_mounts=[mount])
        assert "can be used by others" in _refusal(store, f"file:{mount / 'key'}").message

    @pytest.mark.parametrize("name", ["loop", "gone"])
    def test_broken_links_are_told(self, mount: Path, name: str) -> None:
        """A link to itself is refused and a dangling one is missing, as typed errors."""
        (mount / "loop").symlink_to("loop")
        (mount / "gone").symlink_to("nothing")
        with pytest.raises((SecretRefusedError, SecretMissingError)):
            _read(FileStore([], trusted_mounts=[mount]), f"file:{mount / name}")

    def test_a_mount_that_is_not_there_has_no_secrets(self, tmp_path: Path) -> None:
        """A listed mount need not exist."""
        with pytest.raises(SecretMissingError):
            _read(FileStore([], trusted_mounts=[tmp_path / "none"]), f"file:{tmp_path / 'none' / 'key'}")


class TestFailingStore:
    """A store whose parts are missing."""

    def test_it_gives_its_advice_and_is_not_tried_again(self) -> None:
        """Every read fails with what to install or to use instead."""
        with pytest.raises(SecretStoreError) as caught:
            SecretStores([FailingStore("vault", "Install the extra.")]).resolve(SecretReference.parse("vault:a/b#c"), _ANYONE)
        assert str(caught.value) == "The secret store vault cannot be used here. Install the extra."
        assert caught.value.retryable is False


class TestSecretStores:
    """The closed set of stores."""

    def test_it_is_a_read_only_mapping(self) -> None:
        """Schemes lead to stores, and none can be added later."""
        one, other = _Store(lambda: Secret(_VALUE), "one"), _Store(lambda: Secret(_VALUE), "other")
        stores = SecretStores([one, other])
        assert dict(stores) == {"one": one, "other": other}
        assert not hasattr(stores, "__setitem__")

    def test_two_stores_for_one_scheme_are_refused(self) -> None:
        """No plugin can take over another's scheme."""
        with pytest.raises(SetupError, match="claim the scheme env"):
            SecretStores([EnvironmentStore([]), FailingStore("env", "")])

    def test_an_unknown_scheme_names_the_known_ones_only(self, canary: Canary) -> None:
        """What stands before the colon may be part of a secret: it is not repeated."""
        stores = SecretStores([FileStore([]), EnvironmentStore([])])
        with pytest.raises(SecretStoreError) as caught:
            stores.resolve(SecretReference(canary.key, "name"), _ANYONE)
        assert str(caught.value) == "No secret store has this scheme. Known: env, file."
        assert caught.value.retryable is False

    @pytest.mark.parametrize("failure", [SecretMissingError("gone"), SecretStoreError("down"), OSError("down"), KeyError("x")])
    def test_no_other_store_answers_for_one_that_fails(self, failure: Exception) -> None:
        """A store that fails is the end of it, though another could answer the same name."""
        other = _Store(lambda: Secret(_VALUE), "env")
        with pytest.raises(SecretError):
            SecretStores([_Store(_raises(failure), "vault"), other]).resolve(SecretReference("vault", "API_KEY"), _ANYONE)
        assert next(other.reads) == 0

    @pytest.mark.parametrize("slow", [False, True])
    def test_foreign_errors_keep_their_type_only(self, canary: Canary, slow: bool) -> None:
        """Whatever a store raises, with the key in its text, its cause and its frames, becomes a clean SecretStoreError."""
        scope: dict[str, Callable[[], object]] = {"answer": object}
        code = (
            f"def answer():\n    held = {canary.key!r}\n    try: raise KeyError(held)\n    except KeyError as e: raise OSError(held) from e"
        )
        exec(compile(code, "foreign.py", "exec"), scope)
        with pytest.raises(SecretStoreError) as caught:
            SecretStores([_Store(scope["answer"], slow=slow)]).resolve(SecretReference("test", "a"), _ANYONE)
        assert caught.value.message == "The secret store test failed with OSError."
        canary.scan(caught.value)

    def test_our_errors_pass_with_all_they_say(self) -> None:
        """The store's refusal keeps its type, message, hint, pointer, faults and whether to try again; not its traceback."""
        told = SecretMissingError("No such secret.", [Fault("/api_key", "x", "y")], hint="Create it.", pointer="/api_key")
        told.retryable = None
        told.__cause__ = KeyError("x")
        with pytest.raises(SecretMissingError) as caught:
            SecretStores([_Store(_raises(told))]).resolve(SecretReference("test", "a"), _ANYONE)
        assert caught.value.to_dict() == told.to_dict()
        assert caught.value is not told
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)

    @pytest.mark.parametrize("slow", [False, True])
    @pytest.mark.parametrize("write", [str, str.encode, str.split, lambda key: None, lambda key: {"key": key}])
    def test_what_is_no_secret_is_refused(self, canary: Canary, write: Callable[[str], object], slow: bool) -> None:
        """A store that gives text, bytes or nothing has failed, and the text shows nowhere."""
        stores = SecretStores([_Store(lambda: write(canary.key), slow=slow)])
        with pytest.raises(SecretStoreError) as caught:
            stores.resolve(SecretReference("test", "a"), _ANYONE)
        assert caught.value.message == "The secret store test gave something that is no Secret."
        canary.scan(caught.value)

    def test_what_a_store_did_not_check_is_checked(self, canary: Canary) -> None:
        """A secret that no header can carry is refused whatever store it came from; trimming it is done for the store."""
        reference = SecretReference("test", "a")
        broken = SecretStores([_Store(lambda: Secret(f"{canary.key}\r\nX-Other: 1"))])
        with pytest.raises(SecretRefusedError, match="has a line break") as caught:
            broken.resolve(reference, _ANYONE)
        canary.scan(caught.value)
        trimmed = SecretStores([_Store(lambda: Secret(f"{_VALUE}\n", version="3"))]).resolve(reference, _ANYONE)
        assert (trimmed.reveal(), trimmed.version) == (_VALUE, "3")

    def test_a_hanging_store_is_left_after_its_time(self) -> None:
        """A slow store that does not answer fails within the limit, and may be tried again."""
        release = Event()
        stores = SecretStores([_Store(release.wait, slow=True)], time_limit=0.05)
        started = monotonic()
        with pytest.raises(SecretStoreError) as caught:
            stores.resolve(SecretReference("test", "a"), _ANYONE)
        release.set()
        assert caught.value.message == "The secret store test did not answer within 0.05 seconds."
        assert caught.value.retryable is True
        assert monotonic() - started < 2

    def test_a_hanging_store_does_not_keep_the_process(self) -> None:
        """The thread that still waits for a store ends with the process."""
        program = (
            "import threading\n"
            "from kosha_connector_openai.secrets.secret import SecretReference\n"
            "from kosha_connector_openai.secrets.store import SecretContext, SecretStores\n"
            "class Store:\n"
            "    scheme, slow = 'test', True\n"
            "    def read(self, reference, context): threading.Event().wait()\n"
            "SecretStores([Store()], time_limit=0.01).resolve(SecretReference('test', 'a'), SecretContext())\n"
        )
        child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
        assert "SecretStoreError: The secret store test did not answer" in child.stderr

    def test_immediate_stores_are_known(self) -> None:
        """Only a store that says so is read without a thread; an unknown scheme fails at once, so it needs none either."""
        stores = SecretStores([EnvironmentStore([]), FileStore([]), _Store(lambda: None)])
        immediate = [stores.immediate(SecretReference(scheme, "a")) for scheme in ("env", "file", "test", "other")]
        assert immediate == [True, False, False, True]


class _Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Source:
    """Gives ``value-0``, ``value-1`` ... and counts."""

    def __init__(self, error: SecretError | None = None, seconds: float = 0) -> None:
        self.reads = 0
        self._error = error
        self._seconds = seconds

    def __call__(self) -> Secret:
        self.reads += 1
        sleep(self._seconds)
        if self._error:
            raise self._error
        return Secret(f"value-{self.reads - 1}")


_KEY = cache_key(SecretReference("vault", "a/b", "c"), SecretContext("tenant", "https://a.example", "demo"))


class TestSecretCache:
    """The memory of what stores gave."""

    def test_a_secret_is_kept_for_its_time_and_no_longer(self) -> None:
        """Up to the last moment it is the same secret; from then on it is read anew, and ``peek`` sees none."""
        clock, source = _Clock(), _Source()
        cache = SecretCache(ttl=60, clock=clock)
        assert cache.peek(_KEY) is None
        first = cache.get(_KEY, source)
        clock.now += 59.9
        assert cache.get(_KEY, source) is first is cache.peek(_KEY)
        clock.now += 0.1
        assert cache.peek(_KEY) is None
        assert cache.get(_KEY, source).reveal() == "value-1"

    def test_the_time_counts_from_before_the_read(self) -> None:
        """A read that takes long gives a secret that is kept for less: it may have been old when it arrived."""
        clock = _Clock()
        cache = SecretCache(ttl=60, clock=clock)

        def slow() -> Secret:
            clock.now += 40
            return Secret(_VALUE)

        cache.get(_KEY, slow)
        clock.now += 20
        assert cache.peek(_KEY) is None

    def test_nothing_is_kept_with_no_time(self) -> None:
        """With ``ttl`` 0 every call reads."""
        cache, source = SecretCache(ttl=0, negative_ttl=0), _Source()
        assert [cache.get(_KEY, source).reveal() for _ in range(3)] == ["value-0", "value-1", "value-2"]

    def test_refusals_are_kept_for_their_shorter_time(self) -> None:
        """A store that fails is asked once in two seconds; each caller gets an error of its own."""
        clock, source = _Clock(), _Source(SecretMissingError("gone", hint="Create it."))
        cache = SecretCache(clock=clock)
        seen = []
        for _ in range(3):
            with pytest.raises(SecretMissingError) as caught:
                cache.get(_KEY, source)
            seen.append(caught.value)
        clock.now += 2
        with pytest.raises(SecretMissingError):
            cache.get(_KEY, source)
        assert source.reads == len(("before", "after"))
        assert {str(error) for error in seen} == {"gone Create it."}
        assert len({id(error) for error in seen}) == len(seen)
        assert cache.peek(_KEY) is None

    def test_a_kept_refusal_holds_no_frames(self) -> None:
        """What is remembered of a failure is its text: a traceback would keep the store's variables in memory."""
        cache = SecretCache()
        with pytest.raises(SecretMissingError):
            cache.get(_KEY, _Source(SecretMissingError("gone")))
        kept = cache._kept[_KEY].outcome
        assert isinstance(kept, SecretMissingError)
        assert kept.__traceback__ is None

    @pytest.mark.parametrize("ttl", [0, 60])
    def test_five_hundred_threads_read_once(self, ttl: float) -> None:
        """Callers that come while a read is under way wait for it and get its secret, even if it is not kept."""
        cache, source, started = SecretCache(ttl=ttl), _Source(seconds=0.5), Event()

        def ask(_: int) -> Secret:
            started.wait()
            return cache.get(_KEY, source)

        with ThreadPoolExecutor(500) as pool:
            answers = [pool.submit(ask, number) for number in range(500)]
            started.set()
            found = {answer.result().reveal() for answer in answers}
        assert (source.reads, found) == (1, {"value-0"})

    def test_five_hundred_tasks_read_once(self) -> None:
        """Async callers that use threads share one read too."""
        cache, source = SecretCache(), _Source(seconds=0.1)

        async def ask_all() -> list[Secret]:
            return await asyncio.gather(*(asyncio.to_thread(cache.get, _KEY, source) for _ in range(500)))

        assert {secret.reveal() for secret in asyncio.run(ask_all())} == {"value-0"}
        assert source.reads == 1

    def test_waiting_callers_share_a_failure(self) -> None:
        """When the one read fails, all who waited fail alike, each with an error of its own."""
        cache, source = SecretCache(), _Source(SecretStoreError("down"), seconds=0.2)
        with ThreadPoolExecutor(20) as pool:
            errors = [pool.submit(cache.get, _KEY, source).exception for _ in range(20)]
            seen = [error() for error in errors]
        assert {str(error) for error in seen} == {"down"}
        assert (source.reads, len({id(error) for error in seen})) == (1, len(seen))

    def test_an_interrupted_read_blocks_nobody(self) -> None:
        """When the reading caller is interrupted, the next one reads in its place."""
        cache, source = SecretCache(), _Source()
        with pytest.raises(KeyboardInterrupt):
            cache.get(_KEY, _raises(KeyboardInterrupt()))  # type: ignore[arg-type]
        assert cache.get(_KEY, source).reveal() == "value-0"

    def test_those_who_wait_for_an_interrupted_read_read_themselves(self) -> None:
        """A waiting caller is not lost with the caller it waited for."""
        cache, source, reading, release = SecretCache(), _Source(), Event(), Event()

        def interrupted() -> Secret:
            reading.set()
            release.wait()
            raise KeyboardInterrupt

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(cache.get, _KEY, interrupted)
            reading.wait()
            second = pool.submit(cache.get, _KEY, source)
            release.set()
            assert isinstance(first.exception(), KeyboardInterrupt)
            assert second.result().reveal() == "value-0"

    def test_a_refused_secret_is_read_anew_once(self) -> None:
        """Many calls refused with one secret lead to one new read: who comes with the old one keeps the new one."""
        cache, source = SecretCache(), _Source()
        stale = cache.get(_KEY, source)
        cache.invalidate(_KEY, stale)
        fresh = cache.get(_KEY, source)
        cache.invalidate(_KEY, stale)
        assert cache.get(_KEY, source) is fresh
        cache.invalidate(_KEY)
        assert cache.get(_KEY, source).reveal() == "value-2"

    @pytest.mark.parametrize("forget", [SecretCache.clear, lambda cache: cache.invalidate(_KEY)])
    def test_a_read_under_way_is_not_kept_once_forgotten(self, forget: Callable[[SecretCache], None]) -> None:
        """What was read before the secret was declared stale is handed to those who waited, and not remembered."""
        cache, reading, release = SecretCache(), Event(), Event()

        def slow() -> Secret:
            reading.set()
            release.wait()
            return Secret("value-old")

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(cache.get, _KEY, slow)
            reading.wait()
            forget(cache)
            release.set()
            assert waiting.result().reveal() == "value-old"
        assert cache.peek(_KEY) is None

    @pytest.mark.parametrize(
        "other",
        [
            _KEY._replace(tenant="other"),
            _KEY._replace(connector="other"),
            _KEY._replace(origin="https://b.example"),
            _KEY._replace(scheme="env"),
            _KEY._replace(locator="a/x"),
            _KEY._replace(field=None),
        ],
    )
    def test_each_part_of_the_key_counts(self, other: tuple[str, ...]) -> None:
        """Tenant, connector, origin, store, place and field each keep secrets apart."""
        cache, source = SecretCache(), _Source()
        assert cache.get(_KEY, source) != cache.get(other, source)  # type: ignore[arg-type]

    def test_what_is_past_its_time_is_dropped(self) -> None:
        """Old secrets do not stay in memory until they are asked for again."""
        clock, source = _Clock(), _Source()
        cache = SecretCache(clock=clock)
        for number in range(100):
            cache.get(_KEY._replace(tenant=str(number)), source)
        clock.now += 60
        cache.get(_KEY, source)
        assert len(cache._kept) == 1

    @given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["call", "call", "rotate", "refuse", "wait"])), max_size=60))
    @settings(max_examples=100, deadline=None)
    def test_no_tenant_ever_gets_another_ones_secret(self, steps: list[tuple[int, str]]) -> None:
        """Eight tenants with the same reference: through calls, rotations, refusals and time, each gets its own secret.

        After a refusal it is the newest one.
        """
        clock, versions = _Clock(), [0] * 8
        cache = SecretCache(clock=clock)

        def call(tenant: int) -> Secret:
            key = cache_key(SecretReference("vault", "shared/key"), SecretContext(str(tenant)))
            return cache.get(key, lambda: Secret(f"tenant-{tenant}-version-{versions[tenant]}"))

        def refuse(tenant: int) -> None:
            cache.invalidate(cache_key(SecretReference("vault", "shared/key"), SecretContext(str(tenant))))
            assert call(tenant).reveal() == f"tenant-{tenant}-version-{versions[tenant]}"

        actions: dict[str, Callable[[int], object]] = {
            "call": lambda tenant: None,
            "rotate": lambda tenant: versions.__setitem__(tenant, versions[tenant] + 1),
            "refuse": refuse,
            "wait": lambda tenant: setattr(clock, "now", clock.now + 45),
        }
        for tenant, action in steps:
            actions[action](tenant)
            assert call(tenant).reveal().startswith(f"tenant-{tenant}-")


@pytest.mark.parametrize(
    "line",
    [
        b"OPENAI_API_KEY=sk-0123456789",
        b"export KEY=abcdefgh01\n",
        b" A_B='quoted-value'",
        b"\xef\xbb\xbfOPENAI_API_KEY=sk-0123456789",
        b"openai_api_key=sk-0123456789\r\n",
        b"OPENAI_API_KEY = sk-0123456789",
        b"apiKey: sk-0123456789",
        b"set OPENAI_API_KEY=sk-0123456789",
        b"$env:OPENAI_API_KEY='sk-0123456789'",
    ],
)
def test_a_file_with_an_assignment_holds_no_key(tmp_path, line):
    """An environment file in place of a key's file: its name would be sent with the key. The error repeats nothing of it."""
    path = tmp_path / "key"
    path.write_bytes(line)
    path.chmod(0o600)
    with pytest.raises(SecretRefusedError, match="NAME=VALUE") as caught:
        FileStore([tmp_path]).read(SecretReference("file", str(path)), _ANYONE)
    assert "0123456789" not in str(caught.value)


def test_a_file_with_an_object_holds_no_key(tmp_path):
    """A JSON object is refused, and nothing of it is in the error."""
    path = tmp_path / "key"
    path.write_bytes(b'{"api_key": "sk-0123456789"}')
    path.chmod(0o600)
    with pytest.raises(SecretRefusedError, match="JSON object") as caught:
        FileStore([tmp_path]).read(SecretReference("file", str(path)), _ANYONE)
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [b"QUJDREVGR0g=", b"QUJDREVGRw==", b"sk-a=b-0123456789", b"ABCDEFGH0123=", b"keyABC0123==", b"mytoken=", b"sk-key-a:b-0123456789"],
)
def test_a_key_with_a_sign_of_equality_is_one(tmp_path, key):
    """Base64 ends with it, and other keys may hold it."""
    path = tmp_path / "key"
    path.write_bytes(key)
    path.chmod(0o600)
    assert FileStore([tmp_path]).read(SecretReference("file", str(path)), _ANYONE).reveal() == key.decode()
