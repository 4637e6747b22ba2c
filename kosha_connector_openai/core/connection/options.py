"""Options: what an operator may set for a connection beyond its form."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kosha_connector_openai.core.errors import Fault, SetupError
from kosha_connector_openai.core.nearest import nearest
from kosha_connector_openai.core.spec.manifest import Limits, Retries, Timeouts

EngineName = Literal["auto", "httpx", "httpx2", "aiohttp"]


class Options(BaseModel):
    """What an operator may set beyond the form. Nothing here can be set by a workflow's inputs.

    ``networks`` are private networks (such as ``10.1.0.0/16``) that a server may be in; public addresses may always be
    called, and with ``loopback`` this machine by the names that say so. ``headers`` go with every request. ``roots`` are folders that
    file inputs may be read from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    timeouts: Timeouts | None = None
    retries: Retries | None = None
    limits: Limits | None = None
    engine: EngineName = "auto"
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    loopback: bool = True
    allowed_origins: tuple[str, ...] = ()
    headers: Mapping[str, str] = Field(default_factory=dict)
    proxy: str | None = None
    ca_file: Path | None = None
    roots: tuple[Path, ...] = ()
    any_path: bool = False
    api_key_header: str = Field(default="api-key", description="Header of the key where the authentication type is API_KEY.")
    token_url: str = Field(default="", description="Where access tokens are renewed if the authentication type is OAUTH2.")
    tenant: str = ""


def read_options(values: Mapping[str, Any]) -> Options:
    """Options from plain values; raises SetupError naming each field that is wrong."""
    try:
        return Options.model_validate(values)
    except ValidationError as error:
        faults = [
            Fault("/" + "/".join(str(token) for token in entry["loc"]), entry["type"], f"{entry['msg']}.", _near(entry["loc"]))
            for entry in error.errors(include_input=False)
        ]
    # Raised out here: inside, the library's error would stay its context, and that one holds the values.
    raise SetupError("The connection's options are wrong.", faults)


def _near(location: tuple[int | str, ...]) -> str:
    near = nearest(str(location[-1]), Options.model_fields) if location else None
    return f"Did you mean `{near}`?" if near else ""
