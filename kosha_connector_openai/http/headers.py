"""Names of headers, in lower case, in groups by the reason for which nobody but the connector may set them."""

from __future__ import annotations

import re
from typing import Final

HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"})
"""They are of one connection alone (RFC 9110, section 7.6.1)."""
FRAMING: Final = HOP_BY_HOP | {"content-encoding", "content-length", "content-type", "expect", "host", "http2-settings"}
"""They say where a message goes, how it ends and what it holds: a second one would be read otherwise by another server."""
NEGOTIATION: Final = frozenset({"accept", "accept-charset", "accept-encoding"})
"""They choose the form of the reply, which the connector has to read."""
CREDENTIALS: Final = frozenset(
    {
        *("api-key", "authorization", "cookie", "cookie2", "proxy-authenticate", "proxy-authorization", "set-cookie", "set-cookie2"),
        *("x-api-key", "x-auth-token", "x-goog-api-key"),
    }
)
"""They carry a secret, or ask for one."""
PROVENANCE: Final = frozenset(
    {
        *("date", "forwarded", "origin", "referer", "via", "x-http-method", "x-http-method-override", "x-method-override"),
        *("x-original-url", "x-real-ip", "x-rewrite-url"),
    }
)
"""They claim who sent a request, or stand for another method or path than its own."""
PROTECTED: Final = FRAMING | NEGOTIATION | CREDENTIALS | PROVENANCE
_PROTECTED_PREFIXES: Final = ("proxy-", "sec-", "x-amz-", "x-forwarded-", "x-ms-authorization-")


def is_protected(name: str) -> bool:
    """Whether workflow data may not set this header, whatever its case and blanks; ``_`` counts as ``-``."""
    plain = re.sub(r"[\s\x00-\x1f:]", "", name).lower().replace("_", "-")
    return plain in PROTECTED or plain.startswith(_PROTECTED_PREFIXES)
