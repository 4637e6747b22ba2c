"""The studio's page and signing in, over a whole service: what a browser is given, and who is let in."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kosha_connector_openai.gateway.pages import studio_page
from kosha_connector_openai.gateway.pages.studio_page import POLICY, studio_assets
from tests.gateway import TOKEN
from tests.service import Whole, whole

SAME = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page as `make studio` leaves it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Studio</title>")
    (tmp_path / "assets" / "page-1a.js").write_text("export {};\n" * 300)
    (tmp_path / "assets" / "notes.xyz").write_text("not for browsers")
    return tmp_path


@pytest.fixture
def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    monkeypatch.setattr(studio_page, "studio_assets", lambda: studio_assets(folder))
    with whole("http://127.0.0.1:9", settings={"studio": True}) as running:
        yield running


def test_the_page_is_public_and_strict(service: Whole) -> None:
    """It holds no secret; its policy lets it run its own files and nothing else; no other page may frame or load it."""
    page = httpx.get(f"{service.url}/studio", trust_env=False)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"] == POLICY
    assert POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
    script = httpx.get(f"{service.url}/studio/assets/page-1a.js", headers={"accept-encoding": "gzip"}, trust_env=False)
    assert script.headers["content-encoding"] == "gzip"
    assert script.text.startswith("export")
    assert "immutable" in script.headers["cache-control"]
    for path in ("nothing.js", "notes.xyz", "..%2Findex.html", "..%2F..%2Fpages.py"):
        assert httpx.get(f"{service.url}/studio/assets/{path}", trust_env=False).status_code == 404, path


def test_a_page_that_was_not_built_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a service that does not offer the studio knows no such page."""
    monkeypatch.setattr(studio_page, "studio_assets", dict)
    with whole("http://127.0.0.1:9", settings={"studio": True}) as running:
        assert "make studio" in httpx.get(f"{running.url}/studio", trust_env=False).json()["error"]["message"]
    with whole("http://127.0.0.1:9") as running:
        assert running.call("GET", "/studio").status_code == 404
    assert studio_assets(Path("/nowhere")) == {}


def test_a_file_is_kept_packed(folder: Path) -> None:
    """Packed once, the same bytes each time."""
    asset = studio_assets(folder)["page-1a.js"]
    assert asset.packed is not None
    assert gzip.decompress(asset.packed) == asset.plain
    assert studio_page.studio_assets(folder) is studio_assets(folder)


def test_a_browser_signs_in_by_code_or_token_and_out(service: Whole) -> None:
    """The answer is a cookie and nothing else; with it our pages are the caller's, without it or from elsewhere they are nobody's."""
    code = service.service.sessions.new_code(TOKEN)
    for body in ({"code": code}, {"token": TOKEN}):
        with httpx.Client(base_url=service.url, headers=SAME, trust_env=False) as client:
            assert client.get("/kosha/v1/actions").status_code == 401
            answer = client.post("/kosha/v1/session", json=body)
            assert (answer.status_code, answer.content) == (204, b"")
            assert client.get("/kosha/v1/actions").status_code == 200
            assert client.get("/kosha/v1/actions", headers={"sec-fetch-site": "same-site"}).status_code == 401
            assert client.delete("/kosha/v1/session").status_code == 204
            assert client.get("/kosha/v1/actions").status_code == 401
    assert TOKEN not in service.log.read_text()
    assert code not in service.log.read_text()


def test_what_is_no_sign_in_is_refused(service: Whole) -> None:
    """A used or guessed code, a wrong token, another shape, another type, a page of another origin."""
    url = f"{service.url}/kosha/v1/session"
    json = {"content-type": "application/json"}
    cases = [
        ('{"code": "used"}', json, 401),
        ('{"token": "kosha_wrong"}', json, 401),
        ("{}", json, 400),
        ('{"code": 1}', json, 400),
        ('{"code": "a", "token": "b"}', json, 400),
        ("[]", json, 400),
        (f'{{"token": "{TOKEN}"}}', {"content-type": "text/plain"}, 415),
        (f'{{"token": "{TOKEN}"}}', {**json, "origin": "http://127.0.0.1:9"}, 403),
        (f'{{"token": "{TOKEN}"}}', {**json, "host": "evil.example"}, 421),
    ]
    for body, headers, status in cases:
        answer = httpx.post(url, content=body, headers=headers, trust_env=False)
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, False), (body, answer.text)
