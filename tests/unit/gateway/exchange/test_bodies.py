"""Bodies under their limits: what is too large, too slow, compressed or cut is refused, and what passes is what came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kosha_connector_openai.gateway.exchange.bodies import BodyBudget, BodyReader, BodyRefused, ClientLeft, UploadStream, declared_length
from kosha_connector_openai.gateway.exchange.multipart_scan import Parts
from kosha_connector_openai.gateway.settings import ServiceLimits

FORM = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n--b--\r\n'


TAKE = BodyBudget(1024 * 1024).take


def reader(receive: Callable[[], Awaitable[Any]], limit: int, idle: float, seconds: float = 60) -> BodyReader:
    return BodyReader(receive, limit, ServiceLimits(body_idle=idle, body_seconds=seconds))


def sending(*pieces: bytes | str, pause: float = 0) -> Callable[[], Awaitable[Any]]:
    """``receive`` of an ASGI server: these pieces, then nothing for long; a text is the type of another message."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.sleep(60)
        await asyncio.sleep(pause)
        piece = left.pop(0)
        return {"type": piece} if isinstance(piece, str) else {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


async def test_a_whole_body_is_what_came() -> None:
    """In one piece or in many."""
    assert await reader(sending(b"ab"), 10, 1).whole(TAKE) == b"ab"
    assert await reader(sending(b"a", b"", b"b"), 10, 1).whole(TAKE) == b"ab"
    assert await reader(sending(b""), 10, 1).whole(TAKE) == b""


async def test_a_long_body_is_put_together_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its order, and not where all others would wait for it; a short one costs no thread."""
    sizes = []

    async def to_thread(work: Callable[[list[bytes]], bytes], pieces: list[bytes]) -> bytes:
        sizes.append(sum(map(len, pieces)))
        return work(pieces)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    pieces = [bytes([number]) * 65_536 for number in range(20)]
    assert await reader(sending(*pieces), 2**21, 1).whole(BodyBudget(2**21).take) == b"".join(pieces)
    assert await reader(sending(b"a", b"b"), 10, 1).whole(TAKE) == b"ab"
    assert sizes == [20 * 65_536]


@pytest.mark.parametrize(("pieces", "status"), [((b"a" * 6, b"b" * 6), 413), ((b"a", b"b"), 408)])
async def test_a_whole_body_has_limits(pieces: tuple[bytes, ...], status: int) -> None:
    """Of size and of time."""
    with pytest.raises(BodyRefused) as caught:
        await reader(sending(*pieces, pause=0 if status == 413 else 0.2), 10, 0.1).whole(TAKE)
    assert caught.value.refusal is not None
    assert caught.value.refusal.status == status


async def test_a_client_that_leaves_is_told_apart() -> None:
    """It gets no answer."""
    with pytest.raises(ClientLeft):
        await reader(sending(b"a", "http.disconnect"), 10, 1).whole(TAKE)


@pytest.mark.parametrize(
    ("headers", "length"),
    [({}, 0), ({b"content-length": b"3"}, 3), ({b"transfer-encoding": b"chunked"}, None), ({b"content-encoding": b"identity"}, 0)],
)
def test_announced_lengths(headers: dict[bytes, bytes], length: int | None) -> None:
    """A number, none at all, or nothing to come."""
    assert declared_length(headers) == length


@pytest.mark.parametrize(
    "headers",
    [{b"content-encoding": b"gzip"}, {b"content-encoding": b"identity, br"}, {b"content-length": b"1 2"}, {b"content-length": b"9" * 30}],
)
def test_what_cannot_be_bounded_is_refused(headers: dict[bytes, bytes]) -> None:
    """A compressed body, and a length that is no number."""
    with pytest.raises(BodyRefused):
        declared_length(headers)


async def read(upload: UploadStream) -> bytes:
    small = await upload.begin()
    return small if small is not None else b"".join([piece async for piece in upload.pieces()])


@pytest.mark.parametrize("size", [10, 300_000, 3_000_000])
async def test_an_upload_passes_to_the_byte(size: int) -> None:
    """Small ones whole, large ones as they come; it is over at the end."""
    body = FORM % (b"x" * size)
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    upload = UploadStream(reader(sending(*pieces), 10_000_000, 1), Parts(b"b"), ["a"])
    assert await read(upload) == body
    assert upload.received == len(body)
    assert upload.over.is_set()


@pytest.mark.parametrize(
    ("pieces", "required", "status"),
    [
        ((FORM % b"x",), ["z"], 400),
        ((b"--b\r\n\r\n",), [], 400),
        ((b"a" * 300_000, b"a" * 900_000), [], 413),
        ((b"a" * 300_000, b"a"), [], 400),
    ],
)
async def test_an_upload_is_refused(pieces: tuple[bytes, ...], required: list[str], status: int) -> None:
    """For a part that is missing, an end that is, or its size; the refusal is kept."""
    upload = UploadStream(reader(sending(*pieces), 1_000_000, 1), Parts(b"b"), required)
    with pytest.raises(BodyRefused):
        await read(upload)
    assert upload.refusal is not None
    assert upload.refusal.status == status
    assert upload.over.is_set()


async def test_an_upload_that_stops_or_whose_client_leaves() -> None:
    """408, or nothing to tell anyone."""
    slow = UploadStream(reader(sending(b"a", b"b", pause=0.2), 100, 0.05))
    with pytest.raises(BodyRefused):
        await read(slow)
    assert slow.refusal is not None
    left = UploadStream(reader(sending(b"a" * 300_000, "http.disconnect"), 1_000_000, 1))
    with pytest.raises(BodyRefused):
        await read(left)
    assert (left.refusal, left.left) == (None, True)


async def test_an_upload_that_nobody_wants_any_more_ends() -> None:
    """Its sender is stopped at the next piece."""
    upload = UploadStream(reader(sending(b"a" * 300_000, b"b", b"c"), 1_000_000, 1))
    assert await upload.begin() is None
    upload.stop()
    with pytest.raises(BodyRefused):
        _ = [piece async for piece in upload.pieces()]
    assert not upload.left


async def test_bodies_in_memory_are_bounded_together() -> None:
    """What one call has, another cannot; what is given back can be taken again."""
    store = BodyBudget(10)
    assert await reader(sending(b"abcdef"), 10, 1).whole(store.take) == b"abcdef"
    with pytest.raises(BodyRefused) as caught:
        await reader(sending(b"abcdef"), 10, 1).whole(store.take)
    assert caught.value.refusal is not None
    assert caught.value.refusal.status == 503
    store.give_back(6)
    await reader(sending(b"abcdef"), 10, 1).whole(store.take)


def test_one_token_has_half_of_the_room() -> None:
    """B13: it cannot take that of the others; one body has room in any case, and what is given back can be taken again."""
    store = BodyBudget(100)
    store.take(50, "a")
    with pytest.raises(BodyRefused) as refused:
        store.take(1, "a")
    assert refused.value.refusal is not None
    assert refused.value.refusal.status == 429
    store.take(50, "b")
    store.give_back(50, "a")
    store.take(50, "a")
    alone = BodyBudget(100, largest=90)
    alone.take(90, "a")
    store.give_back(50, "a")
    store.give_back(50, "b")
    assert (store.used, store._held) == (0, {})
