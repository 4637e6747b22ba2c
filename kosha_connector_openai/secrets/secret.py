"""Secrets, opaque to all but the auth step, and the references that stand for them everywhere else."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Final, NamedTuple, NoReturn, Self, final
from urllib.parse import quote

from kosha_connector_openai.errors import SecretRefusedError

_COMMON: Final = b'ZQXJKYVWUGHFBODLRNPMEIACTSzqjx-987654321k0vbpygfwmcudlhrsinoate":, '
"""Bytes of English texts and of JSON, the rarer ones first; others are rarer still."""


@final
class Secret:
    """A secret's text, which only ``reveal()`` gives; every other way of showing or moving it is closed.

    ``reference`` says where it came from, ``version`` is the store's mark, ``notes`` say what was trimmed, ``expires`` is when it ends.
    """

    __slots__ = ("__echoes", "__expires", "__is_plain", "__needles", "__notes", "__reference", "__value", "__version", "__weakref__")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, value: str, *, reference: str = "", version: str = "", notes: tuple[str, ...] = (), expires: float | None = None
    ) -> None:
        self.__value = value
        self.__reference = reference
        self.__version = version
        self.__notes = notes
        self.__expires = expires
        self.__echoes: tuple[str, ...] | None = None
        self.__is_plain: bool | None = None
        self.__needles: tuple[tuple[int, bytes], ...] | None = None

    def reveal(self) -> str:
        """The text itself: for the auth step, inside one expression, never for a name that outlives it."""
        return self.__value

    @property
    def reference(self) -> str:
        """The reference that it was read by, as text."""
        return self.__reference

    @property
    def version(self) -> str:
        """The store's mark for this value, or nothing."""
        return self.__version

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken away when it was read, each as a short sentence without the value."""
        return self.__notes

    @property
    def expires(self) -> float | None:
        """The second of ``time.time`` at which it ends, as its store says; None where the store sets no end."""
        return self.__expires

    def echoes(self) -> tuple[str, ...]:
        """The forms in which an upstream could send it back, the longest first; none for one too short to be told from other text."""
        if self.__echoes is None:
            forms = {form for form in _echoes(self.__value) if len(form) >= _SHORTEST_ECHO}
            self.__echoes = tuple(sorted(forms, key=len, reverse=True))
        return self.__echoes

    def needles(self) -> tuple[tuple[int, bytes], ...]:
        """The same as bytes, each after the byte of it that is rarest in texts: where that is not, the form need not be looked for."""
        if self.__needles is None:
            forms = [form.encode() for form in self.echoes()]
            self.__needles = tuple((min(form, key=_COMMON.find), form) for form in forms)
        return self.__needles

    def is_plain(self, shortest: int = 1) -> bool:
        """Whether it has ``shortest`` characters or more, and passes every rule of ``check_secret`` as it is; looked at once."""
        if self.__is_plain is None:
            self.__is_plain = _PLAIN_SECRET.fullmatch(self.__value) is not None
        return self.__is_plain and len(self.__value) >= shortest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__value), _bytes(other.__value))

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret is not copied or pickled; pass its reference on.")


_SHORTEST_ECHO: Final = 8
"""Characters; replacing anything shorter would spoil the text and show what was replaced."""
_UNESCAPED: Final = re.compile(r"[\w.~-]+", re.ASCII)
"""What every writer leaves as it is (RFC 3986, section 2.3)."""
_JSON_MARKS: Final = ("+&'<>\"`", "=&'<>", "&<>/")
"""What writers of JSON escape beside what they must, each its own set, so that it can stand in HTML."""
_URL_SAFE: Final = ("", "/", "!'()*", "!'()*/;:@&=+$,?#")
"""What writers of URLs leave as it is: a component, a path, encodeURIComponent, encodeURI."""
_HTML: Final = tuple(
    str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **more})
    for more in (
        {},
        {'"': "&quot;", "'": "&#x27;"},
        {'"': "&quot;", "'": "&#39;"},
        {'"': "&quot;", "'": "&#039;"},
        {'"': "&#34;", "'": "&#39;"},
        {'"': "&#34;", "'": "&#39;", "+": "&#43;"},
    )
)
"""What writers of HTML put for its marks."""


def _echoes(value: str) -> Iterator[str]:
    """The text and its base64, each as it is and as it is escaped in JSON, URLs and HTML."""
    if len(value) < _SHORTEST_ECHO:
        return
    yield from _escaped(value)
    for digits in ("04x", "04X"):
        yield "".join(f"\\u{ord(each):{digits}}" for each in value)
    for shift, start in enumerate((0, 2, 3)):
        # Base64 writes three bytes as four characters: in a longer text a secret has one of three shifts.
        plain = bytes(shift) + value.encode()
        written = base64.b64encode(plain).decode().rstrip("=")
        core = written[start : -1 if len(plain) % 3 else None]
        yield from _escaped(core)
        yield core.translate(str.maketrans("+/", "-_"))


def _escaped(text: str) -> Iterator[str]:
    yield text
    if _UNESCAPED.fullmatch(text):
        return
    escaped = json.dumps(text)[1:-1]
    slashed = escaped.replace("/", "\\/")
    yield from (escaped, slashed, json.dumps(escaped)[1:-1], json.dumps(slashed)[1:-1])  # JSON in JSON, too
    for marks, digits in product(_JSON_MARKS, ("04x", "04X")):
        yield "".join(f"\\u{ord(each):{digits}}" if each in marks else json.dumps(each)[1:-1] for each in text)
    for safe in _URL_SAFE:
        url = quote(text, safe=safe)
        yield from (url, re.sub(r"%..", lambda match: match[0].lower(), url))
    for table in _HTML:
        html = text.translate(table)
        yield from (html, html.replace("&", "\\u0026"))


def _bytes(value: str) -> bytes:
    # An encoding error would hold the value.
    return value.encode("utf-8", "surrogatepass")


class _Flaw(NamedTuple):
    """A pattern that a value must not match, in words; ``placed`` where its position helps to find it."""

    pattern: re.Pattern[str]
    what: str
    fix: str
    placed: bool = True


_TRIMMED: Final = (
    (re.compile(r"\r?\n\Z"), "A line break at the end was removed."),
    (re.compile(r"\A[ \t]+|[ \t]+\Z"), "Blanks around the secret were removed."),
    (re.compile(r"\ABearer[ \t]+", re.IGNORECASE), 'The word "Bearer" before the secret was removed.'),
)
_RETYPE: Final = "Copy the secret again as plain text."
_FLAWS: Final = (
    _Flaw(re.compile(r"\A\Z"), "is empty", "Store a value under it.", placed=False),
    _Flaw(re.compile(r"\Abearer\Z", re.IGNORECASE), "is the word Bearer alone", "Store the secret itself.", placed=False),
    _Flaw(re.compile(r".{8193}", re.DOTALL), "is longer than 8 KiB", "Store the secret alone.", placed=False),
    _Flaw(
        re.compile(r"\A([\"'`]).*\1\Z", re.DOTALL),
        "is in quotation marks",
        "Remove the quotation marks.",
        placed=False,
    ),
    _Flaw(re.compile(r"[\r\n]"), "has a line break", "Store the secret alone, on one line."),
    _Flaw(re.compile(r"\0"), "has a NUL character", _RETYPE),
    _Flaw(re.compile(r"[\x01-\x1f\x7f]"), "has a control character", _RETYPE),
    _Flaw(re.compile("[\u2018-\u201f\u00ab\u00bb]"), "has a curly quotation mark", "Remove the quotation marks."),
    _Flaw(
        re.compile("[\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]"),
        "has an invisible character",
        _RETYPE,
    ),
    _Flaw(re.compile(r"[^\x00-\x7f]"), "has a character outside ASCII", _RETYPE),
    _Flaw(re.compile(r" "), "has a blank inside", "Store the secret alone."),
)


def _short(shortest: int) -> _Flaw:
    what = f"is shorter than {shortest} characters"
    return _Flaw(re.compile(rf"\A.{{0,{shortest - 1}}}\Z", re.DOTALL), what, "Store the whole secret.", placed=False)


_PLAIN_SECRET: Final = re.compile(r"[!#-&(-_a-~][!-~]{7,8191}")
"""What passes every rule below as it is, quotes at its start left to them: the way of nearly every call."""


def check_secret(text: str, reference: str, *, version: str = "", expires: float | None = None, shortest: int = 1) -> Secret:
    """The secret in a store's text, trimmed of one line break, of blanks around and of a pasted ``Bearer``.

    What was trimmed is in its ``notes``. Raises SecretRefusedError, which names the reference and the
    position (counted from 1 in the raw text) and never the value, for what is no whole secret, for less than
    ``shortest`` characters and for what an HTTP field (RFC 9110, section 5.5) could not carry unharmed.
    """
    secret = Secret(text, reference=reference, version=version, expires=expires)
    if secret.is_plain(shortest):
        return secret
    value, notes = text, []
    for pattern, note in _TRIMMED:
        shorter = pattern.sub("", value)
        notes += [note] if shorter != value else []
        value = shorter
    found = next(((flaw, match) for flaw in (*_FLAWS, _short(shortest)) if (match := flaw.pattern.search(value))), None)
    if found is None:
        return Secret(value, reference=reference, version=version, notes=tuple(notes), expires=expires)
    flaw, match = found
    where = f" at position {text.index(value) + match.start() + 1}" if flaw.placed else ""
    # Error reporters show the variables of frames: no value may be left in this one.
    del text, value, shorter, found, match, secret
    raise SecretRefusedError(f"The secret {reference} {flaw.what}{where}.", hint=flaw.fix)


_FORM: Final = "Put the key in a store and give its reference, e.g. env:API_KEY."
_PLAIN: Final = "Write the reference without it."
_REFERENCE: Final = re.compile(r"([a-z][a-z0-9+-]{0,19}):([^#]+)(?:#([^#]+))?")
_NO_REFERENCE: Final = (
    (re.compile(r"\A\s*\Z"), "The secret reference is empty.", _FORM),
    (re.compile(r".{1025}", re.DOTALL), "The secret reference is longer than 1 KiB.", _FORM),
    (
        re.compile(r"(?:\A|[:/#\s])(?:[spr]k[-_]|eyJ)[\w-]{14}"),
        "This looks like a secret, not a reference to one.",
        _FORM,
    ),
    (
        re.compile(r"\A(?![a-z][a-z0-9+-]{0,19}:)"),
        "This is no secret reference: it has no store's name before a colon.",
        _FORM,
    ),
    (
        re.compile(r"(?:\A|[:/\\])\.\.?(?:[/\\#]|\Z)"),
        "The secret reference has a dot segment.",
        "Write the whole path.",
    ),
    (re.compile(r"%[0-9A-Fa-f]{2}"), "The secret reference has a percent-encoded character.", _PLAIN),
    (
        re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"),
        "The secret reference has a control character.",
        _PLAIN,
    ),
    (
        re.compile(r"\A(?![^:#]+:[^#]+(?:#[^#]+)?\Z)"),
        "The secret reference is not of the form store:place#field.",
        _FORM,
    ),
)
_RUN: Final = re.compile(r"[A-Za-z0-9_-]{20,}")
_MIXED: Final = 0.4
"""Share of unlike neighbours from which letters and digits are taken for a random key (random: 0.62)."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is kept: ``scheme`` names the store, ``locator`` the place, ``field`` a part of it."""

    scheme: str
    locator: str
    field: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reference ``env:NAME``, ``file:/path``, ``keyring:service/name``, ``vault:mount/path#field``.

        Raises SecretRefusedError for a secret pasted in place of a reference (and does not repeat it), for
        dot segments, percent-encoding and control characters.
        """
        flaw = next(((what, fix) for pattern, what, fix in _NO_REFERENCE if pattern.search(text)), None)
        if flaw is None and any(_is_random(run) for run in _RUN.findall(text)):
            flaw = "This looks like a secret, not a reference to one.", _FORM
        parts = _REFERENCE.fullmatch(text)
        if flaw is None and parts is not None:
            return cls(*parts.groups())
        # The text may be a secret: error reporters show the variables of frames.
        del text, parts
        what, fix = flaw or ("This is no secret reference.", _FORM)
        raise SecretRefusedError(what, hint=fix)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.locator}" + (f"#{self.field}" if self.field else "")


def _is_random(run: str) -> bool:
    kinds: list[Any] = [(char.isupper(), char.islower(), char.isdigit()) for char in run]
    changes = sum(one != other for one, other in pairwise(kinds))
    return all(map(any, zip(*kinds, strict=True))) and changes >= _MIXED * len(run)
