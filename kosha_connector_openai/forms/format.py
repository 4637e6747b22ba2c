"""The form format, version 1, as closed models: what docs/form.schema.json and docs/forms.md are made from. Forms themselves are plain
values; a test holds every one of them to this."""

from __future__ import annotations

from typing import Any, Literal

from kosha_connector_openai.manifest import Field, Part, json_schema
from kosha_connector_openai.manifest.parts import GroupName, Source, Visibility, Widget

Type = Literal["string", "integer", "number", "boolean", "object", "array", "null", "any"]
Origin = Literal["spec", "overlay", "default"]


class Option(Part):
    """One listed value."""

    value: Any
    label: str


class FileFacts(Part):
    """What a file field takes."""

    sources: tuple[Source, ...] = Field(
        description="How JSON may give the file; `path` only where whoever runs the connector allows paths."
    )
    types: tuple[str, ...] = Field(default=(), description="Media types; `image/*` stands for all of a kind.")
    extensions: tuple[str, ...] = ()
    max_bytes: int | None = Field(default=None, description="The most bytes of one file.")


class Condition(Part):
    """One condition. A field left out counts as its default for `in`."""

    field: str = Field(description="A field beside this one.")
    in_: tuple[Any, ...] | None = Field(default=None, alias="in", description="It has one of these values.")
    given: bool | None = Field(default=None, description="It is filled in, or it is not.")


class FormShape(Part):
    """What a value looks like: of a field, a list's entry, a map's value, a variant or a definition."""

    label: str | None = None
    widget: Widget
    type: Type | None = Field(default=None, description="JSON type of the value; absent beside `$ref`, `any` where several are possible.")
    ref: str | None = Field(default=None, alias="$ref", description="The rest of the shape stands under this name in the form's `$defs`.")
    nullable: bool = Field(default=False, description="null is a value too, other than leaving the field out.")
    raw: bool = Field(default=False, description="Offer to enter the value as JSON.")
    fields: tuple[FormField, ...] = Field(default=(), description="Of an object, in order.")
    closed: bool = Field(default=False, description="The object takes no other names.")
    values: FormShape | None = Field(default=None, description="Of key-value: what each name holds.")
    items: FormShape | None = Field(default=None, description="Of a list: each entry.")
    variants: tuple[Variant, ...] = Field(default=(), description="Of variants: choose one.")
    discriminator: str | None = Field(default=None, description="The property that tells the variants that are objects apart.")
    enum: tuple[Option, ...] = ()
    open: bool = Field(default=False, description="Other texts than the listed ones are taken too.")
    constant: Any = Field(default=None, description="The only value there is; fill it in.")
    file: FileFacts | None = None
    multiple: bool = Field(default=False, description="Several files may be given, as a list.")
    date: Literal["date", "date-time", "unix"] | None = Field(default=None, description="RFC 3339 text, or seconds since 1970.")
    format: str | None = Field(default=None, description="Format of a text, such as uri.")
    pattern: str | None = Field(default=None, description="ECMA 262 pattern of a text.")
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = Field(default=None, description="An exclusive minimum.")
    below: float | None = Field(default=None, description="An exclusive maximum.")
    step: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = Field(default=None, description="Fewest entries, or names of a map.")
    max_items: int | None = None
    unique: bool = False


class Variant(FormShape):
    """One of several shapes of a value."""

    id: str = Field(description="Stable within its list: the discriminator's value, a type or a definition's name.")
    label: str = Field()
    help: str = Field(default="", description="CommonMark: text, `code` and links.")
    when: dict[str, Any] = Field(description="A JSON Schema; the first variant whose schema a value fits is the value's.")


class FormField(FormShape):
    """One field. An action's own fields have `group` and `location` besides."""

    name: str = Field(description="Key of the value among the inputs, or in its object: the API's own name. Show it beside the label.")
    label: str = Field(description="The field's term, in the words of its name.")
    help: str = Field(default="", description="CommonMark: text, `code` and links.")
    placeholder: str | None = None
    example: Any = None
    default: Any = Field(
        default=None, description="By `origin`: `spec` is what the provider takes if nothing is sent, `overlay` is to be filled in."
    )
    order: int = Field(description="From 1.")
    group: GroupName | None = None
    visibility: Visibility = Field(description="`internal` fields are not shown; what they hold is in `constant`.")
    required: bool
    units: str | None = None
    secret: bool = False
    expression: bool = Field(description="A workflow's expression may stand in place of the value.")
    visible_when: tuple[Condition, ...] = Field(default=(), description="Show and send the field only where all of these hold.")
    required_when: tuple[Condition, ...] = Field(default=(), description="Ask for the field where all of these hold.")
    excludes: tuple[str, ...] = Field(default=(), description="Fields that must be left out where this one is filled in.")
    options: str | None = Field(default=None, description="The picker that offers values, by name.")
    models: tuple[ModelRule, ...] = Field(default=(), description="What is known of models and this field.")
    deprecated: bool = False
    location: Literal["path", "query", "header", "body", "extra"] | None = None
    media_types: tuple[str, ...] = Field(default=(), description="The bodies that have the field, where the action takes several kinds.")
    origin: dict[str, Origin] = Field(description="Fact -> who says so: the description, the manifest, or a rule of ours.")


class ModelRule(Part):
    """What some models make of a field, as far as is known: a warning to show, never a reason to refuse."""

    does: Literal["hide", "rename", "allow", "require"] = Field(
        description="They do not take it; call it `to`; take only `values`, up to `most`, or no longer than `longest`; need it."
    )
    models: tuple[str, ...] = Field(description="Patterns of their names.")
    but: tuple[str, ...] = Field(default=(), description="Patterns of names that are not meant.")
    to: str | None = Field(default=None, description="What the field is called there.")
    values: tuple[str | bool | int | float, ...] = Field(default=(), description="The values that are taken; texts may be patterns.")
    most: float | None = Field(default=None, description="The greatest number.")
    longest: int | None = Field(default=None, description="The most characters of a text, or entries of a list.")
    when: tuple[Condition, ...] = Field(default=(), description="The rule speaks only where all of these hold.")
    reason: str
    source: str = Field(description="Where the fact comes from.")
    url: str | None = None
    date: str | None = Field(default=None, description="When the fact was true.")


class ModelField(Part):
    """Where the model is chosen, and how its name is matched."""

    field: str = Field(description="The field that names the model.")
    derived: tuple[str, ...] = Field(description="Beginnings of the names of trained models; what follows them is matched.")


class FormGroup(Part):
    """A part of the form."""

    id: GroupName
    label: str


class Deprecated(Part):
    """The action should not be used any more."""

    replacement: str | None


class Raw(Part):
    """The whole form may be entered as one JSON value in place of the fields."""

    scope: Literal["inputs"]
    type: Literal["object"]


class FormDocument(Part):
    """A form."""

    form_version: Literal[1]
    action: str
    task: str | None = Field(default=None, description="Of a task's form: its name. Then `action` is what it runs.")
    title: str
    summary: str
    help: str = Field(default="", description="CommonMark: text, `code` and links.")
    deprecated: Deprecated | None = None
    groups: tuple[FormGroup, ...]
    raw: Raw
    models: ModelField | None = Field(default=None, description="Where fields have `models`: which field they depend on.")
    fields: tuple[FormField, ...]
    defs: dict[str, FormShape] = Field(
        alias="$defs", description="Shapes by name, which `$ref` leads to; they may refer to each other and to themselves."
    )


def format_schema() -> dict[str, Any]:
    """The format as JSON Schema 2020-12."""
    schema = json_schema(FormDocument)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Form of a Kosha action, version 1"} | {
        key: value for key, value in schema.items() if key != "title"
    }
