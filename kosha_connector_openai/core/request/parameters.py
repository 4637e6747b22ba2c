"""Parameter values for the path, the query and the headers (OpenAPI 3.1 section 4.8.12, RFC 6570, RFC 3986).

Every value is percent-encoded down to the unreserved characters. That alone does not keep a value in its
place (``..`` is unreserved), so a path value that any later decoding could turn into a step to another
endpoint is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import quote, unquote

from kosha_connector_openai.core.request.value_text import flatten, items, refuse, scalar_text
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.http import is_protected
from kosha_connector_openai.openapi import Parameter
from kosha_connector_openai.text import encode, escape

MAX_URL: Final = 8 * 1024
MAX_HEADER: Final = 8 * 1024
MAX_ITEMS: Final = MAX_URL // 2
"""More items cannot fit: each takes a character and a separator."""

_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ASCII: Final = re.compile(r"[\x20-\x7e]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SLASH: Final = re.compile("/")
_BREAKS: Final = re.compile(r"[/\\;?#]")
"""Where a server may cut a segment once it has decoded it."""
_CUTS: Final = re.compile(r"[/\\?#]")
"""Where servers do cut a path once they have decoded it: what follows would be another operation's."""
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9_~:-]+(?:\.[A-Za-z0-9_~:-]+)*")
"""A segment that cannot be anything else: most are."""
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9_.~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
"""RFC 3986, section 3.3."""
_RESERVED_IN_PATH: Final = ":@!$&'()*+,;=[]"
_RESERVED_IN_QUERY: Final = "/?:@!$'()*,;="
"""What allowReserved lets through: not what would end the query or start another pair there."""
_EXPLODED: Final[Mapping[str, tuple[str, str]]] = {
    "simple": ("", ","),
    "label": (".", "."),
    "matrix": (";", ";"),
}
_SEPARATORS: Final[Mapping[str, str]] = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


def write_path(template: str, parameters: Sequence[Parameter], values: Mapping[str, Any]) -> str:
    """The path with every variable filled in, percent-encoded; styles simple, label and matrix.

    A value never adds, drops or changes a segment. :class:`InputError` lists what is missing, empty or would
    do so.
    """
    if "{" not in template:
        return template
    declared = {parameter.name: parameter for parameter in parameters if parameter.location == "path"}
    faults: list[Fault] = []

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        parameter = declared.get(name) or Parameter(name, "path", {}, required=True)
        try:
            return _path_text(parameter, values.get(parameter.input_name))
        except InputError as error:
            faults.extend(error.faults)
            return ""

    path = _VARIABLE.sub(fill, template)
    if not faults and _moves(path, _SLASH):
        faults = [_fault(name, *_DOTS) for name in _VARIABLE.findall(template)[:1]]
    _raise(faults, "path")
    return path


def check_segment(name: str, text: str) -> None:
    """Raises InputError unless ``text``, percent-encoded by someone else, is one segment that no decoding takes elsewhere."""
    if _PLAIN_SEGMENT.fullmatch(text):
        return
    pointer = f"/{escape(name)}"
    if not text.strip():
        refuse(pointer, "empty", "is empty.", "Give it a value.")
    if not _SEGMENT.fullmatch(text) or any(_CONTROL.search(form) for form in _decodings(text)):
        refuse(pointer, "control", "has a character that a path cannot have.", "Percent-encode it.")
    if _moves(text, _BREAKS):
        refuse(pointer, *_DOTS)


def is_cut(text: str) -> bool:
    """Whether a server that decodes a path value before it routes could take a part of it for more of the path, a query or a fragment."""
    if _PLAIN_SEGMENT.fullmatch(text):
        return False
    return any(_CUTS.search(normalize("NFKC", form)) for form in _decodings(text))


def write_query(parameters: Sequence[Parameter], values: Mapping[str, Any], *, max_bytes: int | None = MAX_URL) -> str:
    """``name=value`` pairs joined with ``&``, without the question mark; "" where no value is given.

    Styles form, spaceDelimited, pipeDelimited and deepObject. Names are encoded too, so ``include[]`` becomes
    ``include%5B%5D`` (RFC 3986 section 3.4 has no brackets in a query). A given None is written ``null``, an
    empty array not at all, booleans as ``true`` and ``false``, blanks as ``%20``. ``max_bytes`` None lifts
    the limits, for a form body.
    """
    faults: list[Fault] = []
    pairs: list[str] = []
    for parameter in parameters:
        if parameter.location != "query" or parameter.input_name not in values:
            continue
        try:
            if max_bytes is not None:
                _check_items(parameter.input_name, values[parameter.input_name])
            pairs += _query_pairs(parameter, values[parameter.input_name])
        except InputError as error:
            faults.extend(error.faults)
    _raise(faults, "query")
    query = "&".join(pairs)
    if max_bytes is not None and len(query) > max_bytes:
        names = [parameter.input_name for parameter in parameters if parameter.input_name in values]
        longest = max(names, key=lambda name: len(str(values[name])))
        fault = _fault(longest, "url-length", f"makes the query longer than {max_bytes} bytes.", "Ask for less at once.")
        _raise([fault], "query")
    return query


def write_headers(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Header names and values, style simple, not percent-encoded, in visible ASCII (RFC 9110 section 5.5 leaves other bytes undefined).

    Protected headers are refused even where they are declared, and so are cookies: nothing here sends any.
    """
    faults: list[Fault] = []
    headers: list[tuple[str, str]] = []
    for parameter in parameters:
        if parameter.input_name not in values or parameter.location not in _HEADER_RULES:
            continue
        try:
            _HEADER_RULES[parameter.location](parameter.name)
            headers.append((parameter.name, _header_text(parameter, values[parameter.input_name])))
        except InputError as error:
            faults.extend(error.faults)
    _raise(faults, "headers")
    return headers


_DOTS: Final = ("dot-segment", "would lead to another path.", "Give the plain identifier.")


def _fault(name: str, rule: str, message: str, fix: str = "") -> Fault:
    return Fault(f"/{escape(name)}", rule, message, fix)


def _raise(faults: Sequence[Fault], place: str) -> None:
    if faults:
        raise InputError(f"The {place} cannot be written.", faults)


def _encode(text: str, extra: str = "") -> str:
    return quote(text, safe=extra)


def _path_text(parameter: Parameter, value: Any) -> str:
    pointer = f"/{escape(parameter.input_name)}"
    if value is None:
        refuse(pointer, "required", "is missing.", "Give it a value.")
    _check_items(parameter.input_name, value)
    extra = _RESERVED_IN_PATH if parameter.allow_reserved else ""
    if parameter.media_type is not None:
        return _encode(_path_scalar(encode(value).decode(), pointer, {"type": "string"}), extra)
    pieces = [
        (key and _path_scalar(key, pointer, {}), _path_scalar(item, pointer, parameter.schema)) for key, item in items(value, pointer)
    ]
    if not pieces:
        refuse(pointer, "empty", "is empty.", "Give it a value.")
    if parameter.style not in _EXPLODED:
        refuse(pointer, "style", "has a style that a path cannot have.")
    texts = [(key and _encode(key, extra), _encode(text, extra)) for key, text in pieces]
    return _path_style(parameter, texts)


def _path_style(parameter: Parameter, pieces: Sequence[tuple[str | None, str]]) -> str:
    """RFC 6570 sections 3.2.2, 3.2.5 and 3.2.7."""
    first, between = _EXPLODED[parameter.style]
    name = f"{_encode(parameter.name)}=" if parameter.style == "matrix" else ""
    if parameter.explode:
        return first + between.join(f"{key}={text}" if key is not None else f"{name}{text}" for key, text in pieces)
    return first + name + ",".join(text for piece in pieces for text in piece if text is not None)


def _path_scalar(value: Any, pointer: str, schema: Any) -> str:
    if value is None or (isinstance(value, bool) and not _takes_boolean(schema)):
        refuse(pointer, "type", "is not text or a number.", "Give the plain identifier.")
    text = scalar_text(value, pointer)
    if not text.strip():
        refuse(pointer, "empty", "is blank.", "Give it a value.")
    if any(_CONTROL.search(form) for form in _decodings(text)):
        refuse(pointer, "control", "has a control character.", "Remove it.")
    if _moves(text, _BREAKS):
        refuse(pointer, *_DOTS)
    return text


def _moves(text: str, cut: re.Pattern[str]) -> bool:
    """Whether a piece of ``text`` is a dot segment in any of its decodings, wide dots included."""
    forms = (normalize("NFKC", form) for form in _decodings(text))
    return any(piece.strip() in {".", ".."} for form in forms for piece in cut.split(form))


def _decodings(text: str) -> Iterator[str]:
    """``text`` as it is and decoded one to three times: by a proxy, by a server, and by a careless application."""
    for _ in range(4):
        yield text
        text = unquote(text)


def _takes_boolean(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    kinds = schema.get("type", ())
    if kinds == "boolean" or (isinstance(kinds, list) and "boolean" in kinds):
        return True
    if any(isinstance(item, bool) for item in (*_list(schema, "enum"), schema.get("const"))):
        return True
    nested = [*_list(schema, "anyOf"), *_list(schema, "oneOf"), *_list(schema, "allOf"), schema.get("items")]
    return any(_takes_boolean(part) for part in nested)


def _list(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def _check_items(name: str, value: Any) -> None:
    if isinstance(value, (Mapping, list, tuple)) and len(value) > MAX_ITEMS:
        refuse(f"/{escape(name)}", "maxItems", f"has more than {MAX_ITEMS} items.", "Ask for less at once.")


def _query_pairs(parameter: Parameter, value: Any) -> list[str]:
    pointer = f"/{escape(parameter.input_name)}"
    extra = _RESERVED_IN_QUERY if parameter.allow_reserved else ""
    name = _encode(parameter.name)
    if parameter.media_type is not None:
        return [f"{name}={_encode(encode(value).decode(), extra)}"]
    if parameter.style == "deepObject" and isinstance(value, (Mapping, list, tuple)):
        leaves = flatten(parameter.name, value, pointer, lists=parameter.lists)
        return [f"{_encode(key)}={_encode(scalar_text(leaf, where), extra)}" for key, leaf, where in leaves]
    texts = [
        (None if key is None else _encode(key, extra), _encode(scalar_text(item, pointer), extra)) for key, item in items(value, pointer)
    ]
    if not texts:
        return []
    if parameter.explode or not isinstance(value, (Mapping, list, tuple)):
        return [f"{name if key is None else key}={text}" for key, text in texts]
    separator = _SEPARATORS.get(parameter.style)
    if separator is None:
        refuse(pointer, "style", "has a style that cannot write it.")
    return [f"{name}={separator.join(text for pair in texts for text in pair if text is not None)}"]


def _header_text(parameter: Parameter, value: Any) -> str:
    pointer = f"/{escape(parameter.input_name)}"
    if parameter.media_type is not None:
        text = encode(value).decode()
    else:
        pieces = [(key, scalar_text(item, pointer)) for key, item in items(value, pointer)]
        if parameter.explode:
            text = ",".join(item if key is None else f"{key}={item}" for key, item in pieces)
        else:
            text = ",".join(part for pair in pieces for part in pair if part is not None)
    if _CONTROL.search(text):
        refuse(pointer, "control", "has a control character.", "Remove it.")
    if not _ASCII.fullmatch(text):
        refuse(pointer, "ascii", "has a character that a header cannot carry safely.", "Use ASCII.")
    if text != text.strip():
        refuse(pointer, "blank", "starts or ends with a blank.", "Remove it.")
    if len(text) > MAX_HEADER:
        refuse(pointer, "size", f"is longer than {MAX_HEADER} bytes.")
    return text


def _check_header_name(name: str) -> None:
    if is_protected(name) or not _TOKEN.fullmatch(name):
        refuse(
            f"/{escape(name)}",
            "protected",
            "is a header that inputs cannot set.",
            "Set it in the connection.",
        )


def _refuse_cookie(name: str) -> None:
    refuse(f"/{escape(name)}", "cookie", "is a cookie, and cookies are not sent.", "Leave it out.")


_HEADER_RULES: Final = {"header": _check_header_name, "cookie": _refuse_cookie}
