"""R11: five times more calls than fit: what is taken is answered, what is not is turned away at once, and afterwards all is as before."""

from __future__ import annotations

import asyncio
import time

import httpx

from kosha_connector_openai.gateway.tokens import hash_token
from tests.recorder import Received, Recorder, Script, reply
from tests.service import whole

TOKENS = [f"kosha_overload-test-token-number-{number}" for number in range(3)]
LIMITS = {"calls": 4, "calls_total": 8, "queue": 50, "queue_seconds": 0.1}


def slow(seconds: float) -> Script:
    """The upstream takes its time."""

    def script(connection: object, request: Received) -> bool:
        time.sleep(seconds)
        return reply()(connection, request)  # type: ignore[arg-type]

    return script


async def test_overload_is_shed_and_forgotten():
    """No call is lost, failed or kept waiting; each token gets its share; `Retry-After` is a whole number of seconds."""
    tokens = [{"name": f"t{number}", "hash": hash_token(token), "tenant": "one"} for number, token in enumerate(TOKENS)]
    with Recorder(slow(0.2)) as upstream, whole(upstream.url, settings={"limits": LIMITS, "tokens": tokens}, tokens=False) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30, limits=httpx.Limits(max_connections=200)) as client:

            async def call(number: int) -> tuple[str, httpx.Response, float]:
                token = TOKENS[0] if number % 10 else TOKENS[1 + number // 10 % 2]
                started = time.monotonic()
                answer = await client.get("/v1/models", headers={"Authorization": f"Bearer {token}"})
                return token, answer, time.monotonic() - started

            found = await asyncio.gather(*map(call, range(120)))
            taken = [entry for entry in found if entry[1].status_code == 200]
            shed = [entry for entry in found if entry[1].status_code != 200]
            assert {entry[1].status_code for entry in shed} <= {429, 503}
            assert len(taken) >= 8
            assert len(shed) >= 40
            assert all(int(entry[1].headers["retry-after"]) >= 1 for entry in shed)
            assert {entry[0] for entry in taken} == set(TOKENS), "a busy token starves nobody"
            assert len(upstream.requests) == len(taken)
            assert gateway.service._admission.taken == {"call": 0, "stream": 0}
            assert gateway.service._admission.waiting == 0
            after = [await call(1) for _ in range(3)]
            assert all(entry[1].status_code == 200 for entry in after)
    assert 'status="429"' in gateway.service.metrics.expose()
