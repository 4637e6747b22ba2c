"""Which row is which: the digest of its inputs and target, and which rows are this process's share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import Fault, SetupError

_SHARE: Final = re.compile(r"(\d{1,6})/(\d{1,6})")


def base_of(kind: str, name: str, fixed: Mapping[str, Any]) -> Callable[[bytes], bytes]:
    """Gives the digest of a row's mapped values, together with the target and the fixed inputs of the run."""
    whole = blake2b(orjson.dumps([kind, name, dict(fixed)], option=orjson.OPT_SORT_KEYS, default=str), digest_size=16)

    def digest(data: bytes) -> bytes:
        own = whole.copy()
        own.update(data)
        return own.digest()

    return digest


def read_share(text: str | None) -> tuple[int, int]:
    """``3/16`` as the part, counted from 0, and how many parts there are; all of it where none is named. Raises SetupError."""
    if text is None:
        return 0, 1
    match = _SHARE.fullmatch(text)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        fault = Fault("/share", "form", "is no share.", "Write I/N, such as 3/16: the third of sixteen processes.")
        raise SetupError("The options of the run are wrong.", [fault])
    return part - 1, parts
