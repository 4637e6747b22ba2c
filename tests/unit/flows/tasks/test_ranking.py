"""Semantic search: batches, order, both forms of vectors, likeness, and answers that cannot be trusted."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpx import HTTPXMock

from kosha_connector_openai import CallOptions
from kosha_connector_openai.errors import MalformedReplyError, UnavailableError
from kosha_connector_openai.flows.tasks import TaskProgress
from kosha_connector_openai.flows.tasks.ranking import batches, hits
from kosha_connector_openai.manifest.parts.tasks import Rank
from tests.unit.flows.tasks.conftest import Run, sent

RULES = Rank(query="query", texts="texts", top="top", items=3, bytes=10, list="/data", index="/index", vector="/embedding")


def packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def answer(*vectors: Any, indices: Sequence[Any] | None = None) -> dict[str, Any]:
    numbers = range(len(vectors)) if indices is None else indices
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in zip(numbers, vectors, strict=True)]
    return {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=40))
def test_batches_hold_every_text_once_in_order(texts: list[str]) -> None:
    """Each within both limits, unless it is one text alone."""
    found = list(batches(texts, RULES))
    assert [text for batch in found for text in batch] == texts
    for batch in found:
        assert 1 <= len(batch) <= 3
        assert len(batch) == 1 or sum(len(text.encode()) for text in batch) <= 10


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(1, 40))
def test_hits_are_sorted_and_stable(scores: list[float], top: int) -> None:
    """The best first, equal ones in their order, at most as many as asked for."""
    texts = [f"t{index}" for index in range(len(scores))]
    found = hits(texts, scores, top)
    assert len(found) == min(top, len(scores))
    order = [(-scores[hit["index"]], hit["index"]) for hit in found]
    assert order == sorted(order)
    assert all(hit["text"] == texts[hit["index"]] for hit in found)


@pytest.mark.parametrize("form", [packed, list], ids=["base64", "numbers"])
def test_the_closest_comes_first(form: Any, run: Run, httpx_mock: HTTPXMock) -> None:
    """By the cosine, in both forms that servers send; the query and the texts go in one call."""
    httpx_mock.add_response(json=answer(form([1.0, 0.0]), form([0.0, 2.0]), form([3.0, 0.0]), form([-1.0, 0.0]), form([1.0, 1.0])))
    result = run("semantic-search", {"query": "q", "texts": ["across", "same", "against", "half"], "top": 3, "dimensions": 2})
    assert sent(httpx_mock) == [
        {
            "model": "text-embedding-3-small",
            "input": ["q", "across", "same", "against", "half"],
            "dimensions": 2,
            "encoding_format": "base64",
        }
    ]
    assert result.value == [
        {"index": 1, "score": 1.0, "text": "same"},
        {"index": 3, "score": 0.707107, "text": "half"},
        {"index": 0, "score": 0.0, "text": "across"},
    ]


def test_vectors_are_put_back_in_the_order_of_the_texts(run: Run, httpx_mock: HTTPXMock) -> None:
    """An answer may come in any order; its indices count."""
    httpx_mock.add_response(json=answer([0.0, 1.0], [1.0, 0.0], [1.0, 0.0], indices=[2, 0, 1]))
    result = run("semantic-search", {"query": "q", "texts": ["same", "other"]})
    assert [(hit["text"], hit["score"]) for hit in result.value] == [("same", 1.0), ("other", 0.0)]


def test_many_texts_go_in_batches(run: Run, httpx_mock: HTTPXMock) -> None:
    """More than one call holds: every text once, in order, the usage summed, the hit's place that among all."""

    def make(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["input"]
        return httpx.Response(200, json=answer(*([1.0, 0.0] if text in ("q", "needle") else [0.1, 1.0] for text in texts)))

    httpx_mock.add_callback(make, is_reusable=True)
    texts = [f"text {index}" for index in range(2_500)]
    texts[2_100] = "needle"
    seen: list[TaskProgress] = []
    result = run("semantic-search", {"query": "q", "texts": texts, "top": 1}, progress=seen.append)
    assert [(now.calls, now.done, now.total) for now in seen] == [(1, 1023, 2500), (2, 2047, 2500), (3, 2500, 2500)]
    bodies = sent(httpx_mock)
    assert [text for body in bodies for text in body["input"]] == ["q", *texts]
    assert (len(bodies), result.calls, result.usage["total_tokens"]) == (3, 3, 12)
    assert result.value == [{"index": 2_100, "score": 1.0, "text": "needle"}]


def test_a_rate_limit_of_a_later_batch_does_not_say_that_the_task_may_be_run_again(run: Run, httpx_mock: HTTPXMock) -> None:
    """The first batch was paid for; the rate limit of the first call alone says that nothing ran."""
    for replies in ([{"json": answer(*[[1.0, 0.0]] * 1_024)}, {"status_code": 429, "json": {}}], [{"status_code": 429, "json": {}}]):
        for each in replies:
            httpx_mock.add_response(**each)
        with pytest.raises(UnavailableError) as caught:
            run("semantic-search", {"query": "q", "texts": ["text"] * 1_500}, options=CallOptions(attempts=1))
        assert (caught.value.category, caught.value.ran) == ("rate_limit", len(replies) == 2)
        assert caught.value.retryable is (None if len(replies) == 2 else True)


@pytest.mark.parametrize(
    "reply",
    [
        answer([1.0], [1.0]),
        answer([1.0], [1.0], [1.0], [1.0]),
        answer([1.0], [1.0], [1.0], indices=[0, 1, 1]),
        answer([1.0], [1.0], [1.0], indices=[0, 1, 9]),
        answer([1.0], [1.0], [1.0, 2.0]),
        answer([1.0], [1.0], []),
        answer([1.0], [1.0], ["x"]),
        answer([1.0], [1.0], "%%%"),
        answer([1.0], [1.0], packed([float("nan")])),
        answer([1.0], [1.0], "AAA="),
        {"data": None},
        {},
    ],
    ids=["few", "many", "twice", "beyond", "sizes", "empty", "words", "no base64", "nan", "torn", "null", "nothing"],
)
def test_an_answer_that_cannot_be_trusted(reply: Any, run: Run, httpx_mock: HTTPXMock) -> None:
    """No hit is made up from vectors that are missing, double or unreadable."""
    httpx_mock.add_response(json=reply)
    with pytest.raises(MalformedReplyError):
        run("semantic-search", {"query": "q", "texts": ["a", "b"]})


def test_a_vector_of_zeros_is_like_nothing(run: Run, httpx_mock: HTTPXMock) -> None:
    """It has no direction, and divides nothing by zero."""
    httpx_mock.add_response(json=answer([1.0, 0.0], [0.0, 0.0]))
    assert run("semantic-search", {"query": "q", "texts": ["a"]}).value == [{"index": 0, "score": 0.0, "text": "a"}]
