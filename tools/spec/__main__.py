"""`python -m tools.spec --from SOURCE [SOURCE] [--out openapi.json] [--draft]`: make openapi.json, and say what changed in it.

A source is the vendor's description (JSON), or its Python client: `openai==3.57.0`, `openai`, an archive, or a folder. A description
with a client beside it is merged with that first. A client alone gives its facts, and no openapi.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kosha_connector_openai.openapi import read_document
from kosha_connector_openai.openapi.diff import compare_documents, to_text
from kosha_connector_openai.sdk.fault import PackageError, SourceFault
from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.sdk.package import is_client, read_package
from kosha_connector_openai.sdk.reader import ids_by_place, read_client
from tools.spec.document import Build, build
from tools.spec.merging import RULES, merge, read_sides
from tools.spec.source import PATH_PREFIX, Source, read_source, source_of

FACTS = Path("build")


@dataclass
class Given:
    """The sources of one run: what openapi.json is made of, if anything, and why it is not whole."""

    source: Source | None = None
    problems: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Write the document; 1 and a list on stderr when texts are missing or stale (nothing written) or a source cannot be read whole."""
    parser = argparse.ArgumentParser(prog="python -m tools.spec", description=__doc__)
    parser.add_argument("--from", dest="sources", nargs="+", required=True, help="a description (JSON), a client, or both")
    parser.add_argument("--out", type=Path, default=Path("openapi.json"))
    parser.add_argument("--facts", type=Path, default=FACTS, help="the folder for the facts of a client and of a merge")
    parser.add_argument("--draft", action="store_true", help="write even though texts are missing or stale")
    asked = parser.parse_args(arguments)
    try:
        given = _read(asked.sources, asked.facts, asked.out)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    for problem in given.problems:
        print(problem, file=sys.stderr)
    written = _write(given.source, asked.out, draft=asked.draft) if given.source else True
    return 0 if written and not given.problems else 1


def _read(sources: list[str], facts: Path, out: Path) -> Given:
    """The description alone, the client alone, or both merged; raises `PackageError` for any other set."""
    clients = [source for source in sources if is_client(source, RULES.package)]
    descriptions = [source for source in sources if source not in clients]
    if len(clients) > 1 or len(descriptions) > 1:
        raise PackageError("give one description, one client, or one of each")
    if not clients:
        return Given(read_source(Path(descriptions[0])))
    if not descriptions:
        return _client_facts(clients[0], facts, out)
    return _merged(Path(descriptions[0]), clients[0], facts)


def _client_facts(client: str, facts: Path, out: Path) -> Given:
    """The facts of a client in a file; ids are those of openapi.json where that has the operation."""
    ids = ids_by_place(json.loads(out.read_text(encoding="utf-8")), PATH_PREFIX) if out.exists() else {}
    reading = read_client(read_package(client, RULES.package), RULES, ids)
    info = reading.document["info"]
    _save(facts / f"{info['title']}-{info['version']}.json", reading.document)
    return Given(problems=_faults(reading.faults))


def _merged(description: Path, client: str, facts: Path) -> Given:
    """The merged description, which is saved with the list of all differences."""
    raw = description.read_bytes()
    document: Node = json.loads(raw)
    reading = read_client(read_package(client, RULES.package), RULES, ids_by_place(document))
    merged = merge(document, reading.document, read_sides())
    _save(facts / "merged.json", merged.document)
    (facts / "differences.txt").write_text(merged.report(), encoding="utf-8")
    print(merged.summary())
    undecided = [f"no side is right in sides.yaml: {difference}" for difference in merged.undecided]
    source = source_of(merged.document, hashlib.sha256(raw).hexdigest(), reading.document["x-kosha-source"])
    return Given(source, [*_faults(reading.faults), *undecided])


def _faults(faults: list[SourceFault]) -> list[str]:
    return [str(fault) for fault in faults]


def _save(path: Path, document: Node) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(document), encoding="utf-8")
    print(f"{path}: {_counts(document)}")


def _write(source: Source, out: Path, *, draft: bool) -> bool:
    """Write openapi.json and say what changed in it; False and nothing written where texts are missing or stale."""
    built = build(source)
    problems = built.problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems and not draft:
        print(f"{len(problems)} problems; nothing written", file=sys.stderr)
        return False
    before = read_document(out) if out.exists() else None
    out.write_text(as_text(built.document), encoding="utf-8")
    print(f"{out}: {_counts(built.document)}, {_texts(built)}")
    if before:
        print(to_text(compare_documents(before, read_document(out))))
    return True


def _counts(document: Node) -> str:
    operations = sum(len(item) for item in document["paths"].values())
    return f"{operations} operations, {len(document['components']['schemas'])} schemas"


def _texts(built: Build) -> str:
    return f"{built.texts.placed} texts"


def as_text(document: Node) -> str:
    """The document as it is committed: one key a line, so that a change reads as a diff."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
