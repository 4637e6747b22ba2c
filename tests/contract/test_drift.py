"""Our description against the two published ones: what a caller of either meets here, and that every difference is meant.

The published descriptions stand beside the repository; where they are not at hand, these tests are skipped.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest

from kosha_connector_openai.openapi.diff import DiffReport, compare_documents, judge, read_intended, to_json, to_markdown, to_text
from kosha_connector_openai.openapi.document import Document, read_document
from kosha_connector_openai.sdk.package import read_package
from kosha_connector_openai.sdk.reader import ids_by_place, read_client
from tools.spec.merging import RULES, merge, read_sides

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "specs"
SECONDS = 20.0
"""What comparing 388 operations may take."""


def published(name: str) -> Document:
    """A published description; the test is skipped where it is not at hand."""
    if not (SHARED / name).exists():
        pytest.skip("the published description is not at hand")
    return read_document(SHARED / name)


@pytest.fixture(scope="module")
def ours() -> Document:
    """The description that is committed."""
    return read_document(ROOT / "openapi.json")


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The published description and the client that is installed for the tests, as one; skipped where they are not those of ours."""
    description = dict(published("openai-2.3.0-oas31.json").root)
    version = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["x-kosha-source"]["client"]["version"]
    if metadata.version("openai") != version:
        pytest.skip(f"the client {version} is not installed")
    client = read_client(
        read_package(str(metadata.distribution("openai").locate_file("openai")), RULES.package), RULES, ids_by_place(description)
    )
    path = tmp_path_factory.mktemp("merged") / "merged.json"
    path.write_text(json.dumps(merge(description, client.document, read_sides()).document), encoding="utf-8")
    return read_document(path)


@pytest.fixture(scope="module")
def original(ours: Document) -> DiffReport:
    """From the 24 operations of the first connector to ours."""
    return compare_documents(published("kosha-openai-24ops-oas30.json"), ours)


@pytest.fixture(scope="module")
def timed(ours: Document, merged: Document) -> tuple[DiffReport, float]:
    """From the vendor's description and its client, as one, to ours; and the processor's seconds that it took."""
    start = time.process_time()
    return compare_documents(merged, ours), time.process_time() - start


@pytest.fixture(scope="module")
def vendor(timed: tuple[DiffReport, float]) -> DiffReport:
    """The same report."""
    return timed[0]


def test_every_difference_from_the_vendor_is_intended(vendor: DiffReport) -> None:
    """Each change is explained by an entry of tools/spec/intended.yaml, and each entry explains one."""
    judged = judge(vendor, read_intended(ROOT / "tools" / "spec" / "intended.yaml"))
    assert judged.unexplained.changes == ()
    assert judged.stale == ()


def test_no_operation_of_the_vendor_is_missing_moved_or_renamed(vendor: DiffReport) -> None:
    """All 388 are there under their ids, methods and paths, /v1 aside; seven more are those that it has shut down."""
    kinds = Counter(change.kind for change in vendor.changes)
    assert (vendor.operations_before, vendor.operations_after, vendor.prefix) == (388, 395, "/v1")
    assert (kinds["operation-removed"], kinds["operation-moved"], kinds["operation-renamed"], kinds["operation-added"]) == (0, 0, 0, 7)


def test_nothing_of_the_vendor_was_too_deep(vendor: DiffReport) -> None:
    """Every schema was compared to its end."""
    assert [change for change in vendor.changes if change.kind == "not-compared"] == []


def test_no_operation_of_the_original_is_missing_moved_or_renamed(original: DiffReport) -> None:
    """All 24 are there under their ids, methods and paths."""
    kinds = Counter(change.kind for change in original.changes)
    assert (original.operations_before, original.prefix) == (24, "")
    assert (kinds["operation-removed"], kinds["operation-moved"], kinds["operation-renamed"], kinds["operation-added"]) == (0, 0, 0, 371)


def test_no_field_of_the_original_is_gone(original: DiffReport) -> None:
    """Whatever its callers fill in or read has a field here; only an answer that never was JSON has another media type."""
    gone = [(change.operation, change.where) for change in original.changes if change.kind in ("field-removed", "media-type-removed")]
    assert gone == [("downloadFile", "response.200.application/json")]


BREAKING = [
    ("createCompletion", "request.body.application/json/prompt", "now-required"),
    ("createCompletion", "request.body.application/json/logit_bias/*", "type-removed"),
    ("createChatCompletion", "request.body.application/json/logit_bias/*", "type-removed"),
    ("createChatCompletion", "response.200.application/json/choices/items/message/content", "null-added"),
    ("createImage", "response.200.application/json/data", "now-optional"),
    ("createImageEdit", "response.200.application/json/data", "now-optional"),
    ("createImageVariation", "response.200.application/json/data", "now-optional"),
    ("createEmbedding", "request.body.application/json/input/(array of string)", "limit-tightened"),
    ("createEmbedding", "request.body.application/json/input/(array of string)", "limit-tightened"),
    ("createEmbedding", "request.body.application/json/input/(array of number)", "limit-tightened"),
    ("createEmbedding", "request.body.application/json/input/(array of array)", "limit-tightened"),
    ("createTranscription", "request.body.multipart/form-data/response_format", "values-closed"),
    ("createTranscription", "response.200.application/json", "branch-added"),
    ("createTranscription", "response.200.application/json", "branch-added"),
    ("createTranslation", "request.body.multipart/form-data/response_format", "values-closed"),
    ("createTranslation", "response.200.application/json", "branch-added"),
    ("listFiles", "response.200.application/json/data/items/status_details", "type-changed"),
    ("createFile", "request.body.multipart/form-data/purpose", "values-closed"),
    ("createFile", "response.200.application/json/status_details", "type-changed"),
    ("retrieveFile", "response.200.application/json/status_details", "type-changed"),
    ("downloadFile", "response.200.application/json", "media-type-removed"),
]


def test_what_breaks_callers_of_the_original_is_known(original: DiffReport) -> None:
    """The credential apart, which it does not describe: the places where the service of today asks or answers otherwise."""
    found = [(c.operation, c.where, c.kind) for c in original.changes if c.verdict == "breaking" and c.kind != "credential-changed"]
    assert found == BREAKING


def test_the_way_back_has_as_many_operations(ours: Document) -> None:
    """Comparing the other way round, what was new is gone."""
    back = compare_documents(ours, published("kosha-openai-24ops-oas30.json"))
    assert Counter(change.kind for change in back.changes)["operation-removed"] == 371


def test_comparing_the_largest_descriptions_is_quick(timed: tuple[DiffReport, float]) -> None:
    """388 operations in under 20 seconds, on two shared cores."""
    assert timed[1] < SECONDS


def test_the_reports_can_be_shown(vendor: DiffReport, original: DiffReport) -> None:
    """Text, JSON and Markdown name the same number of changes."""
    for report in (vendor, original):
        assert len(to_json(report)["changes"]) == len(report.changes)
        assert sum(line.startswith("  ") for line in to_text(report).splitlines()) == len(report.changes)
        assert sum(
            line.startswith("| ") and "| Verdict" not in line and "| ---" not in line for line in to_markdown(report).splitlines()
        ) == len(report.changes)


def test_ours_does_not_differ_from_itself(ours: Document) -> None:
    """No operation, parameter or schema of ours is taken for another."""
    assert compare_documents(ours, ours).changes == ()
