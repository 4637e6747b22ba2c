"""What objects do beyond being kept: batches run, parts are joined, files are searched. Named by the behaviour's data.

With ``facts`` the sandbox's only Python that knows one provider: its paths, its objects and their fields.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from kosha_connector_openai.sandbox.error_replies import RequestFailure
from kosha_connector_openai.sandbox.facts import AnswerFacts
from kosha_connector_openai.sandbox.limits import EnforcedLimits
from kosha_connector_openai.sandbox.message import Blob
from kosha_connector_openai.sandbox.store import Item, ObjectStore

FILES = "/v1/files"
_CHUNK = 800
_ASKED = {"type": "input_text"}
_SAID = {"type": "output_text", "annotations": [], "logprobs": []}
_STATES = ("in_progress", "completed", "failed", "cancelled")


class SandboxState(Protocol):
    """The store and the resources, as behaviours use them."""

    store: ObjectStore
    any_id: bool
    limits: EnforcedLimits

    def add(
        self, collection: str, values: Mapping[str, str], made: dict[str, Any], facts: AnswerFacts, content: Blob | None = None
    ) -> Item:
        """Remembers an object."""


def check_batch(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """A batch whose file is missing, or has a ``custom_id`` twice, or does not fit into the queue, fails before a line of it is run."""
    source = _file(state, item.object.get("input_file_id"))
    if source is None or source.content is None:
        missing = {"code": "invalid_file", "message": "The input file does not exist.", "param": "input_file_id", "line": None}
        _refuse(item, [missing], facts)
        return
    found = state.store.collection(path.rpartition("/")[0]).values()
    others = (each for each in found if each is not item and not each.ended and item.status in each.history)
    sizes = [len(file.content) for each in others if (file := _file(state, each.object.get("input_file_id"))) and file.content]
    if not state.limits.queues(len(source.content), sum(sizes)):
        message = "Enqueued token limit reached. Please try again once some in_progress batches have been completed."
        _refuse(item, [{"code": "token_limit_exceeded", "message": message, "param": None, "line": None}], facts)
        return
    seen: set[Any] = set()
    double = []
    for number, name in enumerate(map(_custom_id, bytes(source.content).splitlines()), 1):
        if name is not None and name in seen:
            message = f"The custom_id '{name}' is used more than once."
            double.append({"code": "duplicate_custom_id", "message": message, "param": "custom_id", "line": number})
        seen.add(name)
    if double:
        _refuse(item, double, facts)


def _refuse(item: Item, errors: list[dict[str, Any]], facts: AnswerFacts) -> None:
    item.history.pop()
    item.enter(["failed"], facts.get("now"))
    item.object["errors"] = {"object": "list", "data": errors}


def _custom_id(line: bytes) -> str | None:
    try:
        name = json.loads(line)["custom_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def run_batch(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """Answers the lines of the input file: all, or those before it expires; of a batch that was cancelled or set to expire the first
    half. What failed or was not run stands in a file of errors."""
    source = _file(state, item.object.get("input_file_id"))
    if source is None or source.content is None or "in_progress" not in item.history:
        return
    lines = [line for line in bytes(source.content).splitlines() if line.strip()]
    most = state.limits.runs(len(lines) if item.status == "completed" else len(lines) // 2)
    ran = [_run_line(line, number, facts) for number, line in enumerate(lines[:most], 1)]
    left = [] if item.status == "cancelled" else [_expired(line, number, facts) for number, line in enumerate(lines[most:], most + 1)]
    if left and item.status == "completed":
        item.history.pop()
        item.object.pop("completed_at", None)
        item.enter(["expired"], facts.get("now"))
    good = [line for line in ran if line["response"]["status_code"] < 400]  # noqa: PLR2004 - RFC 9110, section 15
    bad = [line for line in ran if line["response"]["status_code"] >= 400]  # noqa: PLR2004 - RFC 9110, section 15
    item.early = {}
    for name, found in (("output", good), ("error", bad + left)):
        item.object.pop(f"{name}_file_id", None)
        if found:
            data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in found)
            made = _new_file(state, facts, f"{path.rpartition('/')[2]}_{name}.jsonl", "batch_output", Blob.of(data))
            item.object[f"{name}_file_id"] = made["id"]
    item.object["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}


def _expired(line: bytes, number: int, facts: AnswerFacts) -> dict[str, Any]:
    error = {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."}
    return {"id": f"batch_req_{facts.get('number')}_{number}", "custom_id": _custom_id(line), "response": None, "error": error}


def _run_line(line: bytes, number: int, facts: AnswerFacts) -> dict[str, Any]:
    call = facts.get("call")
    try:
        wanted = json.loads(line)
        status, body = call(wanted["method"], wanted["url"], wanted.get("body", {}))
        name = wanted["custom_id"]
    except (ValueError, KeyError, TypeError):
        name, status, body = None, 400, {"error": {"message": f"Line {number} is not a request.", "type": "invalid_request_error"}}
    request_id = f"{facts.get('request_id')}_{number}"
    response = {"status_code": status, "request_id": request_id, "body": body}
    return {"id": f"batch_req_{facts.get('number')}_{number}", "custom_id": name, "response": response, "error": None}


def join_parts(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """The parts in the order asked for become one file; their bytes and MD5 must be as announced, unless parts may be missing."""
    parts = state.store.collection(f"{path}/parts")
    names = [name for name in facts.ask("/part_ids", []) if name in parts or not state.any_id]
    if any(name not in parts for name in names):
        raise RequestFailure("bad_parts", reason="A part does not exist.", param="part_ids")
    data = b"".join(bytes(content) for name in names if (content := parts[name].content))
    wanted = facts.ask("/md5")
    if len(data) != item.object.get("bytes", 0) and not state.any_id:
        raise RequestFailure("bad_parts", reason=f"The parts have {len(data)} bytes, not {item.object.get('bytes')}.", param="bytes")
    if wanted is not None and not state.any_id and wanted != hashlib.md5(data, usedforsecurity=False).hexdigest():
        raise RequestFailure("bad_parts", reason="The MD5 checksum does not match.", param="md5")
    purpose = item.object.get("purpose", "user_data")
    item.object["file"] = _new_file(state, facts, item.object.get("filename", "upload"), purpose, Blob.of(data))


def add_files(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """The files that a request names are put into the vector store."""
    store = path.partition("/file_batches/")[0].rpartition("/")[2]
    named = [file for file in facts.ask("/files", []) if isinstance(file, Mapping)]
    names = [*facts.ask("/file_ids", []), *(file["file_id"] for file in named)]
    attributes = {file["file_id"]: file.get("attributes") for file in named}
    for name in names:
        made = {"id": name, "created_at": facts.get("now"), "vector_store_id": store, "last_error": None, "usage_bytes": 0}
        shared = attributes.get(name) or facts.ask("/attributes")
        state.add("/v1/vector_stores/{vector_store_id}/files", {"vector_store_id": store},
                made | ({"attributes": shared} if shared else {}), facts)  # fmt: skip


def tally_files(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """A vector store's counts, size and status from its files."""
    files = state.store.collection(f"{path}/files")
    item.object["file_counts"] = _counts(files.values())
    item.object["usage_bytes"] = sum(file.object.get("usage_bytes", 0) for file in files.values())
    item.object["status"] = "in_progress" if item.object["file_counts"]["in_progress"] else "completed"


def tally_batch(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """A batch's counts; when it has ended its files have too."""
    files = batch_items(state, path)
    for file in files if item.ended else ():
        file.enter(["completed" if item.status == "completed" else "cancelled"], facts.get("now"))
        measure_file(state, file, "", facts)
    item.object["file_counts"] = _counts(files)


def batch_items(state: SandboxState, path: str) -> list[Item]:
    """The files of a batch in a vector store."""
    store, _, _ = path.partition("/file_batches/")
    batch = state.store.find(path)
    inputs = batch.inputs if batch else {}
    names = [*(inputs.get("file_ids") or ()), *(file["file_id"] for file in inputs.get("files") or ())]
    files = state.store.collection(f"{store}/files")
    return [files[name] for name in names if name in files]


def measure_file(state: SandboxState, item: Item, path: str, facts: AnswerFacts) -> None:
    """A file in a vector store takes the space of its bytes."""
    source = _file(state, item.object.get("id"))
    item.object["usage_bytes"] = len(source.content) if source and source.content else 0


def chunks(state: SandboxState, name: str) -> list[str]:
    """A file's text in pieces of whole words."""
    source = _file(state, name)
    text = bytes(source.content).decode("utf-8", "replace") if source and source.content else ""
    found = [""]
    for word in re.findall(r"\S+\s*", text):
        if len(found[-1]) + len(word) > _CHUNK:
            found.append("")
        found[-1] += word
    return [piece.strip() for piece in found if piece.strip()]


def hits(state: SandboxState, path: str, facts: AnswerFacts) -> list[dict[str, Any]]:
    """The pieces of a vector store's files that share words with the query, best first."""
    asked = set(re.findall(r"\w+", " ".join(facts.get("queries")).lower()))
    found = [hit for name, file in state.store.collection(f"{path}/files").items() for hit in _scored(state, name, file, asked)]
    found.sort(key=lambda hit: -hit["score"])
    return found[: int(facts.ask("/max_num_results", 10))]


def _scored(state: SandboxState, name: str, file: Item, asked: set[str]) -> Iterator[dict[str, Any]]:
    source = _file(state, name)
    title = source.object.get("filename", name) if source else name
    for piece in chunks(state, name):
        shared = len(asked & set(re.findall(r"\w+", piece.lower())))
        if shared:
            yield {
                "file_id": name,
                "filename": title,
                "score": round(shared / len(asked), 6),
                "attributes": file.object.get("attributes"),
                "content": [{"type": "text", "text": piece}],
            }


def inputs_of(item: Item) -> list[dict[str, Any]]:
    """The messages of a stored request, oldest first, each with an id."""
    given = item.inputs.get("input", [])
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    found = []
    for index, message in enumerate(messages):
        if "role" not in message:
            continue
        content = message["content"]
        shape = _SAID if message["role"] == "assistant" else _ASKED
        parts = [{**shape, "text": content}] if isinstance(content, str) else content
        head = {"id": f"msg_{index:06d}", "type": "message", "role": message["role"], "status": "completed"}
        found.append({**head, "content": parts})
    return found


def _counts(files: Any) -> dict[str, int]:
    states = [file.status for file in files]
    return {**{state: states.count(state) for state in _STATES}, "total": len(states)}


def _file(state: SandboxState, name: Any) -> Item | None:
    return state.store.find(f"{FILES}/{name}")


def _new_file(state: SandboxState, facts: AnswerFacts, filename: str, purpose: str, content: Blob) -> dict[str, Any]:
    name = f"file-{facts.get('number')}-{len(state.store.collection(FILES))}"
    made = {"id": name, "bytes": len(content), "created_at": facts.get("now"), "filename": filename}
    made |= {"purpose": purpose, "status": "processed"}
    return state.add(FILES, {}, made, facts, content).view()


Behaviour = Callable[[Any, Item, str, AnswerFacts], None]
BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "add_files": add_files,
    "check_batch": check_batch,
    "join_parts": join_parts,
    "measure_file": measure_file,
    "run_batch": run_batch,
    "tally_batch": tally_batch,
    "tally_files": tally_files,
}
