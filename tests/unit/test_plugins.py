"""Plugins: only listed ones are imported, from places that an installation wrote, and a broken one is named and harms no other."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pluggy
import pytest

from kosha_connector_openai import create_plugin_manager, hookspecs, load_connectors, plugin, plugins
from kosha_connector_openai.errors import PluginError
from kosha_connector_openai.hookspecs import hookimpl
from kosha_connector_openai.plugins import Found, installed_plugins
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext
from tests.recorder import Recorder, reply

TINY = Path(__file__).parents[1] / "tiny_provider"
MODULE = """
from pathlib import Path
from kosha_connector_openai.hookspecs import hookimpl

(Path(__file__).parent / "{name}.imported").touch()

@hookimpl
def kosha_connectors():
    return [Path({folder!r})]
"""


class Connectors:
    """A plugin that offers these folders."""

    def __init__(self, *folders: Any) -> None:
        self.folders = folders

    @hookimpl
    def kosha_connectors(self) -> Sequence[Path]:
        return self.folders


class Stores:
    """A plugin that brings these secret stores."""

    def __init__(self, *stores: Any) -> None:
        self.stores = stores

    @hookimpl
    def kosha_secret_stores(self) -> Sequence[Any]:
        return list(self.stores)


class Vault:
    """A store that notes what it was asked for."""

    def __init__(self, scheme: str = "vault", text: str = "from-the-vault-01") -> None:
        self.scheme = scheme
        self.text = text
        self.asked: list[tuple[str, str]] = []

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        self.asked.append((str(reference), context.connector))
        return Secret(self.text)


class Failing:
    """A plugin whose hook does this."""

    def __init__(self, deed: Callable[[], Any]) -> None:
        self.deed = deed

    @hookimpl
    def kosha_connectors(self) -> Sequence[Path]:
        return self.deed()  # type: ignore[no-any-return]


def raising(error: BaseException) -> Callable[[], Any]:
    def deed() -> Any:
        raise error

    return deed


def install(place: Path, name: str, *, module: str | None = None, distribution: str = "", text: str = MODULE) -> Path:
    """A distribution with one entry point of our group, as pip leaves it; returns the marker that importing it writes."""
    distribution, module = distribution or f"{name}-dist", module or f"{name}_module"
    info = place / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[kosha.connectors]\n{name} = {module}\n")
    (place / f"{module}.py").write_text(text.format(name=module, folder=str(TINY)))
    return place / f"{module}.imported"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages on the path; what is imported from it is forgotten afterwards."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return place


@pytest.fixture
def errors() -> list[PluginError]:
    """What a host that goes on was told."""
    return []


# What is loaded


def test_our_own_plugin_offers_our_connector() -> None:
    """The host path of this package: manager, hook, connector."""
    with load_connectors(create_plugin_manager(names=["openai"]))["openai"] as connector:
        assert "createCompletion" in connector.catalog


def test_a_listed_plugin_is_imported(site: Path) -> None:
    """The entry point that the host names is loaded, and its connector is there."""
    marker = install(site, "tiny")
    found = load_connectors(create_plugin_manager(names=["tiny"]))
    assert list(found) == ["tiny"]
    assert marker.exists()


def test_an_installed_plugin_is_not_imported_unless_it_is_listed(site: Path) -> None:
    """X1: a rogue distribution on the path is not even imported, and is shown as not listed."""
    marker = install(site, "rogue")
    load_connectors(create_plugin_manager(names=["openai"]))
    assert not marker.exists()
    assert installed_plugins(["openai"]) == (
        Found("openai", "kosha-connector-openai", listed=True),
        Found("rogue", "rogue-dist", listed=False),
    )
    assert not marker.exists()


def test_a_plugin_in_the_working_folder_is_not_found(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """X2: metadata dropped into the current folder counts for nothing, although Python itself would import from there."""
    here = tmp_path / "here"
    marker = install(here, "dropped")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(here), *sys.path])
    assert "dropped" not in {found.name for found in installed_plugins()}
    with pytest.raises(PluginError, match="No installed plugin is named 'dropped'"):
        create_plugin_manager(names=["dropped"])
    assert not marker.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes of folders are POSIX")
@pytest.mark.parametrize(
    ("mode", "group", "names"),
    [(0o755, 0, ["tiny"]), (0o775, 0, ["tiny"]), (0o777, 0, []), (0o775, 54_321, []), (0o755, 54_321, ["tiny"])],
)
def test_a_plugin_in_a_folder_that_others_can_write_is_not_found(
    site: Path, monkeypatch: pytest.MonkeyPatch, mode: int, group: int, names: list[str]
) -> None:
    """X2: a folder that all users, or a group of other users, can write is not searched."""
    install(site, "tiny")
    site.chmod(mode)
    status = list(site.stat())
    status[5] = group
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **more: os.stat_result(status) if self == site else real(self, **more))
    assert [found.name for found in installed_plugins() if found.name != "openai"] == names


def test_a_folder_that_is_gone_is_passed_over(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path entry that does not exist, as Python itself often has, is no error."""
    install(site, "tiny")
    monkeypatch.syspath_prepend(str(site / "gone"))
    assert "tiny" in {found.name for found in installed_plugins()}


def test_other_systems_have_no_modes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where modes of folders mean nothing, only the working folder is left out."""
    site.chmod(0o777)
    monkeypatch.delattr(os, "getegid")
    assert plugins._is_safe(site)


def test_a_name_of_two_distributions_is_refused(site: Path) -> None:
    """X1: nobody slips in under the name of another plugin; the host says whose it means."""
    install(site, "tiny", distribution="good-dist", module="good_module")
    marker = install(site, "tiny", distribution="rogue-dist", module="rogue_module")
    with pytest.raises(PluginError) as caught:
        create_plugin_manager(names=["tiny"])
    assert caught.value.hint == "Name one of: good-dist:tiny, rogue-dist:tiny."
    manager = create_plugin_manager(names=["good-dist:tiny"])
    assert [name for name, _ in manager.list_name_plugin()] == ["good-dist:tiny"]
    assert [found.listed for found in installed_plugins(["good-dist:tiny"])] == [False, True, False]
    assert not marker.exists()


def test_of_two_copies_the_first_on_the_path_counts(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A distribution that is installed twice is one plugin: the copy that imports would find."""
    install(site, "tiny")
    (tmp_path / "second").mkdir()
    shutil.copytree(site, tmp_path / "second", dirs_exist_ok=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "second")])
    create_plugin_manager(names=["tiny"])
    assert (site / "tiny_module.imported").exists()
    assert not (tmp_path / "second" / "tiny_module.imported").exists()


def test_a_name_that_nothing_has_lists_what_is_installed() -> None:
    """A slip in the host's own list is told at once, also to a host that goes on past broken plugins."""
    with pytest.raises(PluginError) as caught:
        create_plugin_manager(names=["opanai"], report=lambda error: None)
    assert "'opanai'" in caught.value.message
    assert caught.value.hint.startswith("Installed: openai.")


def test_nothing_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any plugin the list is not left blank."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(PluginError, match="Installed: none"):
        create_plugin_manager(names=["openai"])


def test_a_plugin_that_is_given_twice_is_one() -> None:
    """An object and its own entry point are the same plugin."""
    manager = create_plugin_manager([plugin, plugin], names=["openai", "openai"])
    assert list(load_connectors(manager)) == ["openai"]


def test_there_is_no_global_manager() -> None:
    """Two hosts in one process share nothing."""
    assert load_connectors(create_plugin_manager()) == {}
    assert create_plugin_manager() is not create_plugin_manager()


# The zoo


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module_here", "The plugin 'bad' cannot be loaded: ModuleNotFoundError. It needs no_such_module_here."),
        ("raise RuntimeError('boom')", "The plugin 'bad' cannot be loaded: RuntimeError."),
        ("import sys; sys.exit(3)", "The plugin 'bad' cannot be loaded: SystemExit."),
        ("def (", "The plugin 'bad' cannot be loaded: SyntaxError."),
        ("x = 1", "The plugin 'bad' does not fit the hooks. It implements no hook."),
        (
            "from kosha_connector_openai.hookspecs import hookimpl\n@hookimpl\ndef kosha_conectors(): return []",
            "The plugin 'bad' does not fit the hooks. unknown hook 'kosha_conectors' in plugin",
        ),
        (
            "from kosha_connector_openai.hookspecs import hookimpl\n@hookimpl\ndef kosha_connectors(host): return []",
            "The plugin 'bad' does not fit the hooks. Plugin 'bad' for hook 'kosha_connectors'",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded(site: Path, errors: list[PluginError], text: str, message: str) -> None:
    """X3: it is named with its reason; a host that goes on has the other plugins."""
    install(site, "bad", text=text)
    with pytest.raises(PluginError) as caught:
        create_plugin_manager(names=["bad"])
    assert str(caught.value).startswith(message)
    sys.modules.pop("bad_module", None)
    manager = create_plugin_manager(names=["bad", "openai"], report=errors.append)
    assert [str(error).startswith(message) for error in errors] == [True]
    assert list(load_connectors(manager)) == ["openai"]


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        (raising(OSError("the key is sk-123")), "The plugin 'Failing' failed with OSError, asked for kosha_connectors."),
        (raising(SystemExit()), "The plugin 'Failing' failed with SystemExit, asked for kosha_connectors."),
        (raising(TimeoutError()), "The plugin 'Failing' failed with TimeoutError, asked for kosha_connectors."),
        (lambda: "folder", "The plugin 'Failing' returned something else than a list of Path, asked for kosha_connectors."),
        (lambda: ["folder"], "The plugin 'Failing' returned something else than a list of Path, asked for kosha_connectors."),
        (lambda: None, "The plugin 'Failing' returned something else than a list of Path, asked for kosha_connectors."),
        (lambda: [Path("no/such/folder")], "The plugin 'Failing' offers a connector that cannot be opened. connector.yaml cannot be read"),
    ],
)
def test_a_plugin_that_fails_in_its_hook(errors: list[PluginError], deed: Callable[[], Any], message: str) -> None:
    """X3: it is named with what went wrong and nothing of what it said; the others go on."""
    manager = create_plugin_manager([Failing(deed), plugin])
    with pytest.raises(PluginError) as caught:
        load_connectors(manager)
    assert str(caught.value).startswith(message)
    assert list(load_connectors(manager, report=errors.append)) == ["openai"]
    assert [error.message for error in errors] == [caught.value.message]


def test_a_plugin_that_hangs(errors: list[PluginError], monkeypatch: pytest.MonkeyPatch) -> None:
    """X3: a hook that does not return is named after its time, and the others go on."""
    monkeypatch.setattr(plugins, "HOOK_SECONDS", 0.05)
    never = Event()
    manager = create_plugin_manager([Failing(never.wait), plugin])
    assert list(load_connectors(manager, report=errors.append)) == ["openai"]
    never.set()
    assert [error.message for error in errors] == ["The plugin 'Failing' did not answer within 0.05 seconds, asked for kosha_connectors."]


def test_a_manifest_that_is_wrong_is_told_with_its_faults(tmp_path: Path) -> None:
    """What is wrong with a connector is told with the plugin's name and each fault's place."""
    (tmp_path / "connector.yaml").write_text("id: x\n")
    with pytest.raises(PluginError) as caught:
        load_connectors(create_plugin_manager([Connectors(tmp_path)]))
    assert caught.value.message == (
        "The plugin 'Connectors' offers a connector that cannot be opened. connector.yaml breaks the manifest's schema."
    )
    assert "/title" in [fault.pointer for fault in caught.value.faults]


def test_two_connectors_with_one_id(errors: list[PluginError], tmp_path: Path) -> None:
    """The second one is an error that names both folders; the first in the host's list counts, whatever a plugin wishes."""
    shutil.copytree(TINY, tmp_path / "copy")

    class Pushy:
        @hookimpl(tryfirst=True)
        def kosha_connectors(self) -> Sequence[Path]:
            return [tmp_path / "copy"]

    manager = create_plugin_manager([Connectors(TINY), Pushy()])
    with pytest.raises(PluginError) as caught:
        load_connectors(manager)
    assert caught.value.message == "The plugin 'Pushy' offers the connector 'tiny' a second time."
    assert [fault.message for fault in caught.value.faults] == [str(TINY), str(tmp_path / "copy")]
    assert load_connectors(manager, report=errors.append)["tiny"].folder == TINY
    assert len(errors) == 1


@pytest.mark.parametrize("scheme", ["vault", "env", "file"])
def test_two_stores_for_one_scheme(errors: list[PluginError], scheme: str) -> None:
    """Neither another plugin's store nor a built-in one can be replaced."""
    first, second = Vault(), Vault(scheme)
    manager = create_plugin_manager([Stores(first), Stores(second), Connectors(TINY)])
    with pytest.raises(PluginError, match=f"The plugin 'Stores' brings a second secret store for '{scheme}'"):
        load_connectors(manager)
    stores = load_connectors(manager, report=errors.append)["tiny"].stores
    assert stores["vault"] is first
    assert second not in stores.values()
    assert len(errors) == 1


@pytest.mark.parametrize("store", [Vault, object(), "vault", SecretReference("a", "b")])
def test_what_is_no_store(store: Any) -> None:
    """A class instead of a store, and anything without a scheme and a way to read, is named at once, not at the first call."""
    with pytest.raises(PluginError, match="returned something else than a list of SecretStore"):
        load_connectors(create_plugin_manager([Stores(store)]))


# Secrets


def test_a_store_of_a_plugin_is_asked_for_its_own_references_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credential on the wire is the plugin's secret; a reference to another store never reaches it."""
    monkeypatch.setenv("TINY_KEY", "tiny-key-0123456789")
    vault = Vault()
    with (
        load_connectors(create_plugin_manager([Connectors(TINY), Stores(vault)]))["tiny"] as tiny,
        Recorder(reply()) as upstream,
    ):
        tiny.run("queryStyles", {}, tiny.connection({"server_url": upstream.url, "api_key": "vault:team/tiny#key"}))
        tiny.run("queryStyles", {}, tiny.connection({"server_url": upstream.url, "api_key": "env:TINY_KEY"}))
    assert [sent.header("X-Tiny-Key") for sent in upstream.requests] == ["from-the-vault-01", "tiny-key-0123456789"]
    assert vault.asked == [("vault:team/tiny#key", "tiny")]


@pytest.mark.parametrize("options", [{"wrapper": True}, {"hookwrapper": True}])
@pytest.mark.parametrize("hook", ["kosha_secret_stores", "kosha_connectors"])
def test_a_wrapper_is_refused(hook: str, options: dict[str, bool]) -> None:
    """X1: no plugin sees or changes what another one offers."""
    seen: list[Any] = []

    class Wrapper:
        @hookimpl(specname=hook, **options)  # type: ignore[call-overload,untyped-decorator,unused-ignore]
        def spy(self) -> Any:
            seen.append((yield))

    manager = create_plugin_manager([Stores(Vault())])
    with pytest.raises(PluginError, match=f"The plugin 'Wrapper' does not fit the hooks. A plugin wraps the hook {hook}, which none may"):
        create_plugin_manager([Stores(Vault()), Wrapper()])
    with pytest.raises(PluginError, match=f"A plugin wraps the hook {hook}"):
        manager.register(Wrapper())
    load_connectors(manager)
    assert seen == []


def test_a_wrapper_in_a_manager_of_the_hosts_own_sees_nothing() -> None:
    """X1: each plugin is asked by itself, so that even a manager which takes wrappers shows them nothing."""
    seen: list[Any] = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def kosha_secret_stores(self) -> Any:
            seen.append((yield))

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(Stores(Vault()))
    manager.register(Wrapper())
    with pytest.raises(PluginError, match="'Wrapper' returned something else"):
        load_connectors(manager)
    assert seen == []


# The hooks' own page


def hooks() -> dict[str, Any]:
    return {name: function for name, function in vars(hookspecs).items() if name.startswith("kosha_")}


def test_the_hooks_are_these() -> None:
    """The list changes only on purpose: a new hook is a promise to every plugin."""
    assert sorted(hooks()) == ["kosha_connectors", "kosha_secret_stores"]


@pytest.mark.parametrize("name", sorted(hooks()))
def test_every_hook_is_described_with_its_signature(root: Path, name: str) -> None:
    """docs/plugins.md has a heading with the exact signature of each hook."""
    signature = str(inspect.signature(hooks()[name])).replace("'", "")
    assert f"### `{name}{signature}`" in (root / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_no_hook_is_described_that_does_not_exist(root: Path) -> None:
    """The page has no heading of a hook that is gone."""
    lines = (root / "docs" / "plugins.md").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("### `").partition("(")[0] for line in lines if line.startswith("### `kosha_")} == set(hooks())


@pytest.mark.parametrize("name", sorted(hooks()))
def test_every_hook_says_when_what_and_how_many(name: str) -> None:
    """Its docstring says when it is called and what happens with several plugins."""
    text = inspect.getdoc(hooks()[name]) or ""
    assert "Called once" in text
    assert "Several plugins:" in text
