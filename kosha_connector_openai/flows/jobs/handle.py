"""The handle of a job: all that another process needs to go on with it, as JSON; it holds no secret and no input text."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import Fault, InputError, OriginError
from kosha_connector_openai.text import loads_strict, model_faults

Text = Annotated[str, Field(min_length=1, max_length=1_000)]
NAME = r"^[a-z0-9_]{1,64}-[0-9]{14}-[0-9a-f]{8}$"
Phase = Literal["sending", "started", "ended"]


class Source(BaseModel):
    """The file of an upload, and which of its parts are there: index (from 0) -> the upstream's id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str | None = Field(default=None, max_length=4_096)
    name: Text
    size: int = Field(ge=0)
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    part_size: int = Field(ge=1)
    parts: dict[int, Text] = Field(default_factory=dict, max_length=100_000)
    finishing: bool = False
    """The request that joins the parts was sent; set before it is."""


class Handle(BaseModel):
    """All that another process needs to go on with a long job, as JSON-ready values without a secret.

    ``phase`` is ``sending`` until the answer that names the job is kept: a process that died in between left a job that may run.
    ``connection`` is the name that the caller has for its connection; ``spec`` is the digest of the description it was started with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kosha_job: Literal[1] = 1
    name: Annotated[str, Field(pattern=NAME)]
    connector: Text
    kind: Text
    action: Text
    origin: Text
    connection: Annotated[str, Field(max_length=4_096)] | None = None
    created: Text
    spec: str = Field(default="", max_length=200)
    phase: Phase = "sending"
    ids: dict[str, Text] = Field(default_factory=dict, max_length=32)
    state: str | None = Field(default=None, max_length=200)
    """The last state that was seen."""
    marked: bool = False
    """Whether the job carries ``name`` in its metadata, so that it can be found again."""
    source: Source | None = None

    def to_dict(self) -> dict[str, Any]:
        """The handle as JSON-ready values."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_json(self) -> str:
        """The handle as JSON text."""
        return self.model_dump_json(exclude_none=True)

    def with_(self, **changes: Any) -> Handle:
        """The same handle with other values."""
        return self.model_copy(update=changes)


def new_handle(connector: Connector, connection: Connection, kind: str, action: str, name: str | None, **more: Any) -> Handle:
    """A handle for a job that is about to be started; ``name`` is the caller's name for the connection."""
    now = datetime.now(UTC)
    return Handle(
        name=f"{kind}-{now:%Y%m%d%H%M%S}-{secrets.token_hex(4)}",
        connector=connector.id,
        kind=kind,
        action=action,
        origin=str(connection.server.origin),
        connection=name,
        created=now.isoformat(timespec="seconds"),
        spec=connector.catalog_of(connection).document.digest,
        **more,
    )


def read_handle(value: Handle | Mapping[str, Any] | str | bytes) -> Handle:
    """The handle in JSON text or values; raises InputError with every fault."""
    if isinstance(value, Handle):
        return value
    raw = loads_strict(value, what="handle") if isinstance(value, (str, bytes)) else value
    try:
        return Handle.model_validate(raw)
    except ValidationError as error:
        faults = model_faults(error)
    # Raised out here: inside, the library's error would stay its context, and that one holds the values.
    raise InputError("This is no handle of a job.", faults, hint="Use the handle as it was handed out.")


def check_home(handle: Handle, connector: Connector, connection: Connection) -> None:
    """Refuses a handle of another connector or another server: its ids mean nothing here, or belong to somebody else."""
    if handle.connector != connector.id:
        raise InputError("The job belongs to another connector.", [Fault("/connector", "const", "names another connector.")])
    if handle.origin != str(connection.server.origin):
        raise OriginError(
            "The job was started at another server than the connection's.",
            [Fault("/origin", "const", "is not the connection's server.", "Use the connection that the job was started with.")],
        )
