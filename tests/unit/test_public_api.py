"""What is public, as lists."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kosha_connector_openai as package
from kosha_connector_openai import errors, flows
from kosha_connector_openai.core._moved import MOVED
from tools.docs import public_modules

ROOT = Path(__file__).parents[2]
MODULES = {module.__name__: module for module in public_modules()}
PUBLIC = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
NAMES = {
    "connector": "Action CallOptions Connection Connector Options Preview Result",
    "hookspecs": "PROJECT hookimpl hookspec kosha_connectors kosha_secret_stores",
    "plugin": "folder kosha_connectors",
    "plugins": "Found FolderPlugin GROUP create_plugin_manager installed_plugins load_connectors",
    "secrets": "Secret SecretCache SecretContext SecretReference SecretResolver SecretStore SecretStores check_secret",
    "secrets.stores": "ChainStore ComputedStore EnvironmentStore FailingStore FileStore KeyringStore Login MOUNTS SERVICE Scoped Token"
    " VaultStore default_stores",
    "testing": "SecretStoreContract",
}
"""The names of the smaller modules, which change only on purpose."""


def test_the_public_names_are_these() -> None:
    """The list changes only on purpose."""
    assert sorted(package.__all__) == [
        "CallOptions",
        "Connection",
        "Connector",
        "ConnectorError",
        "Event",
        "Fault",
        "Options",
        "Preview",
        "Record",
        "Result",
        "Secret",
        "__version__",
        "create_plugin_manager",
        "hookimpl",
        "load_connectors",
        "open_connector",
    ]


def test_the_public_flows_are_these() -> None:
    """The list changes only on purpose."""
    assert sorted(flows.__all__) == [
        "AsyncBulk",
        "AsyncJobs",
        "Bulk",
        "BulkResult",
        "FileJournal",
        "Flow",
        "Handle",
        "JobResult",
        "JobStore",
        "Jobs",
        "Listing",
        "Literal",
        "MemoryGuard",
        "OptionLists",
        "Pace",
        "Page",
        "Pager",
        "PagingOptions",
        "PickerOptions",
        "RowCheck",
        "RowOptions",
        "RunLimits",
        "RunProgress",
        "SendOptions",
        "Status",
        "TaskResult",
        "TemporalPlace",
        "TriggerEvent",
        "WaitOptions",
        "WorkflowResult",
        "apoll",
        "arun_task",
        "arun_workflow",
        "find_task",
        "list_tasks",
        "poll",
        "read_workflows",
        "run_task",
        "run_workflow",
        "search_catalog",
        "verify",
    ]


def test_every_error_can_be_caught_from_one_place() -> None:
    """``errors`` has each public class of the tree, those of flows too, and nothing else but what they hold."""
    tree = {
        name
        for name, item in vars(errors).items()
        if inspect.isclass(item) and issubclass(item, errors.ConnectorError) and not name.startswith("_")
    }
    assert sorted(errors.__all__) == sorted(tree | {"Fault"})


@pytest.mark.parametrize("module", NAMES)
def test_the_smaller_modules_offer_these(module: str) -> None:
    """The list changes only on purpose."""
    assert sorted(MODULES[f"{package.__name__}.{module}"].__all__) == sorted(NAMES[module].split())


def python_of(path: Path) -> list[str]:
    """The Python in a file: all of it, or the blocks of a page."""
    text = path.read_text(encoding="utf-8")
    return [text] if path.suffix == ".py" else re.findall(r"^```python.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "path",
    sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.py")]),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_pages_and_examples_import_public_names_only(path: Path) -> None:
    """Whoever copies from them depends on nothing that may change."""
    private = [
        f"{node.module}.{alias.name}"
        for block in python_of(path)
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package.__name__)
        for alias in node.names
        if alias.name not in getattr(MODULES.get(str(node.module)), "__all__", ())
    ]
    assert private == []


OLD = [
    ("core.connector", "Connector"),
    ("core.errors", "ConnectorError"),
    ("core.hookspecs", "hookimpl"),
    ("core.plugins", "installed_plugins"),
    ("core.testing", "SecretStoreContract"),
    ("core.connection.secret", "check_secret"),
    ("core.connection.store", "SecretStores"),
    ("core.connection.stores", "default_stores"),
    ("core.connection.stores.chain", "ChainStore"),
    ("core.connection.stores.computed", "ComputedStore"),
    ("core.connection.stores.scoped", "Scoped"),
    ("core.connection.stores.vault", "VaultStore"),
]


@pytest.mark.parametrize(("old", "name"), OLD, ids=[old for old, _ in OLD])
def test_an_old_path_leads_to_the_new_one(old: str, name: str) -> None:
    """In a fresh process: the name is the same object, and a warning names the new path; a slip is an AttributeError."""
    code = f"""
import importlib, warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    from {package.__name__}.{old} import {name}
assert {name} is getattr(importlib.import_module("{package.__name__}.{MOVED[old]}"), "{name}")
assert not hasattr(importlib.import_module("{package.__name__}.{old}"), "__nope__")
print([(w.category.__name__, str(w.message)) for w in told])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = f"{package.__name__}.{old} is now {package.__name__}.{MOVED[old]}."
    assert done.stdout.strip() == str([("DeprecationWarning", said)])


def test_every_old_path_is_tried() -> None:
    """The table and the list above have the same paths, and each leads to a public module."""
    assert {old for old, _ in OLD} == MOVED.keys()
    assert {f"{package.__name__}.{new}" for new in MOVED.values()} <= MODULES.keys()


@PUBLIC
def test_every_public_name_is_there(module: ModuleType) -> None:
    """Each listed name can be had, those that load late too, and the version is that of the installed package."""
    assert all(getattr(module, name) is not None for name in module.__all__)


@PUBLIC
def test_every_public_name_is_documented(module: ModuleType) -> None:
    """Each class and function says what one gets."""
    assert [name for name in module.__all__ if name != "__version__" and not getattr(module, name).__doc__] == []


@PUBLIC
def test_other_names_are_not_there(module: ModuleType) -> None:
    """A slip is an AttributeError as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'Jbos'"):
        _ = module.Jbos


def test_importing_flows_loads_no_flow() -> None:
    """A program that only pages pays for nothing else."""
    code = "import sys; from kosha_connector_openai.flows import Pager; print([n for n in sys.modules if '.flows.' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "flows.paging" in done.stdout
    assert [name for name in ("jobs", "tasks", "workflows", "triggers") if f"flows.{name}" in done.stdout] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Limits", "RunLimits"),
        ("PresetResult", "TaskResult"),
        ("arun_preset", "arun_task"),
        ("find_preset", "find_task"),
        ("list_presets", "list_tasks"),
        ("run_preset", "run_task"),
    ],
)
def test_the_names_of_version_0_1_give_what_their_successors_give(old: str, new: str) -> None:
    """They warn, are not listed, and go in 0.2."""
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(flows, old) is getattr(flows, new)
    assert old not in flows.__all__


def test_a_result_tells_its_task_by_the_name_of_version_0_1() -> None:
    """``TaskResult.preset`` warns and gives ``task``."""
    with pytest.warns(DeprecationWarning, match="task"):
        assert flows.TaskResult("ask", "yes").preset == "ask"
