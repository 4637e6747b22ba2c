"""The `openai` package, unmodified: through the gateway it gives what it gives without one, call by call."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.gateway import TOKEN
from tests.offline import Offline, offline
from tests.service import Whole, whole

MESSAGES: Any = [{"role": "user", "content": "Say it works, with <angles> & ünïcode \U0001f600"}]
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00"
Scenario = Callable[[openai.OpenAI, Path], Any]


def plain(value: Any) -> Any:
    """What the SDK gave, as values that can be compared."""
    return value.to_dict(warnings=False) if hasattr(value, "to_dict") else value


def models(client: openai.OpenAI, _: Path) -> Any:
    listed = [model.id for model in client.models.list()]
    return listed, plain(client.models.retrieve(listed[0]))


def chat(client: openai.OpenAI, _: Path) -> Any:
    tools: Any = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}]
    return (
        plain(client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, seed=12345678901234567)),
        plain(client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, tools=tools)),
    )


def chat_streamed(client: openai.OpenAI, _: Path) -> Any:
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True})
    return [plain(chunk) for chunk in stream]


def chat_helper(client: openai.OpenAI, _: Path) -> Any:
    with client.chat.completions.stream(model="gpt-4o-mini", messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        return kinds, plain(stream.get_final_completion())


def responses(client: openai.OpenAI, _: Path) -> Any:
    made = client.responses.create(model="gpt-4o-mini", input="Say it works")
    return made.output_text, plain(made), plain(client.responses.retrieve(made.id)), client.responses.delete(made.id)


def responses_streamed(client: openai.OpenAI, _: Path) -> Any:
    with client.responses.stream(model="gpt-4o-mini", input="Say it works") as stream:
        events = [plain(event) for event in stream]
        return events, stream.get_final_response().output_text


def embeddings(client: openai.OpenAI, _: Path) -> Any:
    default = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    floats = client.embeddings.create(model="text-embedding-3-small", input="one", encoding_format="float")
    tokens = client.embeddings.create(model="text-embedding-3-small", input=[[1, 2, 3], [4]])
    raw = client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="one")
    assert isinstance(raw.http_response.json()["data"][0]["embedding"], str), "the SDK asks for base64"
    return plain(default), plain(floats), plain(tokens)


def files(client: openai.OpenAI, folder: Path) -> Any:
    content = b'{"custom_id": "a"}\r\n\xef\xbb\xbf{"custom_id": "b"}\n' * 5_000
    (folder / "ünï code.jsonl").write_bytes(content)
    made = client.files.create(file=folder / "ünï code.jsonl", purpose="batch")
    got = client.files.content(made.id).read()
    assert got == content
    listed = [plain(file) for file in client.files.list()]
    return plain(made), listed, plain(client.files.retrieve(made.id)), plain(client.files.delete(made.id))


def images(client: openai.OpenAI, _: Path) -> Any:
    made = client.images.generate(model="gpt-image-1", prompt="a cat", size="1024x1024")
    picture = ("a.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "image/png")
    edited = client.images.edit(model="gpt-image-1", image=[picture, picture], prompt="a hat")
    stream = client.images.generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=1)
    return plain(made), plain(edited), [plain(event) for event in stream]


def transcription(client: openai.OpenAI, _: Path) -> Any:
    found = []
    for shape in ("json", "text", "srt", "verbose_json", "vtt"):
        answer = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), response_format=shape)  # type: ignore[call-overload]
        found.append((shape, type(answer).__name__, plain(answer)))
    stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", WAV), stream=True)
    translated = client.audio.translations.create(model="whisper-1", file=io.BytesIO(WAV + b"x"), response_format="text")  # type: ignore[call-overload]
    return found, [plain(event) for event in stream], translated


def speech(client: openai.OpenAI, folder: Path) -> Any:
    whole_answer = client.audio.speech.create(model="tts-1", voice="alloy", input="It works").read()
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="It works") as answer:
        answer.stream_to_file(folder / "speech.mp3")
    assert (folder / "speech.mp3").read_bytes() == whole_answer
    return whole_answer


def batches(client: openai.OpenAI, _: Path) -> Any:
    file = client.files.create(file=("b.jsonl", b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}\n'), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h", metadata={"b": "1", "a": "2"})
    found = client.batches.retrieve(made.id)
    return plain(made), plain(found), [plain(batch) for batch in client.batches.list(limit=1)], plain(client.batches.cancel(made.id))


def fine_tuning(client: openai.OpenAI, _: Path) -> Any:
    file = client.files.create(file=("t.jsonl", b'{"messages":[]}\n' * 10), purpose="fine-tune")
    made = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id, suffix="x")
    events = [plain(event) for event in client.fine_tuning.jobs.list_events(made.id, limit=2)]
    listed = [plain(job) for job in client.fine_tuning.jobs.list()]
    return plain(made), events, listed, plain(client.fine_tuning.jobs.retrieve(made.id)), plain(client.fine_tuning.jobs.cancel(made.id))


def vector_stores(client: openai.OpenAI, _: Path) -> Any:
    file = client.files.create(file=("v.txt", b"words to find"), purpose="assistants")
    made = client.vector_stores.create(name="store", file_ids=[file.id])
    changed = client.vector_stores.update(made.id, name="other")
    added = client.vector_stores.files.create(made.id, file_id=file.id)
    found = [plain(hit) for hit in client.vector_stores.search(made.id, query="words")]
    return (
        plain(made),
        plain(changed),
        plain(added),
        found,
        [plain(s) for s in client.vector_stores.list()],
        plain(client.vector_stores.delete(made.id)),
    )


def uploads(client: openai.OpenAI, _: Path) -> Any:
    made = client.uploads.create(filename="big.jsonl", bytes=200_000, mime_type="application/jsonl", purpose="batch")
    parts = [client.uploads.parts.create(made.id, data=("part", byte * 100_000)) for byte in (b"a", b"b")]
    done = client.uploads.complete(made.id, part_ids=[part.id for part in parts])
    return plain(made), [plain(part) for part in parts], plain(done)


def moderation(client: openai.OpenAI, _: Path) -> Any:
    return plain(client.moderations.create(input="be kind"))


def failures(client: openai.OpenAI, _: Path) -> Any:
    found = []
    for call in (
        lambda: client.files.retrieve("file-missing"),
        lambda: client.models.retrieve("no-such-model"),
        lambda: client.batches.retrieve("batch_missing"),
    ):
        with pytest.raises(openai.APIStatusError) as error:
            call()
        found.append((type(error.value).__name__, error.value.status_code, error.value.body))
        assert error.value.request_id
    return found


def headers(client: openai.OpenAI, _: Path) -> Any:
    raw = client.models.with_raw_response.list()
    names = {name for name in raw.headers if name.startswith(("x-ratelimit", "openai-", "x-request-id"))} - {"openai-organization"}
    return sorted(names), raw.http_response.content


SCENARIOS: tuple[Scenario, ...] = (
    models, chat, chat_streamed, chat_helper, responses, responses_streamed, embeddings, files, images, transcription, speech, batches,
    fine_tuning, vector_stores, uploads, moderation, failures, headers,
)  # fmt: skip


@pytest.fixture
def direct() -> Iterator[Offline]:
    with offline() as running:
        yield running


@pytest.fixture
def gateway() -> Iterator[Whole]:
    with offline() as behind, whole(behind.url, key=behind.key) as running:
        yield running


def client(url: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=httpx.Client(trust_env=False, timeout=30))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_call_gives_what_it_gives_without_a_gateway(direct: Offline, gateway: Whole, tmp_path: Path):
    """Two equal sandboxes, one behind the gateway; the same calls in the same order: results equal, ids and all."""
    with client(direct.url, direct.key) as one, client(gateway.url, TOKEN) as other:
        for scenario in SCENARIOS:
            assert scenario(other, tmp_path) == scenario(one, tmp_path), scenario.__name__


async def test_the_asynchronous_client_streams_many_at_once(gateway: Whole):
    """Thirty streams side by side, each whole."""
    import asyncio

    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0, http_client=httpx.AsyncClient(trust_env=False, timeout=60)
    ) as made:

        async def one(number: int) -> str:
            text = ""
            stream = await made.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": f"{number}"}], stream=True
            )
            async for chunk in stream:
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
            return text

        texts = await asyncio.gather(*map(one, range(30)))
    assert all(text.startswith("This is the sandbox") for text in texts)


def test_a_wrong_token_is_the_libraries_own_error(gateway: Whole):
    """AuthenticationError, as for a wrong key; PermissionDenied for administration that this service cannot do."""
    with client(gateway.url, "wrong") as made, pytest.raises(openai.AuthenticationError) as error:
        made.models.list()
    assert error.value.code == "invalid_api_key"
    with client(gateway.url, TOKEN) as made, pytest.raises(openai.PermissionDeniedError):
        made.get("/organization/users", cast_to=object)


def test_inputs_that_break_the_description_are_bad_requests_with_param(gateway: Whole):
    """Refused here, in the shape that the library reads."""
    with client(gateway.url, TOKEN) as made, pytest.raises(openai.BadRequestError) as error:
        made.embeddings.create(model="m", input=[{"not": "text"}])  # type: ignore[list-item]
    assert error.value.param
    assert error.value.response.headers["x-kosha-request-id"]
