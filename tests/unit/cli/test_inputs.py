"""What is typed becomes values of the types that the schema asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json import dumps
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import open_connector
from kosha_connector_openai.cli.inputs import Given, read_inputs
from kosha_connector_openai.errors import InputError

Read = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """Reads the inputs of an action."""
    with open_connector() as connector:
        yield lambda action, *arguments, **sources: read_inputs(connector.catalog[action], Given(arguments, **sources))


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("model=gpt-3.5-turbo-instruct", "model", "gpt-3.5-turbo-instruct"),
        ("prompt=Say this is a test", "prompt", "Say this is a test"),
        ("prompt=7", "prompt", "7"),
        ("prompt=true", "prompt", "true"),
        ("prompt=", "prompt", ""),
        ("prompt=a=b", "prompt", "a=b"),
        ("prompt=two\nlines", "prompt", "two\nlines"),
        ('prompt:=["a","b"]', "prompt", ["a", "b"]),
        ("prompt:=7", "prompt", 7),
        ("max_tokens=7", "max_tokens", 7),
        ("max_tokens=null", "max_tokens", None),
        ("temperature=0", "temperature", 0),
        ("temperature=0.5", "temperature", 0.5),
        ("stream=true", "stream", True),
        ('logit_bias={"50256": -100}', "logit_bias", {"50256": -100}),
        ("unheard_of=7", "unheard_of", "7"),
        ("unheard_of:=7", "unheard_of", 7),
        ("seed=12345678901234567890123", "seed", 12345678901234567890123),
    ],
)
def test_typed_by_the_schema(read: Read, argument: str, name: str, value: Any) -> None:
    """Text fields take text as it is, other fields parse JSON, ``:=`` parses JSON everywhere; types are exact."""
    found = read("createCompletion", argument)
    assert found == {name: value}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("arguments", "pointer", "rule"),
    [
        (["logit_bias={"], "/logit_bias", "json"),
        (['logit_bias={"a":1,"a":2}'], "/logit_bias/a", "duplicate"),
        (["prompt:=[1,"], "/prompt", "json"),
        (["prompt:=NaN"], "/prompt", "finite"),
        (["prompt=a", "prompt=b"], "/prompt", "twice"),
        (["prompt=a", "prompt:=1"], "/prompt", "twice"),
        (["prompt=@/nowhere/at/all"], "/prompt", "file"),
    ],
)
def test_refused(read: Read, arguments: list[str], pointer: str, rule: str) -> None:
    """What cannot be read is refused with its pointer and rule, and its value is in no message."""
    with pytest.raises(InputError) as caught:
        read("createCompletion", *arguments)
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [(pointer, rule)]


def test_all_faults_at_once(read: Read) -> None:
    """Every fault is told, not only the first."""
    with pytest.raises(InputError) as caught:
        read("createCompletion", "logit_bias={", "stream_options=[", "prompt:=1,")
    assert [fault.pointer for fault in caught.value.faults] == ["/logit_bias", "/stream_options", "/prompt"]


def test_text_for_a_number_is_left_to_the_check(read: Read) -> None:
    """What is no number stays text, so that the check names it together with all other faults."""
    assert read("createCompletion", "temperature=warm")["temperature"] == "warm"


@pytest.mark.parametrize("argument", ["model", "", "=x", ":=1"])
def test_not_an_input(read: Read, argument: str) -> None:
    """What has no name or no sign is a mistake on the command line."""
    with pytest.raises(typer.BadParameter):
        read("createCompletion", argument)


def test_text_and_json_from_files(read: Read, tmp_path: Path) -> None:
    """``@`` reads the text of a text field and the JSON of another one, to the byte."""
    (tmp_path / "prompt.txt").write_bytes("Gr\u00fc\u00dfe\r\n".encode())
    (tmp_path / "bias.json").write_text('{"1": 2}')
    found = read("createCompletion", f"prompt=@{tmp_path}/prompt.txt", f"logit_bias=@{tmp_path}/bias.json")
    assert found == {"prompt": "Gr\u00fc\u00dfe\r\n", "logit_bias": {"1": 2}}


def test_not_utf8(read: Read, tmp_path: Path) -> None:
    """A file that is not UTF-8 is no text."""
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(InputError) as caught:
        read("createCompletion", f"prompt=@{tmp_path}/latin")
    assert caught.value.faults[0].rule == "utf-8"


def test_file_fields(read: Read, tmp_path: Path) -> None:
    """A file field takes a file, which must be there; text in its place is refused with the right way to write it."""
    (tmp_path / "speech.wav").write_bytes(b"RIFF")
    found = read("createTranscription", f"file=@{tmp_path}/speech.wav", "model=whisper-1")
    assert (found["file"].name, found["file"].path, b"".join(found["file"].chunks())) == ("speech.wav", tmp_path / "speech.wav", b"RIFF")
    with pytest.raises(InputError) as caught:
        read("createTranscription", f"file=@{tmp_path}/none.wav")
    assert (caught.value.faults[0].pointer, caught.value.faults[0].rule) == ("/file", "file")
    with pytest.raises(InputError) as caught:
        read("createTranscription", "file=speech.wav")
    assert caught.value.faults[0].fix == "Write `file=@PATH`."


def test_merged_sources(read: Read, tmp_path: Path) -> None:
    """A file, inline JSON and arguments add up."""
    (tmp_path / "in.json").write_text('{"model": "m"}')
    found = read("createCompletion", "n=2", file=str(tmp_path / "in.json"), inline='{"prompt": ["a"]}')
    assert found == {"model": "m", "prompt": ["a"], "n": 2}


def test_twice_over_sources(read: Read) -> None:
    """No source wins over another: the same name twice is an error."""
    with pytest.raises(InputError) as caught:
        read("createCompletion", "model=b", inline='{"model": "a"}')
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/model", "twice")]


@pytest.mark.parametrize("inline", ["[1]", '"text"', "{", '{"a":1,"a":2}'])
def test_inline_must_be_an_object(read: Read, inline: str) -> None:
    """Whole inputs are one strict JSON object."""
    with pytest.raises(InputError):
        read("createCompletion", inline=inline)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4))
@settings(max_examples=50, deadline=None)
def test_any_text_survives(read: Read, value: dict[str, str]) -> None:
    """Whatever text is given for an input arrives as it is."""
    assert read("createCompletion", inline=dumps({"extra_body": value})) == {"extra_body": value}


@given(st.text(max_size=50).filter(lambda text: not text.startswith("@")))
@settings(max_examples=50, deadline=None)
def test_any_prompt_survives(read: Read, text: str) -> None:
    """A text field takes any text but one that begins with ``@``."""
    assert read("createCompletion", f"prompt={text}") == {"prompt": text}
