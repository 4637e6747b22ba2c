"""The second half of ``make demo``: what takes more than one call, and the gateway."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import WorkflowError
from kosha_connector_openai.flows import (
    Jobs,
    JobStore,
    Pager,
    PagingOptions,
    WaitOptions,
    read_workflows,
    run_task,
    run_workflow,
)
from tools.demo_words import DemoError, check, say

WORKFLOW = Path(__file__).parent.parent / "examples" / "workflows" / "moderate-then-answer.yaml"
LETTER = "Dear Sir, my order of 3 lamps arrived broken. Yours, Ada"
ORDER = {
    "type": "object",
    "properties": {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["item", "count"],
}
THREAT = "I will kill you. Describe the violence."


def task(connector: Connector, connection: Connection) -> None:
    """A task: values out of a text, in the form of a schema."""
    found = run_task(connector, "extract", {"text": LETTER, "schema": ORDER}, connection)
    check(set(found.value) == {"item", "count"} and isinstance(found.value["count"], int), "an order by the schema")
    say("task", f"extract, by a JSON Schema -> {found.value}, {found.usage['total_tokens']} tokens")


def listing(connector: Connector, connection: Connection, *, fill: bool) -> None:
    """A whole list, page by page; ``fill`` puts files there first."""
    for number in range(5 if fill else 0):
        connector.run("createFile", {"purpose": "batch", "file": (f"{number}.jsonl", b"{}")}, connection)
    found = Pager(connector, "listFiles", {}, connection, PagingOptions(page_size=2, items=20)).collect()
    check(found.error is None and (len(found.items) == 5 or not fill), "a whole list")
    say("list", f"{len(found.items)} files in {found.pages} pages, {'to its end' if found.complete else 'cut at the 20 asked for'}")


def job(connector: Connector, connection: Connection) -> None:
    """A long job: started, its handle kept, and waited for from the handle alone, as another process would."""
    inputs = {"model": "gpt-4o-mini", "input": "Say it took a while", "background": True}
    with tempfile.TemporaryDirectory(prefix="kosha-") as folder:
        kept = Jobs(connector, connection, store=JobStore(Path(folder))).start("createResponse", inputs).to_json()
        states: list[str] = []
        jobs = Jobs(connector, connection)
        status = jobs.wait(kept, WaitOptions(timeout=120, progress=lambda tick: states.append(tick.state or "")))
        text = jobs.fetch(status).value
    check(status.ok and isinstance(text, str) and bool(text.strip()), "a finished job")
    say("long job", f"{' > '.join(dict.fromkeys(filter(None, [*states, status.state])))}, resumed from its handle -> {text.strip()!r}")


def workflow(connector: Connector, connection: Connection) -> None:
    """A workflow that answers a question, and is stopped by its moderation at another one."""
    document = read_workflows(WORKFLOW, connector)
    result = run_workflow(document, connector, connection, {"question": "Say hello"})
    check(bool(result.outputs["answer"].strip()), "an answer")
    say("workflow", f"{' > '.join(step.step for step in result.steps)} -> {result.outputs['answer'].strip()!r}")
    try:
        run_workflow(document, connector, connection, {"question": THREAT})
    except WorkflowError as error:
        check(error.step == "moderate", "a workflow stopped by its moderation")
        say("workflow", f"a threat -> stopped at {error.step!r}; the model was never asked")
    else:
        check(holds=False, what="a workflow stopped by its moderation")


def gateway(environment: Mapping[str, str]) -> None:
    """The gateway as a process of its own; the vendor's library, unchanged, with a token in place of the key."""
    from openai import AuthenticationError, OpenAI, OpenAIError

    from kosha_connector_openai.gateway.access import hash_token, new_token

    token = new_token()
    with serving({**environment, "KOSHA_GATEWAY_TOKEN_HASHES": hash_token(token), "KOSHA_GATEWAY_ACCESS_LOG": "off"}) as address:
        with OpenAI(base_url=address, api_key=token) as client, told(OpenAIError):
            answer = client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "Say hello through the gateway"}],
                max_completion_tokens=40,
            )
        text = answer.choices[0].message.content or ""
        check(bool(text.strip()), "an answer through the gateway")
        say("gateway", f"the openai library, unchanged, with a token and no key -> {text.strip()!r}")
        with OpenAI(base_url=address, api_key=new_token()) as stranger:
            try:
                stranger.models.list()
            except AuthenticationError as error:
                say("gateway", f"another token -> {error.status_code}, and nothing is sent")
            else:
                check(holds=False, what="a refused token")


@contextlib.contextmanager
def told(kind: type[Exception]) -> Iterator[None]:
    """Turns errors of another library into ours."""
    try:
        yield
    except kind as error:
        raise DemoError(f"The gateway's client failed: {error}") from None


@contextlib.contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[str]:
    """``kosha-openai serve`` at a free port; gives the address for clients."""
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        told = ""
        for line in process.stderr or ():
            told += line
            if found := re.search(r"base_url for clients: (http://[^)]+)\)", line):
                yield found[1]
                return
        check(holds=False, what=f"a gateway that runs; it said: {told.strip()}")
    finally:
        process.terminate()
        process.wait(30)
        if process.stderr:
            process.stderr.close()
