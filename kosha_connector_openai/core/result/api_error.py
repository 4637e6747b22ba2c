"""An error of the upstream, however it came -> the ApiError that the manifest's error table makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kosha_connector_openai.core.result.decode import safe_text
from kosha_connector_openai.core.result.error_body import ErrorFacts
from kosha_connector_openai.core.result.result import Facts
from kosha_connector_openai.errors import AccessError, ApiError, RejectedError, UnavailableError
from kosha_connector_openai.manifest import ErrorRule

_ACCESS = frozenset({"auth", "permission", "quota"})
_FALLBACK = ErrorRule(category="unknown", advice="The server gave no reason that this connector knows.")
_ERROR = 400


def to_api_error(
    status: int,
    said: ErrorFacts,
    *,
    facts: Facts,
    rules: Sequence[ErrorRule],
    scrub: Callable[[str], str],
    retry_after: float | None = None,
    attempts: int = 1,
) -> ApiError:
    """The error that the upstream reports, the same whether with a status, in a 200 or in a stream; every text is cut, safe and scrubbed.

    ``status`` is the one that was seen. Where it is no error, the one that the body names counts for the table.
    """
    counted = status if status >= _ERROR else said.status or 0
    rule = next((rule for rule in rules if _fits(rule, counted, said.words)), _FALLBACK)
    error = _class(rule, counted)(
        _safe(said.message, scrub, 1_000) or (f"The server answered {status}." if status >= _ERROR else "The server reports an error."),
        status=status,
        category=rule.category,
        retryable=None if rule is _FALLBACK else rule.retryable,
        hint=rule.advice,
        api_code=_word(said.code, scrub),
        type=_word(said.type, scrub),
        param=_word(said.param, scrub),
        request_id=facts.request_id,
        retry_after=retry_after,
        headers=facts.headers,
        attempts=attempts,
        body=_scrubbed(said.values, scrub),
    )
    error.place = said.place
    return error


def _fits(rule: ErrorRule, status: int, words: frozenset[str]) -> bool:
    codes = (rule.code,) if isinstance(rule.code, str) else rule.code
    if codes is not None and words.isdisjoint(codes):
        return False
    if isinstance(rule.status, str):
        return rule.status[0] == str(status)[0]
    return rule.status is None or rule.status == status


def _class(rule: ErrorRule, status: int) -> type[ApiError]:
    if rule.category in _ACCESS:
        return AccessError
    if rule is _FALLBACK:  # without a status of the input's fault, the fault is not known to be the input's
        return RejectedError if str(status).startswith("4") else UnavailableError
    return UnavailableError if rule.retryable else RejectedError


def _word(value: str | None, scrub: Callable[[str], str]) -> str | None:
    return None if value is None else _safe(value, scrub, 200)


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
