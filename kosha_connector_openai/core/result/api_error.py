"""An error answer of the upstream -> the ApiError that the manifest's error table makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kosha_connector_openai.core.result.decode import safe_text
from kosha_connector_openai.core.result.result import Facts
from kosha_connector_openai.errors import AccessError, ApiError, RejectedError, UnavailableError
from kosha_connector_openai.manifest import ErrorRule
from kosha_connector_openai.text import JsonTextError, decode

_ACCESS = frozenset({"auth", "permission", "quota"})
_FALLBACK = ErrorRule(category="unknown", advice="The server gave no reason that this connector knows.")


def to_api_error(
    status: int,
    body: bytes,
    *,
    facts: Facts,
    rules: Sequence[ErrorRule],
    scrub: Callable[[str], str],
    retry_after: float | None,
    attempts: int,
) -> ApiError:
    """The error for a 4XX or 5XX answer, or for an error inside a stream; every text in it is cut, made safe and scrubbed."""
    values, place = _values(body)
    code, kind = _word(values.get("code"), scrub), _word(values.get("type"), scrub)
    rule = next((rule for rule in rules if _fits(rule, status, (code, kind))), _FALLBACK)
    message = values.get("message")
    text = _safe(message, scrub, 1_000) if isinstance(message, str) else ""
    error = _class(rule, status)(
        text or f"The server answered {status}.",
        status=status,
        category=rule.category,
        retryable=None if rule is _FALLBACK else rule.retryable,
        hint=rule.advice,
        api_code=code,
        type=kind,
        param=_word(values.get("param"), scrub),
        request_id=facts.request_id,
        retry_after=retry_after,
        headers=facts.headers,
        attempts=attempts,
        body=_scrubbed(values, scrub),
    )
    error.place = place
    return error


def _values(body: bytes) -> tuple[Mapping[str, Any], str]:
    """The error object and the pointer where it stands, in the shapes that are seen.

    They are ``{"error": {...}}``, ``{"error": "..."}``, ``{"detail": ...}`` and plain text.
    """
    try:
        value = decode(body)
    except JsonTextError:
        return ({"message": body.decode("utf-8", "replace").strip()[:2_000]} if body else {}), ""
    if not isinstance(value, Mapping):
        return ({"message": value} if isinstance(value, str) else {}), ""
    inner, place = (value["error"], "/error") if value.get("error") else (value, "")
    if isinstance(inner, str):
        return {"message": inner}, place
    if isinstance(inner, Mapping):
        detail = inner.get("detail")
        return ({"message": detail, **inner} if isinstance(detail, str) else inner), place
    return {}, place


def _fits(rule: ErrorRule, status: int, codes: tuple[str | None, ...]) -> bool:
    if rule.code is not None and rule.code not in codes:
        return False
    if isinstance(rule.status, str):
        return rule.status[0] == str(status)[0]
    return rule.status is None or rule.status == status


def _class(rule: ErrorRule, status: int) -> type[ApiError]:
    if rule.category in _ACCESS:
        return AccessError
    return UnavailableError if rule.retryable or status >= 500 else RejectedError  # noqa: PLR2004 - a server error


def _word(value: Any, scrub: Callable[[str], str]) -> str | None:
    return _safe(str(value), scrub, 200) if isinstance(value, (str, int)) else None


def _scrubbed(value: Any, scrub: Callable[[str], str], depth: int = 0) -> Any:
    if isinstance(value, str):
        return _safe(value, scrub, 1_000)
    if depth > 4:  # noqa: PLR2004 - errors are flat; what is deeper is not for people
        return None
    if isinstance(value, Mapping):
        return {_safe(str(key), scrub, 100): _scrubbed(item, scrub, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item, scrub, depth + 1) for item in value[:100]]
    return value


def _safe(text: str, scrub: Callable[[str], str], limit: int) -> str:
    # Cleaned before it is scrubbed: an invisible character inside a secret would hide it from the scrubber.
    return safe_text(scrub(safe_text(text, 10_000)), limit)
