"""What is installed, built and deployed: exact packages by digest, floors without known holes, a base and an image that cannot move."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from hatch_build import sbom
from tools.floors import floors
from tools.lock import LOCKS

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
NAMES = [*LOCKS, "build"]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _lock(root: Path, name: str) -> str:
    return (root / "locks" / f"{name}.txt").read_text()


UNLOCKED = frozenset({"asyncpg", "pyarrow", "temporalio"})
"""In no lock of a single machine: large, and for files of one format, or in the lock ``bulk`` for the image of workers."""


@pytest.mark.parametrize("name", NAMES)
def test_b36_each_package_of_a_lock_has_digests_and_no_address(root: Path, name: str) -> None:
    """pip takes nothing else with ``--require-hashes``, and the lock binds nobody to an index."""
    text = _lock(root, name)
    entries = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(PINNED.findall(text)) > 3
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?://|file:|--index|--find-links|git\+|^-e |@ ", text, re.MULTILINE)


def test_b36_the_locks_agree_and_fit_the_project(root: Path) -> None:
    """The image and the wheel's list have the versions that the tests ran with, all within what the project allows."""
    locks = {name: set(PINNED.findall(_lock(root, name))) for name in NAMES}
    for name in ("gateway", "runtime", "build"):
        assert locks[name] <= locks["dev"], name
    names = {package for package, _ in locks["runtime"]}
    for floor in floors():
        package, least = floor.split("==")
        if package in UNLOCKED:
            continue
        found = [version for name, version in locks["runtime"] if name == re.sub("[-_.]+", "-", package).lower()]
        assert found, package
        assert min(map(_number, found)) >= _number(least), package
    assert {"httpx", "pyjwt", "uvicorn"} <= names


def test_b18_the_floors_have_no_known_holes() -> None:
    """PyJWT before 2.13 takes issuers that are a part of the right one; with uvicorn before 0.45 requests take no turns."""
    least = dict(floor.split("==") for floor in floors())
    for name, version in {"pyjwt": (2, 13), "aiohttp": (3, 13, 3), "httptools": (0, 7, 1), "uvicorn": (0, 45)}.items():
        assert _number(least[name]) >= version, name


def test_b18_an_issuer_that_is_a_part_of_ours_is_refused() -> None:
    """With the version that is installed, as with the lowest one (``make floors``)."""
    import jwt

    token = jwt.encode({"iss": "h", "aud": "a"}, "k" * 32, algorithm="HS256")
    for issuer in ("https://issuer.example", ["https://issuer.example"]):
        with pytest.raises(jwt.InvalidIssuerError):
            jwt.decode(token, "k" * 32, algorithms=["HS256"], issuer=issuer, audience="a")


def test_b36_the_wheels_list_of_packages_is_cyclonedx(root: Path) -> None:
    """It fits CycloneDX's own schema, names each locked package and each part of the studio's page once by its package URL, and is the
    same at every build."""
    lock = (root / "studio" / "package-lock.json").read_text()
    versions = {name: json.loads(lock)["packages"][f"node_modules/{name}"]["version"] for name in ("react", "@xyflow/react")}
    page = (lock, "".join(f"{name} {version}\n\nMIT\n" for name, version in versions.items()))
    text = sbom("kosha-connector-openai", "0.1.0", _lock(root, "runtime"), *page)
    assert text == sbom("kosha-connector-openai", "0.1.0", _lock(root, "runtime"), *page)
    found = json.loads(text)
    folder = resources.files("cyclonedx.schema._res")
    schemas = {name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text()) for name in ("bom-1.6", "spdx", "jsf-0.82")}
    known: list[tuple[str, Resource[Any]]] = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", Resource.from_contents(schema)) for name, schema in schemas.items()
    ]
    Draft7Validator(schemas["bom-1.6"], registry=Registry().with_resources(known)).validate(found)
    assert sorted(part["purl"] for part in found["components"]) == sorted(
        [
            *(f"pkg:pypi/{name}@{version}" for name, version in set(PINNED.findall(_lock(root, "runtime")))),
            f"pkg:npm/%40xyflow/react@{versions['@xyflow/react']}",
            f"pkg:npm/react@{versions['react']}",
        ]
    )


def test_b36_the_image_is_built_from_a_digest_and_the_lock(root: Path) -> None:
    """B36: no base by its tag, no package without its digest, and the same ignored files for both builders."""
    text = (root / "deploy" / "Containerfile").read_text()
    assert re.search(r"^ARG BASE$", text, re.MULTILINE)
    assert not re.search(r"^(ARG BASE=|FROM (?!\$\{BASE\}))", text, re.MULTILINE)
    installs = re.findall(r"pip[^\n]* install ([^\n\\&]*)", text)
    assert installs
    assert all("--require-hashes" in words or "--no-index" in words for words in installs)
    assert (root / ".dockerignore").read_text() == (root / ".containerignore").read_text()
    assert ".git" in (root / ".dockerignore").read_text().split()


def test_b36_what_is_deployed_cannot_move_and_reaches_little(root: Path) -> None:
    """An image by version, ends to memory and disk, egress to names and HTTPS alone, ingress from callers alone."""
    parts = list(yaml.safe_load_all((root / "deploy" / "kubernetes.yaml").read_text()))
    pod = next(part for part in parts if part["kind"] == "Deployment")["spec"]["template"]["spec"]
    for container in pod["containers"]:
        assert ":" in container["image"]
        assert not container["image"].endswith(":latest")
        assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
    policy = next(part for part in parts if part["kind"] == "NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443}
    assert all(rule["from"] for rule in policy["ingress"])
    blocks = [target["ipBlock"] for rule in policy["egress"] for target in rule["to"] if "ipBlock" in target]
    assert all("169.254.0.0/16" in block["except"] for block in blocks)


def test_b36_make_installs_from_the_lock(root: Path) -> None:
    """B36: make asks for digests."""
    text = (root / "Makefile").read_text()
    assert "LOCK ?= locks/dev.txt" in text
    assert "--require-hashes -r $(LOCK)" in text
