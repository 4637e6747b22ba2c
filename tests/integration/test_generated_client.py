"""A client that openapi-generator makes of the exported description chats, edits a picture and saves speech through the gateway.

Needs Java and the packages of requirements.txt (``make e2e`` installs these); skipped without them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kosha_connector_openai import open_connector
from kosha_connector_openai.exports import chosen_actions, write_openapi3
from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import TOKEN
from tests.service import whole

GENERATOR = Path(sys.executable).parent / "openapi-generator-cli"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
CALLS = """
import sys
import kosha_client
from kosha_client.models.create_chat_completion_request import CreateChatCompletionRequest
from kosha_client.models.create_speech_request import CreateSpeechRequest

url, token, picture, sound = sys.argv[1:]
with kosha_client.ApiClient(kosha_client.Configuration(host=url, access_token=token)) as client:
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    answer = kosha_client.ChatApi(client).create_chat_completion(CreateChatCompletionRequest.from_dict(asked))
    print(answer.choices[0].message.content)
    with open(picture, "rb") as file:
        edited = kosha_client.ImagesApi(client).create_image_edit(image=("cat.png", file.read()), prompt="A red hat")
    print(edited.data[0].b64_json[:11])
    spoken = CreateSpeechRequest.from_dict({"model": "tts-1", "input": "hi", "voice": "alloy"})
    with open(sound, "wb") as file:
        file.write(kosha_client.AudioApi(client).create_speech(spoken))
"""


@pytest.mark.e2e
@pytest.mark.slow
def test_a_generated_client_works(tmp_path: Path) -> None:
    """Generated in Python from OpenAPI 3.0.3, unmodified, with the gateway's token."""
    if not shutil.which("java") or not GENERATOR.exists():
        pytest.skip("Java or openapi-generator-cli is not here")
    with open_connector() as connector:
        actions = chosen_actions(connector, groups=("Chat", "Images", "Audio"))
        document = write_openapi3(connector.catalog.document.root, actions, server="/")
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    command = [GENERATOR, "generate", "-g", "python", "-i", tmp_path / "openapi.json", "-o", tmp_path / "client"]
    done = subprocess.run([*command, "--package-name", "kosha_client"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "calls.py").write_text(CALLS)
    with Sandbox() as sandbox, whole(sandbox.url, key=sandbox.key) as gateway:
        done = subprocess.run(
            [sys.executable, tmp_path / "calls.py", gateway.url, TOKEN, tmp_path / "cat.png", tmp_path / "hi.mp3"],
            env={"PYTHONPATH": str(tmp_path / "client"), "PATH": str(GENERATOR.parent)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "sandbox" in done.stdout
    assert "iVBORw0KGgo" in done.stdout
    assert (tmp_path / "hi.mp3").stat().st_size > 1_000
