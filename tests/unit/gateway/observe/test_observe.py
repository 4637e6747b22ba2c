"""Metrics, log lines and spans: what they show, and what they never do."""

import io
import json
import logging
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.observe import logs
from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord
from kosha_connector_openai.gateway.observe.logs import AccessLog, configure, line
from kosha_connector_openai.gateway.observe.metrics import Metrics
from kosha_connector_openai.gateway.observe.observe import Observer, counted
from kosha_connector_openai.gateway.observe.traces import Traces, make_traces


def exchange(**more: object) -> ExchangeRecord:
    values = {
        "request_id": "r1",
        "method": "POST",
        "operation": "createEmbedding",
        "caller": "ci",
        "tenant": "acme",
        "status": 200,
        "outcome": "ok",
        "upstream_status": 200,
        "attempts": 1,
        "duration": 0.3,
        "first_byte": 0.2,
        "received": 10,
        "sent": 20,
    }
    return ExchangeRecord(**{**values, **more})  # type: ignore[arg-type]


def test_numbers_in_prometheus_text_format():
    """Each family has HELP and TYPE; histograms are cumulative and end with +Inf; labels are escaped; no times of creation."""
    metrics = Metrics()
    metrics.requests("createEmbedding", "200").inc(2)
    metrics.seconds("createEmbedding").observe(0.3)
    metrics.seconds("createEmbedding").observe(1e9)
    metrics.refused('a"b\\c\nd').inc()
    metrics.places("call").set_function(lambda: 3)
    text = metrics.expose().decode()
    assert 'kosha_gateway_requests_total{operation="createEmbedding",status="200"} 2.0\n' in text
    assert 'kosha_gateway_request_seconds_bucket{le="0.25",operation="createEmbedding"} 0.0\n' in text
    assert 'kosha_gateway_request_seconds_bucket{le="0.5",operation="createEmbedding"} 1.0\n' in text
    assert 'kosha_gateway_request_seconds_bucket{le="+Inf",operation="createEmbedding"} 2.0\n' in text
    assert 'kosha_gateway_request_seconds_count{operation="createEmbedding"} 2.0\n' in text
    assert 'kosha_gateway_refused_total{reason="a\\"b\\\\c\\nd"} 1.0\n' in text
    assert 'kosha_gateway_places_taken{kind="call"} 3.0\n' in text
    assert "process_open_fds" in text
    assert "_created" not in text
    names = [words.split()[2] for words in text.splitlines() if words.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_each_service_has_numbers_of_its_own():
    """Two services of one process count apart, and nothing is left in the library's registry of the process."""
    from prometheus_client import REGISTRY

    one, other = Metrics(), Metrics()
    one.retries("createEmbedding").inc()
    assert b"createEmbedding" in one.expose()
    assert b"createEmbedding" not in other.expose()
    assert [family.name for family in REGISTRY.collect() if family.name.startswith("kosha")] == []


def test_series_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """T38: whatever labels come, memory stays bounded."""
    monkeypatch.setattr("kosha_connector_openai.gateway.observe.metrics._MOST_SERIES", 3)
    metrics = Metrics()
    for number in range(10):
        metrics.refused(str(number)).inc()
    lines = [line for line in metrics.expose().decode().splitlines() if line.startswith("kosha_gateway_refused_total{")]
    assert len(lines) == 4
    assert 'kosha_gateway_refused_total{reason="other"} 7.0' in lines


def test_an_exchange_is_counted_and_written():
    """Calls, times, tokens, upstream status, retries, bytes."""
    out, metrics = io.StringIO(), Metrics()
    log = AccessLog("off")
    log._out = out
    observe = Observer(log, metrics)
    observe(exchange(attempts=3, usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}))
    observe(exchange(status=429, outcome="refused", attempts=0, upstream_status=None, refusal="rate_limited"))
    observe(exchange(status=502, outcome="truncated_reply", upstream_status=None))
    text = metrics.expose().decode()
    for sample in (
        'requests_total{operation="createEmbedding",status="200"} 1.0',
        'retries_total{operation="createEmbedding"} 2.0',
        'tokens_total{kind="input",operation="createEmbedding"} 5.0',
        'tokens_total{kind="output",operation="createEmbedding"} 7.0',
        'shed_total{operation="createEmbedding",status="429"} 1.0',
        'upstream_failures_total{operation="createEmbedding",reason="truncated_reply"} 1.0',
        'received_bytes_total{operation="createEmbedding"} 30.0',
    ):
        assert f"kosha_gateway_{sample}\n" in text
    first, second, _ = map(json.loads, out.getvalue().splitlines())
    assert (first["operation"], first["status"], first["attempts"], first["tokens_input"]) == ("createEmbedding", 200, 3, 5)
    assert first["time"].endswith("Z")
    assert second["refusal"] == "rate_limited"
    assert "attempts" not in second


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": "5"}, {"prompt_tokens": True}, {"prompt_tokens": -1}, {"prompt_tokens": 10**400}, {"other": 5}]
)
def test_what_an_upstream_does_not_count_is_left_out(usage):
    """Nothing is made up."""
    assert counted(usage) == {}


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x1b[31mb", "a\u2028b", "a\x7fb", "a\x85b", '{"x": 1}\n{"y": 2}', "\ud800"])
def test_no_value_can_start_a_second_line(text: str):
    """C14: one record is one line of ASCII, whatever is in it."""
    written = line({"model": text})
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["model"] == text


def test_long_values_are_cut():
    """A line stays a line that people read."""
    assert len(json.loads(line({"x": "a" * 10_000}))["x"]) == logs.LONGEST


def test_a_log_file_is_for_its_owner_alone_and_is_added_to(tmp_path: Path):
    """Mode 0600; what was there stays."""
    place = tmp_path / "access.log"
    for _ in range(2):
        log = AccessLog(place)
        log.write({"event": "x"})
        log.close()
    assert len(place.read_text().splitlines()) == 2
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_log_file_that_cannot_be_written_is_told_at_start(tmp_path: Path):
    """Not at the first call."""
    with pytest.raises(SetupError, match="access log"):
        AccessLog(tmp_path / "no" / "such" / "folder")


def test_a_log_that_breaks_does_not_stop_the_service(monkeypatch: pytest.MonkeyPatch):
    """A full disk is no reason to answer nothing; the program's own log says so."""
    log = AccessLog("off")
    log._out = io.StringIO()
    log._out.close()
    told: list[str] = []
    monkeypatch.setattr("kosha_connector_openai.gateway.observe.logs.LOGGER.error", lambda text, *values: told.append(text % values))
    log.write({"event": "x"})
    assert told == ["The access log cannot be written: ValueError."]


@pytest.fixture
def loggers():
    """The loggers as they were."""
    names = ("kosha", "kosha.connector.calls", "uvicorn", "uvicorn.error", "asyncio", "httpx", "httpcore", "aiohttp")
    before = {
        name: (list(logging.getLogger(name).handlers), logging.getLogger(name).propagate, logging.getLogger(name).level) for name in names
    }
    yield
    for name, (handlers, propagate, level) in before.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_our_messages_are_lines_and_the_libraries_debug_is_off(loggers: None):
    """Their debug messages show headers, and with them keys; the text of a foreign error may quote anything."""
    out = io.StringIO()
    configure("debug", out)
    logging.getLogger("httpx").debug("Authorization: Bearer sk-secret")
    logging.getLogger("kosha.gateway").info("listening\non two lines")
    try:
        raise ValueError("sk-secret")
    except ValueError:
        logging.getLogger("kosha.gateway").exception("failed")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["message"] == "listening\non two lines"
    assert second["error"] == "ValueError"
    assert "sk-secret" not in out.getvalue()


def test_spans_follow_the_genai_conventions_and_hold_no_text(monkeypatch: pytest.MonkeyPatch):
    """One span for each call, with its real times; none for pages of ours."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    traces = Traces("pretend")
    traces.record(exchange(duration=0.5, upstream_request_id="req_1"), {"input": 5})
    traces.record(exchange(status=502, outcome="truncated_reply"), {})
    traces.record(exchange(operation="page:/livez", attempts=0), {})
    good, bad = exporter.get_finished_spans()
    assert good.attributes is not None
    assert good.attributes["gen_ai.usage.input_tokens"] == 5
    assert good.attributes["gen_ai.provider.name"] == "pretend"
    assert good.end_time is not None
    assert good.start_time is not None
    assert good.end_time - good.start_time == 500_000_000
    assert good.status.is_ok
    assert not bad.status.is_ok
    assert bad.attributes is not None
    assert bad.attributes["error.type"] == "truncated_reply"


def test_without_a_provider_no_span_is_made(monkeypatch: pytest.MonkeyPatch):
    """The API of OpenTelemetry comes with other packages: alone, it costs a call nothing."""
    from opentelemetry import trace

    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    traces, started = Traces("pretend"), list[str]()
    monkeypatch.setattr(traces, "_tracer", SimpleNamespace(start_span=started.append))
    traces.record(exchange(), {})
    assert started == []


def test_without_the_extra_nothing_of_it_is_imported(monkeypatch: pytest.MonkeyPatch):
    """Traces cost only who wants them."""
    monkeypatch.setattr("kosha_connector_openai.gateway.observe.traces.find_spec", lambda name: None)
    assert make_traces("x") is None
