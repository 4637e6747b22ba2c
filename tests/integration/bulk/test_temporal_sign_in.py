"""Temporal behind TLS, as its cloud is: runs go through with a client's certificate and a key, and each way to be kept out is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.bulk.site import CANARY, Site, found_in
from tests.integration.bulk.test_workflow_on_temporal import begun, document
from tests.running_servers import Temporal
from tests.threats.certificates import Authority
from tests.unit.flows.bulk.conftest import Upstream

tls_gate = pytest.importorskip("tests.integration.bulk.tls_gate", reason="hpack is not installed (make e2e installs it)")
pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("dsn")]
CLOUD_KEY = "cloud-key-of-tests-9b2e71"
HEADER = "header-of-tests-4c0d"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "tls").mkdir(mode=0o700)
    return Authority.make(tmp_path / "tls")


@pytest.fixture
def auth(authority: Authority, monkeypatch: Any) -> dict[str, str]:
    """The options, each under its name."""
    monkeypatch.setenv("CLOUD_KEY", CLOUD_KEY)
    monkeypatch.setenv("CLOUD_HEADER", HEADER)
    cert, key = authority.client("worker")
    files = {"tls-ca": authority.file, "tls-cert": cert, "tls-key": key}
    return {**{name: f"file:{path}" for name, path in files.items()}, "api-key": "env:CLOUD_KEY", "header.x-tenant": "env:CLOUD_HEADER"}


def words(auth: dict[str, str], *left_out: str) -> list[str]:
    given = [f"{name}={value}" for name, value in auth.items() if name not in left_out]
    return [word for line in given for word in ("--temporal-sign-in", line)]


def test_runs_go_through_and_leave_no_secret(server: str, tmp_path: Path, authority: Authority, auth: dict[str, str]) -> None:
    """Rows and a workflow, with a certificate, a key and a header; the key is in each RPC and in nothing that is kept or said."""
    with (
        Temporal(tmp_path) as temporal,
        tls_gate.TlsGate(authority.demanding("good"), temporal.port) as gate,
        Upstream() as upstream,
        Site(tmp_path, server, upstream, temporal, 60, span=20) as site,
    ):
        site.engine = ["--on", "temporal", "--temporal", gate.address, *words(auth)]
        site.worker()
        run = site.run()
        told = site.result(run, 90)
        assert (told["done"], told["code"]) == (60, 0)
        site.begin("workflow", "worker", "--ledger", "env:LEDGER_DSN", *site.engine)
        steps = site.result(begun(site, document(tmp_path, 2), "behind-tls"), 90)
        assert steps["outcome"] == "succeeded"
        assert {("authorization", f"Bearer {CLOUD_KEY}"), ("x-tenant", HEADER)} <= gate.metadata
        kept = site.out.with_name("out.jsonl.ledger").read_text()
        said = f"{told}{steps}{kept}"
        assert [word for word in (CLOUD_KEY, HEADER) if word in said] == []
        assert found_in(temporal.file, [CANARY, CLOUD_KEY, HEADER]) == []
        refused = site.begin("bulk", "cancel", str(site.out)).communicate(timeout=60)[1]
        assert "--temporal-sign-in" in refused.replace("\n", " ")


def test_each_way_to_be_kept_out_is_told(server: str, tmp_path: Path, authority: Authority, auth: dict[str, str]) -> None:
    """No certificate, an authority that is not ours, another name, no TLS at all, a key that is refused, a namespace that is not there."""
    stranger = {**auth, "tls-ca": f"file:{authority.folder / 'stranger.pem'}"}
    with (
        Temporal(tmp_path) as temporal,
        tls_gate.TlsGate(authority.demanding("good"), temporal.port) as gate,
        tls_gate.TlsGate(authority.demanding("good"), None) as closed,
        Upstream() as upstream,
        Site(tmp_path, server, upstream, temporal, 2) as site,
    ):
        wrong = []
        either = ("closes the connection", "does not agree on TLS")  # by the version of temporalio
        for place, given, *signs in (
            (gate.address, words(auth, "tls-cert", "tls-key"), *either),
            (gate.address, words(stranger), "does not agree on TLS"),
            (gate.address, words({**auth, "tls-name": "other.example"}), "does not agree on TLS"),
            (gate.address, [], *either),
            (closed.address, words(auth), "does not let this client into default"),
            (f"{gate.address}/nowhere", words(auth), "has no namespace nowhere"),
        ):
            site.engine = ["--on", "temporal", "--temporal", place, *given]
            said = "".join(site.run().communicate(timeout=60))
            wrong += [] if any(sign in said for sign in signs) and CLOUD_KEY not in said and HEADER not in said else [(signs, said)]
            assert not site.out.with_name("out.jsonl.ledger").exists()
        assert wrong == []
        assert not upstream.seen
