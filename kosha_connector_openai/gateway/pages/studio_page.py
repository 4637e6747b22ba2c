"""The studio: the page on which flows are built, as `make studio` has built it, and the headers under which a browser runs it."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from kosha_connector_openai.gateway.replies import error_shape

FOLDER: Final = Path(__file__).parent / "studio"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content Security Policy: what comes from here, and pictures and sounds that it was given as values."""
NOT_BUILT: Final = (
    "The studio's page is not in this installation. In a checkout, `make studio` builds it (a minute, once); a wheel made by "
    "`make build` has it."
)
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
_LEAST: Final = 1_024


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, as it is sent."""

    plain: bytes
    packed: bytes | None
    headers: dict[str, str]


async def studio_file(request: Request, _: Any, *, file: str = "index.html") -> Response | JsonResponse:
    """The page, or a file of it."""
    assets = await asyncio.to_thread(studio_assets)
    if not assets:
        return JsonResponse(404, error_shape(NOT_BUILT))
    asset = assets.get(file)
    if asset is None:
        return JsonResponse(404, error_shape("The studio has no such file."))
    packed = asset.packed if "gzip" in request.headers.get("accept-encoding", "") else None
    headers = {**asset.headers, "content-encoding": "gzip"} if packed is not None else asset.headers
    return Response(asset.plain if packed is None else packed, headers=headers)


@cache
def studio_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """The files of the built page by name, ``index.html`` among them; empty where it was not built."""
    if not (folder / "index.html").is_file():
        return {}
    files = [path for path in (folder, folder / "assets") if path.is_dir() for path in sorted(path.iterdir())]
    return {path.name: _asset(path) for path in files if path.is_file() and path.suffix in _TYPES}


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    kept = "no-cache" if path.suffix in (".html", ".txt") else "public, max-age=31536000, immutable"  # the others' names have digests
    headers = {
        "content-type": f"{_TYPES[path.suffix]}; charset=utf-8",
        "cache-control": kept,
        "content-security-policy": POLICY,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    return Asset(data, gzip.compress(data, 9, mtime=0) if len(data) >= _LEAST else None, headers)
