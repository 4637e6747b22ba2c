"""Calls of frameworks as their documentation shows them; prints a JSON object: call -> what came of it, an error with ``!`` before.

The address and the token are in OPENAI_BASE_URL and OPENAI_API_KEY, as these frameworks read them.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

CHAT, RESPONSES = "gpt-4o-mini", "gpt-5.4"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
Calls = Iterator[tuple[str, Callable[[], object]]]


class Person(BaseModel):
    """What is asked for."""

    name: str
    age: int | None = None
    tags: list[str] = []


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def langchain_openai() -> Calls:
    """Chat, tools, structured output in both ways, pictures, files; the same over responses."""
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(model=CHAT)
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    file = {"type": "file", "source_type": "base64", "mime_type": "application/pdf", "data": "JVBERi0=", "filename": "a.pdf"}
    yield "invoke", lambda: chat.invoke("hi").content
    yield "stream", lambda: len(list(chat.stream("hi")))
    yield "schema", lambda: chat.with_structured_output(Person).invoke("Ann")
    yield "schema by tool", lambda: chat.with_structured_output(Person, method="function_calling").invoke("Ann")
    yield (
        "tools",
        lambda: chat.bind_tools([tool(add)], strict=True, tool_choice="any", parallel_tool_calls=False).invoke("1 and 2").tool_calls,
    )
    yield "log probabilities", lambda: chat.bind(logprobs=True, top_logprobs=2).invoke("hi").content
    yield "parts", lambda: chat.invoke([{"role": "user", "content": [{"type": "text", "text": "?"}, picture, file]}]).content
    response = ChatOpenAI(
        model=RESPONSES,
        use_responses_api=True,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    yield "responses", lambda: response.invoke("hi").content
    yield "responses stream", lambda: len(list(response.stream("hi")))
    yield "responses web search", lambda: response.bind_tools([{"type": "web_search"}]).invoke("hi").content
    turns = [("user", "hi"), ("assistant", "hello"), ("user", [{"type": "text", "text": "?"}, picture])]
    yield "responses turns", lambda: response.invoke(turns).content


def instructor() -> Calls:
    """Each of its ways to have a schema kept."""
    import instructor as library
    import openai

    messages = [{"role": "user", "content": "Ann"}]
    for mode in (library.Mode.TOOLS, library.Mode.TOOLS_STRICT, library.Mode.JSON_SCHEMA, library.Mode.RESPONSES_TOOLS):
        client = library.from_openai(openai.OpenAI(), mode=mode)
        create = client.chat.completions.create
        yield mode.name, lambda create=create: create(model=CHAT, response_model=Person, messages=messages, max_retries=0)


def agents() -> Calls:
    """A run, one that is streamed, one with a type."""
    from agents import Agent, Runner, function_tool, set_tracing_disabled

    set_tracing_disabled(True)
    agent = Agent(name="a", instructions="Be short.", tools=[function_tool(add)], model=RESPONSES)
    typed = Agent(name="b", output_type=Person, model=RESPONSES)

    async def streamed() -> int:
        return len([event async for event in Runner.run_streamed(agent, "hi", max_turns=2).stream_events()])

    yield "run", lambda: Runner.run_sync(agent, "hi", max_turns=2).final_output
    yield "stream", lambda: asyncio.run(streamed())
    yield "typed", lambda: Runner.run_sync(typed, "Ann", max_turns=2).final_output


def pydantic_ai() -> Calls:
    """Over chat and over responses."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

    for made in (OpenAIChatModel(CHAT), OpenAIResponsesModel(RESPONSES)):
        name = type(made).__name__
        agent, typed = Agent(made, system_prompt="Be short."), Agent(made, output_type=Person)

        async def streamed(agent: Any = agent) -> list[str]:
            async with agent.run_stream("hi") as run:
                return [text async for text in run.stream_text()]

        yield f"{name} run", lambda agent=agent: agent.run_sync("hi").output
        yield f"{name} typed", lambda typed=typed: typed.run_sync("Ann").output
        yield f"{name} stream", lambda streamed=streamed: asyncio.run(streamed())


def llama_index() -> Calls:
    """A completion, a chat, a stream."""
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI

    model, turns = OpenAI(model=CHAT, api_base=os.environ["OPENAI_BASE_URL"]), [ChatMessage(role="user", content="hi")]
    yield "complete", lambda: model.complete("hi")
    yield "chat", lambda: model.chat(turns)
    yield "stream", lambda: len(list(model.stream_chat(turns)))


def main() -> None:
    """Runs the calls of the frameworks that are named, as far as they are installed."""
    found: dict[str, str] = {}
    for framework in (langchain_openai, instructor, agents, pydantic_ai, llama_index):
        try:
            importlib.import_module(framework.__name__)
        except ImportError:
            continue
        for name, call in framework():
            try:
                found[f"{framework.__name__}: {name}"] = str(call())
            except Exception as error:  # whatever a framework raises is what its user sees
                found[f"{framework.__name__}: {name}"] = f"!{type(error).__name__}: {error}"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
