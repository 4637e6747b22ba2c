"""What the pages for people have in common: one style, no script, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2330;--dim:#5b6677;--line:#d9dee6;--back:#fff;--chip:#eef1f6;--mark:#0b66c3}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf2;--dim:#9aa6b8;--line:#313a48;--back:#141a23;--chip:#222b38;--mark:#7ab8ff}}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.4rem 0 .3rem}p{margin:.4rem 0}.dim{color:var(--dim)}
pre{background:var(--chip);padding:.8rem 1rem;border-radius:.4rem;overflow:auto;font-size:.85rem}
details{border-top:1px solid var(--line);padding:.5rem 0}
summary{cursor:pointer;font-weight:600}summary span{font-weight:400;margin-left:.5rem}
ul{list-style:none;padding:0;margin:.4rem 0}li{padding:.35rem 0 .35rem .2rem}
code{font:.85rem ui-monospace,monospace}b.m{display:inline-block;min-width:4.2rem;font:.75rem ui-monospace,monospace;color:var(--mark)}
i{font-style:normal;font-size:.75rem;background:var(--chip);border-radius:.3rem;padding:.05rem .4rem;margin-left:.4rem}
a{color:var(--mark)}label{display:block;margin:.6rem 0 .2rem}
input{font:inherit;padding:.4rem .6rem;width:min(100%,26rem);box-sizing:border-box;border:1px solid var(--dim);border-radius:.3rem;
background:var(--back);color:var(--ink)}
button{font:inherit;padding:.4rem .9rem;border:1px solid var(--mark);border-radius:.3rem;background:var(--mark);color:var(--back)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;
padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line)}
@media(max-width:40rem){table,tbody,tr,td{display:block}tr:first-child{display:none}td{border:0;padding:.1rem 0}
tr{border-top:1px solid var(--line);padding:.5rem 0}code{overflow-wrap:anywhere}}
.wrong{border-left:.25rem solid #c0392b;padding-left:.6rem}
"""
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src data:; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The pages' Content Security Policy: one style sheet by its digest, forms to ourselves, and nothing else."""
HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


def document(title: str, *parts: str) -> bytes:
    """A whole page of HTML in UTF-8; ``parts`` are HTML already."""
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return "".join((f"{head}<title>{escape(title)}</title><style>{_STYLE}</style><main>", *parts, "</main></html>")).encode()
