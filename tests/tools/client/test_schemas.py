"""Types: every shape of annotation that a client has, as JSON Schema, and those that the reader refuses by file and line."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.sdk.fault import SourceFault
from tests.tools.client.source import schema

TEXT = {"type": "string"}
REF = "#/components/schemas/"

PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("str", TEXT),
    ("int", {"type": "integer"}),
    ("float", {"type": "number"}),
    ("bool", {"type": "boolean"}),
    ("object", {}),
    ("builtins.object", {}),
    ("Any", {}),
    ("None", {"type": "null"}),
    ("bytes", {"type": "string", "format": "binary"}),
    ("moment", {"type": "string", "format": "date-time"}),
    ("datetime.datetime", {"type": "string", "format": "date-time"}),
    ("date", {"type": "string", "format": "date"}),
    ("UUID", {"type": "string", "format": "uuid"}),
    ("FileTypes", {"type": "string", "format": "binary"}),
    ("Base64FileInput", {"type": "string", "format": "byte"}),
    ("'str'", TEXT),
    ("List['int']", {"type": "array", "items": {"type": "integer"}}),
    ("list[str]", {"type": "array", "items": TEXT}),
    ("Iterable[str]", {"type": "array", "items": TEXT}),
    ("Sequence[str]", {"type": "array", "items": TEXT}),
    ("SequenceNotStr[str]", {"type": "array", "items": TEXT}),
    ("FrozenSet[str]", {"type": "array", "items": TEXT}),
    ("Iterable[Iterable[int]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
    ("Tuple[str, int]", {"type": "array", "prefixItems": [TEXT, {"type": "integer"}], "minItems": 2, "maxItems": 2}),
    ("Tuple[str, ...]", {"type": "array", "items": TEXT}),
    ("Dict[str, str]", {"type": "object", "additionalProperties": TEXT}),
    ("Dict[str, object]", {"type": "object", "additionalProperties": True}),
    ("Mapping[str, List[int]]", {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}}),
    ("Optional[str]", {"type": ["string", "null"]}),
    ("str | None", {"type": ["string", "null"]}),
    ("Union[str, None]", {"type": ["string", "null"]}),
    ("Optional[Optional[str]]", {"type": ["string", "null"]}),
    ("Optional[Any]", {}),
    ("Union[str, int]", {"anyOf": [TEXT, {"type": "integer"}]}),
    ("Union[str, Union[int, str]]", {"anyOf": [TEXT, {"type": "integer"}]}),
    ("Union[str]", TEXT),
    ("Union[str, List[str], None]", {"anyOf": [TEXT, {"type": "array", "items": TEXT}, {"type": "null"}]}),
    ("t.Optional[t.List[str]]", {"type": ["array", "null"], "items": TEXT}),
    ("str | Omit", TEXT),
    ("Optional[int] | NotGiven", {"type": ["integer", "null"]}),
    ("Literal['a']", {"type": "string", "const": "a"}),
    ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
    ("Literal['a', 'a']", {"type": "string", "enum": ["a"]}),
    ("Literal[1, -1]", {"type": "integer", "enum": [1, -1]}),
    ("Literal[True]", {"type": "boolean", "const": True}),
    ("Literal[True, False]", {"type": "boolean"}),
    ("Literal['a', 1]", {"type": ["string", "integer"], "enum": ["a", 1]}),
    ("Literal['a', None]", {"type": ["string", "null"], "enum": ["a", None]}),
    ("Optional[Literal['a']]", {"type": ["string", "null"], "enum": ["a", None]}),
    ("Union[Literal['a'], Literal['b']]", {"type": "string", "enum": ["a", "b"]}),
    (
        "Union[Literal['a'], Literal['b'], None]",
        {"type": "string", "enum": ["a", "b"]} | {"type": ["string", "null"], "enum": ["a", "b", None]},
    ),
    ("Union[str, Literal['a', 'b']]", {"anyOf": [TEXT, {"type": "string", "enum": ["a", "b"]}]}),
    ("Literal[True] | Literal[False]", {"type": "boolean"}),
    ("Required[str]", TEXT),
    ("Annotated[str, 'anything']", TEXT),
    (
        "Annotated[Union[str, moment], PropertyInfo(format='iso8601')]",
        {"anyOf": [TEXT, {"type": "string", "format": "date-time"}], "format": "date-time"},
    ),
    ("Annotated[int, FieldInfo(ge=1, lt=9)]", {"type": "integer", "minimum": 1, "exclusiveMaximum": 9}),
    ("Annotated[int, Ge(0), Le(5)]", {"type": "integer", "minimum": 0, "maximum": 5}),
    ("Annotated[str, FieldInfo(min_length=1, pattern='^a')]", {"type": "string", "minLength": 1, "pattern": "^a"}),
    ("Annotated[List[str], MaxLen(4)]", {"type": "array", "items": TEXT, "maxItems": 4}),
]


@pytest.mark.parametrize(("annotation", "expected"), PLAIN, ids=[annotation for annotation, _ in PLAIN])
def test_annotation_is_a_schema(annotation: str, expected: dict[str, Any]) -> None:
    """Each shape has one schema; what stands for "not given" is no value."""
    assert schema(annotation)[0] == expected


def component(definitions: str, name: str = "Sample", more: dict[str, str] | None = None) -> dict[str, Any]:
    """The component that a name of these definitions becomes."""
    found, components = schema(name, definitions, more)
    assert found["$ref"].startswith(REF)
    return components[found["$ref"].removeprefix(REF)]


CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "typed dict, all required": ("class Sample(TypedDict):\n  a: str", {"required": ["a"], "properties": {"a": TEXT}}),
    "typed dict, none required": ("class Sample(TypedDict, total=False):\n  a: str", {"properties": {"a": TEXT}}),
    "Required in one that is not total": (
        "class Sample(TypedDict, total=False):\n  a: Required[str]",
        {"required": ["a"], "properties": {"a": TEXT}},
    ),
    "NotRequired in a total one": ("class Sample(TypedDict):\n  a: NotRequired[str]", {"properties": {"a": TEXT}}),
    "Required inside Annotated": (
        "class Sample(TypedDict, total=False):\n  a: Annotated[Required[str], PropertyInfo(alias='b')]",
        {"required": ["b"], "properties": {"b": TEXT}},
    ),
    "Annotated inside Required": (
        "class Sample(TypedDict, total=False):\n  a: Required[Annotated[str, PropertyInfo(alias='b')]]",
        {"required": ["b"], "properties": {"b": TEXT}},
    ),
    "Required in a text": ("class Sample(TypedDict, total=False):\n  a: 'Required[str]'", {"required": ["a"], "properties": {"a": TEXT}}),
    "ReadOnly": ("class Sample(TypedDict):\n  a: ReadOnly[str]", {"required": ["a"], "properties": {"a": TEXT}}),
    "total counts for a class alone": (
        "class Base(TypedDict):\n  a: str\nclass Sample(Base, total=False):\n  b: str",
        {"required": ["a"], "properties": {"a": TEXT, "b": TEXT}},
    ),
    "a field told again": (
        "class Base(TypedDict):\n  a: str\nclass Sample(Base):\n  a: int",
        {"required": ["a"], "properties": {"a": {"type": "integer"}}},
    ),
    "two bases, the first before the second": (
        "class A(TypedDict):\n  a: str\nclass B(TypedDict):\n  a: int\nclass Sample(A, B):\n  pass",
        {"required": ["a"], "properties": {"a": TEXT}},
    ),
    "in the form of a call, odd names": (
        "Sample = TypedDict('Sample', {'async': bool, 'a-b': 'Required[str]'}, total=False)",
        {"required": ["a-b"], "properties": {"async": {"type": "boolean"}, "a-b": TEXT}},
    ),
    "a base in the form of a call": (
        "_Base = TypedDict('_Base', {'in': str})\nclass Sample(_Base, total=False):\n  a: str",
        {"required": ["in"], "properties": {"in": TEXT, "a": TEXT}},
    ),
    "closed": (
        "class Sample(TypedDict, closed=True):\n  a: str",
        {"required": ["a"], "properties": {"a": TEXT}, "additionalProperties": False},
    ),
    "extra items": (
        "class Sample(TypedDict, extra_items=int):\n  a: str",
        {"required": ["a"], "properties": {"a": TEXT}, "additionalProperties": {"type": "integer"}},
    ),
    "model, required unless it has a default": (
        "class Sample(BaseModel):\n  a: str\n  b: Optional[str] = None",
        {"required": ["a"], "properties": {"a": TEXT, "b": {"type": ["string", "null"]}}},
    ),
    "model, default of its own": ("class Sample(BaseModel):\n  a: str = 'x'", {"properties": {"a": {"type": "string", "default": "x"}}}),
    "model, default is no value": ("class Sample(BaseModel):\n  a: str = FieldInfo(...)", {"required": ["a"], "properties": {"a": TEXT}}),
    "model, default by function": (
        "class Sample(BaseModel):\n  a: List[str] = FieldInfo(default_factory=list)",
        {"properties": {"a": {"type": "array", "items": TEXT}}},
    ),
    "model, alias": (
        "class Sample(BaseModel):\n  schema_: str = FieldInfo(alias='schema')",
        {"required": ["schema"], "properties": {"schema": TEXT}},
    ),
    "model, alias and default": (
        "class Sample(BaseModel):\n  a: Optional[str] = FieldInfo(alias='a/b', default=None)",
        {"properties": {"a/b": {"type": ["string", "null"]}}},
    ),
    "model, bounds": (
        "class Sample(BaseModel):\n  a: int = FieldInfo(ge=1)",
        {"required": ["a"], "properties": {"a": {"type": "integer", "minimum": 1}}},
    ),
    "model, methods and class variables": (
        (
            "class Sample(BaseModel):\n  __test__ = False\n  kind: ClassVar[str] = 'x'\n  _hidden: int = 1\n  a: str\n"
            "  @property\n  def b(self) -> str:\n    return 'b'"
        ),
        {"required": ["a"], "properties": {"a": TEXT}},
    ),
    "model, open to further fields": (
        (
            "class Sample(BaseModel):\n  a: str\n  if TYPE_CHECKING:\n    __pydantic_extra__: Dict[str, object] = FieldInfo(init=False)\n"
            "    def __getattr__(self, n: str) -> object: ...\n  else:\n    __pydantic_extra__: Dict[str, object]"
        ),
        {"required": ["a"], "properties": {"a": TEXT}, "additionalProperties": True},
    ),
    "model, a field named as a type": (
        "class Sample(BaseModel):\n  object: Literal['x']\n  b: Dict[str, builtins.object]",
        {
            "required": ["object", "b"],
            "properties": {"object": {"type": "string", "const": "x"}, "b": {"type": "object", "additionalProperties": True}},
        },
    ),
    "model, base of another": (
        "class Base(BaseModel):\n  a: str\nclass Sample(Base):\n  b: str",
        {"required": ["a", "b"], "properties": {"a": TEXT, "b": TEXT}},
    ),
    "a sentence is no field": (
        "class Sample(TypedDict):\n  'Words.'\n  a: str\n  'More words.'",
        {"required": ["a"], "properties": {"a": TEXT}},
    ),
}


@pytest.mark.parametrize(("definitions", "expected"), CLASSES.values(), ids=CLASSES)
def test_class_is_an_object(definitions: str, expected: dict[str, Any]) -> None:
    """Fields, what is required, other names on the wire, inheritance, what may come besides; nothing else of a class."""
    assert component(definitions) == {"type": "object", **expected}


def test_enum_class_is_its_values() -> None:
    """Of an enum only the values are on the wire."""
    assert component("class Sample(str, Enum):\n  A = 'a'\n  B = 'b'") == {"type": "string", "enum": ["a", "b"]}


@pytest.mark.parametrize(
    "definitions",
    [
        "Sample: TypeAlias = Union[str, int]",
        "Sample = Union[str, int]",
        "if TYPE_CHECKING:\n  Sample = Union[str, int]\nelse:\n  Sample = str",
    ],
)
def test_alias_is_a_component(definitions: str) -> None:
    """A name of a type keeps its name; what a type checker sees counts."""
    assert component(definitions) == {"anyOf": [TEXT, {"type": "integer"}]}


def test_second_name_is_the_first_thing() -> None:
    """`A = B` makes no second component."""
    found, components = schema("Sample", "class Real(TypedDict):\n  a: str\nSample = Real")
    assert found == {"$ref": f"{REF}SampleReal"}
    assert list(components) == ["SampleReal"]


def test_optional_component_is_a_union_with_null() -> None:
    """A reference has no `type` that null could join."""
    assert schema("Optional[Sample]", "class Sample(TypedDict):\n  a: str")[0] == {"anyOf": [{"$ref": f"{REF}Sample"}, {"type": "null"}]}


def test_type_may_contain_itself() -> None:
    """Classes and aliases that are recursive refer to themselves."""
    made = component("class Sample(TypedDict):\n  children: List[Sample]\n  any: 'Tree'\nTree: TypeAlias = Union[str, Dict[str, 'Tree']]")
    assert made["properties"]["children"] == {"type": "array", "items": {"$ref": f"{REF}Sample"}}
    _, components = schema("Tree", "Tree: TypeAlias = Union[str, Dict[str, 'Tree']]")
    assert components["SampleTree"]["anyOf"][1] == {"type": "object", "additionalProperties": {"$ref": f"{REF}SampleTree"}}


@pytest.mark.parametrize(
    "annotation",
    ["Annotated[Union[A, B], PropertyInfo(discriminator='type')]", "Annotated[Union[A, B, None], PropertyInfo(discriminator='type')]"],
)
def test_discriminator_names_its_property(annotation: str) -> None:
    """It stands beside the branches with a name; null stays outside."""
    definitions = "class A(TypedDict):\n  type: Literal['a']\nclass B(TypedDict):\n  type: Literal['b']"
    found, _ = schema(annotation, definitions)
    whole = {"anyOf": [{"$ref": f"{REF}SampleA"}, {"$ref": f"{REF}SampleB"}], "discriminator": {"propertyName": "type"}}
    assert found == (whole if "None" not in annotation else {"anyOf": [whole, {"type": "null"}]})


def test_discriminator_of_a_field() -> None:
    """A field says it as an alias does."""
    made = component(
        "class A(BaseModel):\n  type: Literal['a']\n"
        "class Sample(BaseModel):\n  a: Annotated[Union[A, str], PropertyInfo(discriminator='type')]"
    )
    assert made["properties"]["a"]["discriminator"] == {"propertyName": "type"}


def test_generic_class_has_its_argument_in_place() -> None:
    """A type variable stands for what is given; without that for anything."""
    definitions = (
        "T = TypeVar('T')\nclass Box(GenericModel, Generic[T]):\n  held: T\n  many: List[T]\nclass Sample(Box[T], Generic[T]):\n  b: str"
    )
    found, _ = schema("Sample[int]", definitions)
    assert found["properties"] == {"held": {"type": "integer"}, "many": {"type": "array", "items": {"type": "integer"}}, "b": TEXT}
    assert component(definitions)["properties"]["held"] == {}


def test_names_come_from_other_modules() -> None:
    """Relative imports, submodules, names through a package, other names on import, imports for type checkers only."""
    definitions = """
    from . import other
    from .other import Thing as Renamed
    from .folder import Deep
    from .folder import deep as module
    if TYPE_CHECKING:
        from .other import Late
    class Sample(TypedDict):
        a: other.Thing
        b: Renamed
        c: Deep
        d: module.Deep
        e: Late
    """
    others = {
        "types/other": "from typing_extensions import TypedDict\nclass Thing(TypedDict):\n    x: str\nclass Late(TypedDict):\n    y: str",
        "types/folder/__init__": "from .deep import Deep as Deep",
        "types/folder/deep": "from ..other import Thing\nclass Deep(Thing):\n    pass",
    }
    found = component(definitions, more=others)
    names = [value["$ref"].removeprefix(REF) for value in found["properties"].values()]
    assert names == ["OtherThing", "OtherThing", "Deep", "Deep", "OtherLate"]


UNKNOWN = {
    "a name from nowhere": ("Missing", "", "Missing"),
    "a type of another library": ("Array", "from numpy import Array", "numpy.Array"),
    "a generic of another library": ("Array[int]", "from numpy import Array", "Array[int]"),
    "a name that its module has not": ("Missing", "from .thing import Missing", "Missing"),
    "a class that is no data": ("Sample", "class Sample:\n  a: str", "neither a TypedDict, a model nor an enum"),
    "a base that is not known": ("Sample", "from x import Base\nclass Sample(Base):\n  a: str", "Base"),
    "a field that is not known": ("Sample", "class Sample(TypedDict):\n  a: Missing", "Missing"),
    "no annotation": ("'str['", "", "no annotation"),
    "a value in a Literal that is no constant": ("Literal[X]", "X = 1", "X"),
    "a circle of imports": ("Round", "from .sample import Round", "circle"),
    "a map without values": ("Dict[str]", "", "Dict[str]"),
    "a second name for itself": ("A", "A = B\nB = A", "defined by itself"),
    "a base that is itself": ("Sample", "class Sample(Sample):\n  a: str", "defined by itself"),
    "an expression": ("str + int", "", "str + int"),
}


@pytest.mark.parametrize(("annotation", "definitions", "said"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_type_is_named_with_file_and_line(annotation: str, definitions: str, said: str) -> None:
    """Never a guess: what is not understood stops the operation that needs it."""
    with pytest.raises(SourceFault) as caught:
        schema(annotation, definitions)
    assert said in caught.value.reason
    assert caught.value.file == "types/sample.py"
    assert caught.value.line > 0
