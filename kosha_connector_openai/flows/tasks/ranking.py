"""Texts and a query -> vectors in batches -> hits by likeness. Vectors come as base64 (float32, little-endian) or as numbers."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from operator import mul
from typing import Any

from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import MalformedReplyError
from kosha_connector_openai.manifest.parts import Rank
from kosha_connector_openai.text import at

Vector = Sequence[float]


def batches(texts: Sequence[str], rules: Rank) -> Iterator[list[str]]:
    """The texts in their order, at most ``items`` and ``bytes`` of them together; one that is larger alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if batch and (len(batch) == rules.items or size + length > rules.bytes):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def vectors(result: Result, rules: Rank, count: int) -> list[Vector]:
    """The vectors of one answer in the order of the texts; raises MalformedReplyError where they are not one for each text."""
    entries = at(result.value, rules.list)
    found: dict[int, Vector] = {}
    for place, entry in enumerate(entries if isinstance(entries, list) else ()):
        index = at(entry, rules.index)
        number = index if isinstance(index, int) else place
        vector = _decoded(at(entry, rules.vector))
        if vector is None or number in found or not 0 <= number < count:
            raise _malformed(result, "The answer holds a vector that cannot be read, or two for one text.")
        found[number] = vector
    if len(found) != count:
        raise _malformed(result, f"The answer holds {len(found)} vectors for {count} texts.")
    return [found[number] for number in range(count)]


def _decoded(value: Any) -> Vector | None:
    if isinstance(value, str):
        try:
            vector = array("f", base64.b64decode(value, validate=True))
        except ValueError:
            return None
        if sys.byteorder == "big":
            vector.byteswap()
    elif isinstance(value, list) and all(isinstance(number, (int, float)) for number in value):
        vector = array("f", value)
    else:
        return None
    return vector if vector and all(map(math.isfinite, vector)) else None


def scores(query: Vector, others: Sequence[Vector], result: Result) -> list[float]:
    """The cosine of the query with each other vector; 0 for a vector of zeros. Raises MalformedReplyError where sizes differ."""
    if any(len(other) != len(query) for other in others):
        raise _malformed(result, "The answer holds vectors of several sizes.")
    length = _length(query)
    return [_ratio(sum(map(mul, query, other)), length * _length(other)) for other in others]


def _length(vector: Vector) -> float:
    return math.sqrt(sum(map(mul, vector, vector)))


def _ratio(product: float, lengths: float) -> float:
    return max(-1.0, min(1.0, product / lengths)) if lengths else 0.0


def hits(texts: Sequence[str], found: Sequence[float], top: int) -> list[dict[str, Any]]:
    """The most alike texts first, each with its place among the texts; equal ones in their order."""
    order = sorted(range(len(texts)), key=lambda index: -found[index])[:top]
    return [{"index": index, "score": round(found[index], 6), "text": texts[index]} for index in order]


def _malformed(result: Result, message: str) -> MalformedReplyError:
    return MalformedReplyError(message, status=result.status, request_id=result.request_id)
