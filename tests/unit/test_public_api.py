"""What is public, as lists."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import kosha_connector_openai as package
from kosha_connector_openai import errors, flows

PUBLIC = pytest.mark.parametrize("module", [package, errors, flows], ids=lambda module: module.__name__)


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
        "AsyncJobs",
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
        "Page",
        "Pager",
        "PagingOptions",
        "PickerOptions",
        "RunLimits",
        "Status",
        "TaskResult",
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
