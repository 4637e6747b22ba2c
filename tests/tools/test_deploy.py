"""The manifests in deploy/: each can be read, and its commands have options that there are."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import typer
import yaml

from kosha_connector_openai.cli.bulk import run
from kosha_connector_openai.cli.bulk_worker import worker
from kosha_connector_openai.cli.exit_codes import ExitCode

FOLDER = Path(__file__).parent.parent.parent / "deploy"


def options_of(command: object) -> set[str]:
    app = typer.Typer()
    app.command()(command)  # type: ignore[type-var]
    return {name for each in typer.main.get_command(app).params for name in each.opts}


def test_launchers_give_options_that_there_are() -> None:
    """Every option that a manifest gives to `bulk run` or `bulk worker` is an option of that command."""
    known, seen = {"run": options_of(run), "worker": options_of(worker)}, set()
    for path in sorted(FOLDER.glob("bulk*")):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yaml":
            assert list(yaml.safe_load_all(text))
        for found in re.finditer(r"bulk,? (run|worker)\b(.*?)(?:\n\s*(?:env|secrets|services):|\n\"\"\"|\n\))", text, re.DOTALL):
            given = set(re.findall(r"(?<![\w-])--[a-z-]+", found[2]))
            seen |= given
            assert given - known[found[1]] == set(), path.name
    assert {"--share", "--ledger", "--go-on", "--temporal", "--on"} <= seen


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


ENDS = [int(code) for code in (ExitCode.USAGE, ExitCode.INPUT, ExitCode.UNKNOWN, ExitCode.DESCRIPTION, ExitCode.ENDED, ExitCode.BUDGET)]
"""Exit codes after which a launcher starts nothing again."""


def test_the_job_has_all_that_it_names_and_ends_where_a_run_ends() -> None:
    """Its shares, its pods and its indexes are as many; each mount has its volume, each key stands in the Secret."""
    secret, job = documents("bulk-job.yaml")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert f'/{spec["completions"]}"' in container["args"][0]
    assert spec["completions"] == spec["parallelism"] == spec["maxFailedIndexes"]
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == ENDS
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert container["env"][0]["valueFrom"]["secretKeyRef"]["key"] in secret["stringData"]
    assert "dsn" in secret["stringData"]


def test_the_workflow_of_argo_has_all_that_it_names_and_ends_where_a_run_ends() -> None:
    """The sequence has a number for each share, parameters and mounts are declared, and exit codes that end a run are not retried."""
    [workflow] = documents("bulk-argo.yaml")
    spec = workflow["spec"]
    templates = {each["name"]: each for each in spec["templates"]}
    [[step]] = templates[spec["entrypoint"]]["steps"]
    share = templates[step["template"]]
    sequence, container = step["withSequence"], share["container"]
    assert (sequence["start"], sequence["end"]) == ("1", str(spec["parallelism"]))
    assert f"{{{{inputs.parameters.number}}}}/{sequence['end']}" in container["args"]
    assert {each["name"] for each in share["inputs"]["parameters"]} == {each["name"] for each in step["arguments"]["parameters"]}
    assert [int(code) for code in re.findall(r"'(\d+)'", share["retryStrategy"]["expression"])] == ENDS
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_the_services_of_compose_have_all_that_they_name() -> None:
    """The services use every secret, config and volume that the file declares, and no other; they wait for services of the file."""
    [compose] = documents("bulk-compose.yaml")
    services = compose["services"]
    used: dict[str, set[str]] = {"secrets": set(), "configs": set(), "volumes": set()}
    for service in services.values():
        used["secrets"] |= set(service.get("secrets", ()))
        used["configs"] |= {each["source"] for each in service.get("configs", ())}
        used["volumes"] |= {each.partition(":")[0] for each in service.get("volumes", ())}
        assert set(service.get("depends_on", ())) <= set(services)
    assert used == {name: set(compose[name]) for name in used}
    assert "healthcheck" in services["postgres"]  # what the worker waits for


def test_the_tasks_of_airflow_are_all_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file run with stand-ins for the two classes that it takes from Airflow 3: one command for each share, as a shell reads it."""
    operator = MagicMock()
    modules = ("airflow", "airflow.sdk", "airflow.providers", "airflow.providers.standard", "airflow.providers.standard.operators")
    for name in (*modules, "airflow.providers.standard.operators.bash"):
        monkeypatch.setitem(sys.modules, name, MagicMock(DAG=MagicMock(), BashOperator=operator))
    found = runpy.run_path(str(FOLDER / "bulk_airflow.py"))
    commands = operator.partial.return_value.expand.call_args.kwargs["bash_command"]
    shares = [words[words.index("--share") + 1] for words in map(shlex.split, commands)]
    assert shares == [f"{number}/{found['SHARES']}" for number in range(1, found["SHARES"] + 1)]
    assert operator.partial.call_args.kwargs["retries"] > 0


@pytest.mark.e2e
def test_the_manifests_are_what_their_programs_take() -> None:
    """Against the schemas of Kubernetes, strictly, of compose files, and the model that Argo's own description makes."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed (make e2e installs it)")
    argo = pytest.importorskip("hera.workflows.models", reason="hera is not installed (make e2e installs it)")
    for name in ("kubernetes.yaml", "bulk-job.yaml"):
        for document in documents(name):
            kubernetes.validate(document, kubernetes.latest_version(), strict=True)
    argo.Workflow.model_validate(documents("bulk-argo.yaml")[0])
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FOLDER / "bulk-compose.yaml")]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
