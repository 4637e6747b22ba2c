"""`python -m tools.spec --from FILE [--out openapi.json] [--draft]`: make openapi.json, and say what changed in it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kosha_connector_openai.openapi import read_document
from kosha_connector_openai.openapi.diff import compare_documents, to_text
from tools.spec.document import Build, build
from tools.spec.node import Node
from tools.spec.source import read_source


def main(arguments: list[str] | None = None) -> int:
    """Write the document; 1 and a list on stderr, nothing written, when texts are missing or stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.spec", description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="the vendor's description (JSON)")
    parser.add_argument("--out", type=Path, default=Path("openapi.json"))
    parser.add_argument("--draft", action="store_true", help="write even though texts are missing or stale")
    given = parser.parse_args(arguments)
    built = build(read_source(given.source))
    problems = built.problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems and not given.draft:
        print(f"{len(problems)} problems; nothing written", file=sys.stderr)
        return 1
    before = read_document(given.out) if given.out.exists() else None
    given.out.write_text(as_text(built.document), encoding="utf-8")
    print(f"{given.out}: {_counts(built)}")
    if before:
        print(to_text(compare_documents(before, read_document(given.out))))
    return 0


def _counts(built: Build) -> str:
    operations = sum(len(item) for item in built.document["paths"].values())
    schemas = len(built.document["components"]["schemas"])
    return f"{operations} operations, {schemas} schemas, {built.texts.placed} texts"


def as_text(document: Node) -> str:
    """The document as it is committed: one key a line, so that a change reads as a diff."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
