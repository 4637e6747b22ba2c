"""A request as a curl command that can be pasted into a shell: the key is named by its variable or file, never written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kosha_connector_openai import Preview
from kosha_connector_openai.core.connection import Credential
from kosha_connector_openai.core.request import FileBody, FileInput, FormPart, MultipartBody

MASK: Final = "********"
_EXPRESSIONS: Final[Mapping[str, str]] = {"env": "${}", "file": "$(cat {})"}
"""Store -> what a shell replaces by the secret; of other stores only a variable can be named."""


def to_curl(preview: Preview, credential: Credential | None, inputs: Mapping[str, Any]) -> str:
    """The command, one option a line. Files that did not come from a path are named as they are sent."""
    url = shlex.quote(preview.url)
    if credential is not None and credential.in_query:
        url = f'"{_escaped(preview.url).replace(MASK, _expression(credential))}"'
    parts = [f"curl -X {preview.method} {url}"]
    parts += [f"-H {_header(name, value, credential)}" for name, value in preview.headers if not _is_set_by_curl(name, value, preview)]
    if credential is not None and credential.scheme == "basic":
        parts.append(f'--user "{_escaped(credential.settings["username"])}:{_expression(credential)}"')
    return " \\\n  ".join([*parts, *_body(preview, inputs)])


def _is_set_by_curl(name: str, value: str, preview: Preview) -> bool:
    multipart = isinstance(preview.request.body, MultipartBody) and name.lower() == "content-type"
    return multipart or value == f"Basic {MASK}"


def _header(name: str, value: str, credential: Credential | None) -> str:
    if credential is None or MASK not in value:
        return shlex.quote(f"{name}: {value}")
    return f'"{_escaped(f"{name}: {value}").replace(MASK, _expression(credential))}"'


def _expression(credential: Credential) -> str:
    reference = next(iter(credential.references.values()))
    if credential.also:
        return "$SECRET"
    return _EXPRESSIONS.get(reference.scheme, "$SECRET").format(shlex.quote(reference.locator))


def _escaped(text: str) -> str:
    """For double quotes in a POSIX shell."""
    return re.sub(r'([\\"$`])', r"\\\1", text)


def _body(preview: Preview, inputs: Mapping[str, Any]) -> Iterator[str]:
    body = preview.request.body
    if isinstance(body, MultipartBody):
        given = {name: iter(value if isinstance(value, list) else [value]) for name, value in inputs.items()}
        yield from (_part(part, given.get(part.name.removesuffix("[]"), iter(()))) for part in body.parts)
    elif isinstance(body, FileBody):
        yield f"--data-binary {shlex.quote('@' + _path(body.file, inputs.get('body')))}"
    elif body is not None:
        yield f"--data-raw {shlex.quote(preview.body().decode('utf-8', 'replace'))}"


def _part(part: FormPart, given: Iterator[Any]) -> str:
    """One field; ``given`` are the inputs of its name that are still to be written."""
    if isinstance(part.value, FileInput):
        file = f"{part.name}=@{_quoted(_path(part.value, next(given, None)))}"
        return f"-F {shlex.quote(f'{file};type={part.value.content_type};filename={_quoted(part.value.name)}')}"
    text = part.value.decode("utf-8", "replace")
    if part.content_type:
        return f"-F {shlex.quote(f'{part.name}={_quoted(text)};type={part.content_type}')}"
    return f"--form-string {shlex.quote(f'{part.name}={text}')}"


def _path(file: FileInput, value: Any) -> str:
    return str(value.path) if isinstance(value, FileInput) and value.path else file.name


def _quoted(text: str) -> str:
    """In the quotes that curl itself knows, inside the argument of ``-F``."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
