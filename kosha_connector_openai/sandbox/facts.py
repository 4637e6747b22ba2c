"""The facts that templates of answers can name, each made from the request when it is first asked for.

With ``behaviours`` the sandbox's only Python that knows one provider: the fields of its requests.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.sandbox.answers import Answers
from kosha_connector_openai.sandbox.audio import sound
from kosha_connector_openai.sandbox.media import picture
from kosha_connector_openai.sandbox.message import UploadedFile
from kosha_connector_openai.sandbox.templates import ABSENT
from kosha_connector_openai.sandbox.video import mp4
from kosha_connector_openai.schema import sample
from kosha_connector_openai.text import at

EPOCH: Final = 1_735_689_600
"""The sandbox's clock starts here, 2025-01-01, and moves on a second with each request."""
MADE_UP: Final = b"This file is made up by the sandbox.\n"
_DAY = 86_400
_DIMENSIONS = 16
_MOST_DIMENSIONS = 4096
_DEFAULT_SIZE = "1024x1024"
_SLICES = 4


@dataclass
class AnswerFacts:
    """What is known while one request is answered."""

    inputs: Mapping[str, Any]
    answers: Answers
    words: Mapping[str, Any]
    """The behaviour's data."""
    number: int
    bound: Mapping[str, Any] = field(default_factory=dict)
    makers: Mapping[str, Callable[[AnswerFacts], Any]] = field(default_factory=dict)
    """How facts are made that only this place in the description has."""
    _made: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """A bound fact, else a made one, else ABSENT."""
        if name in self.bound:
            return self.bound[name]
        if name not in self._made:
            make = self.makers.get(name) or FACTS.get(name)
            self._made[name] = make(self) if make else ABSENT
        return self._made[name]

    def also(self, **more: Any) -> AnswerFacts:
        """The same with more facts bound."""
        return replace(self, bound={**self.bound, **more})

    def ask(self, pointer: str, otherwise: Any = None) -> Any:
        """A value of the request; null counts as missing."""
        found = at(self.get("request"), pointer)
        return otherwise if found is None else found


def _request(facts: AnswerFacts) -> Any:
    return {name: _described(value) for name, value in facts.inputs.items()}


def _described(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        return {"filename": value.filename, "size": len(value.blob), "content_type": value.content_type}
    return value


def _read(facts: AnswerFacts) -> str:
    """What the request says: its last text."""
    rules = facts.words["text"]
    found = [_last_text(facts.ask(pointer), rules["leaves"]) for pointer in rules["echo"]]
    return next((text for text in found if text), "")


def _last_text(value: Any, leaves: list[str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next((text for item in reversed(value) if (text := _last_text(item, leaves))), "")
    if isinstance(value, Mapping):
        return next((text for name in leaves if (text := _last_text(value.get(name), leaves))), "")
    return ""


def _text(facts: AnswerFacts) -> str:
    """The answer, and no more of it than was asked for."""
    text = _whole(facts)
    most = _most(facts)
    return text if most is None else "".join(_pieces(text)[:most])


def _most(facts: AnswerFacts) -> int | None:
    """The words that the answer may have at most."""
    found = (facts.ask(pointer) for pointer in facts.words["text"]["most"])
    return next((most for most in found if isinstance(most, int) and most > 0), None)


def _finish(facts: AnswerFacts) -> str:
    most = _most(facts)
    return "stop" if most is None or len(_pieces(_whole(facts))) <= most else "length"


def _refusal(facts: AnswerFacts) -> Any:
    """What a refusal says, where the request asks for one; ABSENT where it does not."""
    rules = facts.words["text"]
    asked = (_last_text(facts.ask(pointer), rules["leaves"]) for pointer in rules["refusable"])
    return rules["refused"] if any(re.match(rules["refuse"], text) for text in asked) else ABSENT


def _whole(facts: AnswerFacts) -> str:
    rules = facts.words["text"]
    made = (at(facts.bound.get("object", {}), pointer) for pointer in rules["made"])
    structured = next((text for text in made if isinstance(text, str)), None) or _structured(facts, rules)
    if structured is not None:
        return structured
    said = re.match(rules["say"], _read(facts))
    if said is None:
        return str(rules["otherwise"]).replace("${words}", str(len(_read(facts).split())))
    words = said[1]
    return str(rules["said"]).replace("${said}", words[:1].upper() + words[1:])


def _structured(facts: AnswerFacts, rules: Mapping[str, Any]) -> str | None:
    """JSON text where the request asks for it, under its own schema."""
    for pointer in rules["schemas"]:
        if isinstance(schema := facts.ask(pointer), Mapping):
            try:
                return json.dumps(sample(schema))
            except (ConnectorError, ValueError, ArithmeticError, RecursionError):
                return None
    asked = any(facts.ask(pointer) == "json_object" for pointer in rules["objects"])
    return json.dumps({"sandbox": True}) if asked else None


def _tool_call(facts: AnswerFacts) -> Any:
    """The function that the request insists on, with arguments made from its schema; ABSENT where it does not."""
    choice = facts.ask("/tool_choice")
    functions = [tool.get("function", tool) for tool in facts.ask("/tools", []) if tool.get("type") == "function"]
    wanted = choice.get("function", choice).get("name") if isinstance(choice, Mapping) else None
    chosen = [tool for tool in functions if choice == "required" or tool.get("name") == wanted]
    if not chosen:
        return ABSENT
    try:
        arguments = sample(chosen[0].get("parameters") or {"type": "object"})
    except (ConnectorError, ValueError, ArithmeticError, RecursionError):
        arguments = {}
    return {"name": chosen[0].get("name"), "arguments": json.dumps(arguments)}


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*\Z|\s*\S+", text)


def _count(facts: AnswerFacts) -> int:
    wanted = facts.ask("/n", 1)
    return wanted if isinstance(wanted, int) else 1


def _texts(facts: AnswerFacts) -> list[Any]:
    """The inputs that are answered one by one: texts, arrays of tokens, or parts."""
    given = facts.ask("/input", "")
    single = not isinstance(given, list) or (bool(given) and isinstance(given[0], int))
    return [given] if single else given


def _vectors(facts: AnswerFacts) -> list[Any]:
    size = min(int(facts.ask("/dimensions", _DIMENSIONS)), _MOST_DIMENSIONS)
    vectors = [_vector(json.dumps(text), size) for text in _texts(facts)]
    if facts.ask("/encoding_format") != "base64":
        return vectors
    return [base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() for vector in vectors]


def _vector(text: str, size: int) -> list[float]:
    """A unit vector that depends on the text alone."""
    stream = b"".join(hashlib.sha256(f"{index}:{text}".encode()).digest() for index in range(-(-size // 16)))
    raw = [value / 32768 - 1 for value in struct.unpack(f"<{size}H", stream[: size * 2])]
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    return [value / length for value in raw]


def _verdicts(facts: AnswerFacts) -> list[Any]:
    rules = facts.words["moderation"]
    parts = _texts(facts)
    single = bool(parts) and isinstance(parts[0], Mapping)
    return [_verdict(facts, text, rules) for text in ([parts] if single else parts)]


def _verdict(facts: AnswerFacts, text: Any, rules: Mapping[str, Any]) -> Any:
    flagged = rules["word"] in json.dumps(text).lower()
    marks = {bool: flagged, int: 0.99 if flagged else 0.01, float: 0.99 if flagged else 0.01, list: ["text"]}
    item = facts.answers.part("results")
    for group in item.values():
        if isinstance(group, dict) and rules["category"] in group:
            found = group[rules["category"]]
            group[rules["category"]] = marks.get(type(found), found)
    return {**item, "flagged": flagged}


def _size(facts: AnswerFacts) -> str:
    wanted = str(facts.ask("/size", _DEFAULT_SIZE))
    return wanted if re.fullmatch(r"\d{1,4}x\d{1,4}", wanted) else _DEFAULT_SIZE


def _picture(facts: AnswerFacts) -> str:
    width, height = map(int, _size(facts).split("x"))
    return base64.b64encode(picture(str(facts.ask("/output_format", "png")), width, height)).decode()


def _pictures(facts: AnswerFacts) -> list[Any]:
    if facts.ask("/response_format") == "url":
        return [{"url": f"{facts.get('origin')}/__sandbox__/images/{_size(facts)}.png"}] * _count(facts)
    return [{"b64_json": facts.get("picture")}] * _count(facts)


def _audio_pieces(facts: AnswerFacts) -> list[str]:
    data = facts.get("audio")
    size = -(-len(data) // _SLICES)
    return [base64.b64encode(data[start : start + size]).decode() for start in range(0, len(data), size)]


def _archive(_: AnswerFacts) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(zipfile.ZipInfo("sandbox.txt"), MADE_UP)
    return target.getvalue()


FACTS: Final[Mapping[str, Callable[[AnswerFacts], Any]]] = {
    "archive": _archive,
    "audio": lambda facts: sound(str(facts.ask("/response_format", "mp3"))),
    "audio_pieces": _audio_pieces,
    "choices": lambda facts: list(range(_count(facts))),
    "finish": _finish,
    "later": lambda facts: EPOCH + facts.number + _DAY,
    "model": lambda facts: facts.ask("/model", "sandbox"),
    "now": lambda facts: EPOCH + facts.number,
    "number": lambda facts: f"{facts.number:06d}",
    "partial_pictures": lambda facts: [facts.get("picture")] * int(facts.ask("/partial_images", 0)),
    "picture": _picture,
    "picture_format": lambda facts: facts.ask("/output_format", "png"),
    "picture_size": _size,
    "pictures": _pictures,
    "pieces": lambda facts: _pieces(facts.get("text")),
    "queries": lambda facts: [query] if isinstance(query := facts.ask("/query", ""), str) else query,
    "request": _request,
    "session": lambda facts: facts.words["session"].encode(),
    "refusal": _refusal,
    "speaks": lambda facts: not facts.get("tool_call") and not facts.get("refusal"),
    "spoken": lambda facts: facts.words["transcript"],
    "spoken_pieces": lambda facts: _pieces(facts.words["transcript"]),
    "spoken_text": lambda facts: facts.get("text") if facts.get("speaks") else "",
    "spritesheet": lambda facts: picture("jpeg", 320, 180),
    "text": _text,
    "thumbnail": lambda facts: picture("webp", 320, 180),
    "tokens_all": lambda facts: facts.get("tokens_in") + facts.get("tokens_out"),
    "tokens_in": lambda facts: len(_read(facts).split()),
    "tokens_out": lambda facts: len(facts.get("pieces")),
    "tool_call": _tool_call,
    "vectors": _vectors,
    "verdicts": _verdicts,
    "video": lambda facts: mp4(),
}
