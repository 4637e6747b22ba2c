"""``connector.yaml`` -> Manifest: who the connector is, how one connects, and what its operations mean beyond their description.

Everything that a provider does in its own way is data here; unknown keys are refused with the nearest known name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from kosha_connector_openai.manifest.checked import read_record
from kosha_connector_openai.manifest.error_body import ErrorBody
from kosha_connector_openai.manifest.part import Constraint, Field, Line, Name, Part, renamed
from kosha_connector_openai.manifest.reply_rules import ResultRules, StreamRules
from kosha_connector_openai.manifest.servers import Servers

Seconds = Annotated[float, Constraint(gt=0, le=86_400)]
PartName = Literal["forms", "pickers", "models", "outputs", "paging", "jobs", "tasks", "triggers", "relay", "sdk", "catalog"]


class Publisher(Part):
    """Who publishes and supports the connector."""

    name: Name
    url: str | None = None


class Icon(Part):
    """Files of the logo, relative to the manifest."""

    light: str
    dark: str | None = None


class Spec(Part):
    """The OpenAPI description beside the manifest; with ``sha256`` it must be exactly that file."""

    file: str = "openapi.json"
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class AuthRule(Part):
    """How one security scheme of the description is met: the scheme, and which connection field holds which part of it."""

    scheme: Name
    fields: Mapping[str, Name] = Field(default_factory=dict, description="Part of the scheme -> connection field.")
    settings: Mapping[str, str] = Field(default_factory=dict, description="Fixed settings, such as a header's name.")
    any_scheme: bool = Field(
        default=False, description="Meets every security scheme of the description, where the authentication type is this rule's scheme."
    )


class ConnectionField(Part):
    """One field of the connection form."""

    name: Name
    label: Line
    help: str = ""
    placeholder: str = ""
    secret: bool = Field(default=False, description="The field takes a secret reference, never the secret itself.")
    required: bool = False
    default: str | None = None
    env: tuple[str, ...] = Field(default=(), description="Environment variables that fill the field, the first set one wins.")
    header: str | None = Field(default=None, description="Request header that carries the value.")
    role: Literal["server", "auth_type", "server_kind"] | None = None
    aliases: tuple[str, ...] = Field(default=(), description="Earlier names of the field, which saved connections may hold.")

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """``raw`` with its role under its present name; ``server_kind`` was ``preset`` in 0.1, which is read until 0.2."""
        return {**raw, "role": "server_kind"} if isinstance(raw, Mapping) and raw.get("role") == "preset" else raw


class ConnectionTest(Part):
    """The action that shows whether a connection works, and what its failures mean: category -> advice."""

    action: Name
    inputs: Mapping[str, Any] = Field(default_factory=dict)
    advice: Mapping[str, Line] = Field(default_factory=dict)


class ConnectionForm(Part):
    """The fields that a user fills in, and the test of what they entered."""

    fields: tuple[ConnectionField, ...] = ()
    test: ConnectionTest | None = None


class Timeouts(Part):
    """Seconds. ``total`` ends a call whatever happens; the stream pair replaces read and total for event streams.

    Where an operator leaves ``total`` out, it is the action's in the manifest, else the standard one; ``stream_total`` is the operator's
    ``total`` then, else the standard one, half an hour. ``head`` is the wait for a reply's
    head once the request was sent, ``pool`` the wait for a free connection; without them ``total`` alone ends these. ``read`` is the pause
    between two pieces of a reply.
    """

    connect: Seconds = 5
    read: Seconds = 60
    write: Seconds = 30
    pool: Seconds | None = None
    head: Seconds | None = None
    total: Seconds | None = None
    stream_idle: Seconds = 60
    stream_total: Seconds | None = None


class Retries(Part):
    """How a call is tried again; seconds."""

    attempts: int = Field(default=3, ge=1, le=10)
    base: Seconds = 0.5
    cap: Seconds = 20
    retry_after_cap: Seconds = 120
    unsafe: bool = Field(default=False, description="Send a paid POST again even where it may already have run.")


class Limits(Part):
    """Bytes and counts; whatever can grow has one."""

    upload: int = 512 * 1024 * 1024
    body_json: int = Field(default=80 * 1024 * 1024, ge=1, description="A JSON body, and each value in it: a file of 50 MB as base64.")
    reply_json: int = 64 * 1024 * 1024
    reply_error: int = 64 * 1024
    reply_headers: int = 64 * 1024
    download: int = 2 * 1024 * 1024 * 1024
    stream: int = 256 * 1024 * 1024
    stream_event: int = Field(default=32 * 1024 * 1024, description="A picture comes as one event of one line.")
    connections: int = Field(default=100, ge=1)
    keepalive: float = Field(default=30, ge=0, le=300, description="Seconds that an idle connection is kept.")


class Defaults(Part):
    """What a connection starts from."""

    timeouts: Timeouts = Field(default_factory=Timeouts)
    retries: Retries = Field(default_factory=Retries)
    limits: Limits = Field(default_factory=Limits)
    large_body: str = Field(default="", max_length=500, description="What to send in place of a value that is too large for a body.")


class ErrorRule(Part):
    """The first rule that fits an error gives its meaning; what is left out fits all.

    An error without a status of 400 or above, as in a stream, has the status that its body names, or none: then only codes fit.
    """

    status: int | Literal["4XX", "5XX"] | None = None
    code: str | tuple[str, ...] | None = Field(default=None, description="The upstream's own code or type, or several of them.")
    category: Name
    retryable: bool = False
    advice: Line


class Group(Part):
    """A drawer of the palette; its order here is the order shown."""

    id: Name
    title: Name
    help: str = ""
    paid: bool = Field(default=False, description="Its POST actions cost money.")
    security: str | None = Field(default=None, description="Shown only for a connection that can meet this security scheme.")


class RequestRules(Part):
    """How lists and objects are written where OpenAPI leaves it open. What is not set is what the connector, then OpenAPI, says."""

    lists: Literal["name", "name[]", "name[0]"] | None = Field(
        default=None,
        description="Items of a list in forms, multipart and `deepObject`: the name repeated (OpenAPI), with `[]`, or with the index.",
    )
    objects: Literal["name[key]", "json"] | None = Field(
        default=None,
        description="Objects in forms and multipart: a field for each member, or one of JSON. OpenAPI: JSON in multipart.",
    )

    def over(self, other: RequestRules) -> RequestRules:
        """These rules, and where they say nothing the ``other`` ones."""
        return RequestRules(lists=self.lists or other.lists, objects=self.objects or other.objects)


class FieldOverlay(Part):
    """What people see of an input field, where the description's own words are not enough."""

    label: str | None = None
    help: str | None = None
    example: Any = None
    request: RequestRules = Field(default_factory=RequestRules)


class ActionOverlay(Part):
    """What the description of an operation cannot say, or says badly."""

    title: Name | None = None
    summary: Line | None = None
    group: Name | None = None
    featured: bool = False
    hidden: bool = False
    paid: bool | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    long_running: bool = False
    replacement: Name | None = None
    timeout: Seconds | None = Field(default=None, description="Total seconds, where the default is too short.")
    events: Mapping[str, Any] = Field(
        default_factory=dict, description="Inputs that ask for the answer as events, the first one's name decides."
    )
    request: RequestRules = Field(default_factory=RequestRules)
    given_back: tuple[str, ...] = Field(
        default=(), description="Fields of the body that take parts of earlier answers, by pointer: nulls and unknown types pass there."
    )
    fields: Mapping[str, FieldOverlay] = Field(default_factory=dict)


class Manifest(Part):
    """A whole ``connector.yaml``."""

    schema_version: Literal[1] = 1
    id: Annotated[str, Constraint(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    title: Name
    version: Annotated[str, Constraint(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$", max_length=100)]
    tagline: Line
    description: str = ""
    publisher: Publisher
    license: Name
    icon: Icon | None = None
    maturity: Literal["alpha", "beta", "stable", "deprecated"] = "stable"
    categories: tuple[Name, ...] = ()
    keywords: tuple[Name, ...] = ()
    links: Mapping[str, str] = Field(default_factory=dict)
    spec: Spec = Field(default_factory=Spec)
    servers: Servers = Field(default_factory=Servers)
    auth: Mapping[str, AuthRule] = Field(default_factory=dict, description="Security scheme of the description -> rule.")
    connection: ConnectionForm = Field(default_factory=ConnectionForm)
    defaults: Defaults = Field(default_factory=Defaults)
    errors: tuple[ErrorRule, ...] = ()
    error_body: ErrorBody = Field(default_factory=ErrorBody)
    request: RequestRules = Field(default_factory=RequestRules)
    result: ResultRules = Field(default_factory=ResultRules)
    streams: StreamRules = Field(default_factory=StreamRules)
    groups: tuple[Group, ...] = ()
    actions: Mapping[str, ActionOverlay] = Field(default_factory=dict, description="Operation id -> overlay.")
    parts: Mapping[PartName, str | Mapping[str, Any]] = Field(
        default_factory=dict,
        description="What only some uses need, read when they do: its name -> a file beside the manifest, or the part itself.",
    )

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """``raw`` with the part ``tasks`` under its present name; it was ``presets`` in 0.1, which is read until 0.2."""
        return {**raw, "parts": renamed(raw["parts"], "presets", "tasks")} if isinstance(raw, Mapping) and "parts" in raw else raw


def read_manifest(path: Path) -> Manifest:
    """The manifest in a YAML file; raises ManifestError with every fault and its JSON Pointer."""
    return read_record(path, Manifest)
