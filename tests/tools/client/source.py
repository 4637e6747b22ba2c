"""A small client in source, made by hand: what the tests of the reader vary."""

from __future__ import annotations

import ast
from textwrap import dedent

from kosha_connector_openai.sdk.classes import Scope
from kosha_connector_openai.sdk.modules import Modules
from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.sdk.package import Package
from kosha_connector_openai.sdk.reader import Reading, read_client
from kosha_connector_openai.sdk.schemas import Schemas
from tools.spec.merging import RULES

IMPORTS = """
from __future__ import annotations
import builtins
import datetime
import typing as t
from datetime import date, datetime as moment
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Dict, FrozenSet, Generic, Iterable, List, Mapping
from typing import Optional, Sequence, Tuple, TypeVar, Union
from typing_extensions import Literal, NotRequired, ReadOnly, Required, TypeAlias, TypedDict
from annotated_types import Ge, Le, MaxLen
from pydantic import Field as FieldInfo
from uuid import UUID
from .._models import BaseModel, GenericModel
from .._types import Base64FileInput, FileTypes, NotGiven, Omit, SequenceNotStr
from .._utils import PropertyInfo
"""
RESOURCE_IMPORTS = """
from __future__ import annotations
import typing_extensions
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union, cast
from typing_extensions import Literal, overload
from .. import _legacy_response
from .._files import deepcopy_with_paths
from .._types import Body, Omit, Query, Headers, NotGiven, NoneType, FileTypes, SequenceNotStr, omit, not_given
from .._utils import extract_files, is_given, maybe_transform, path_template, required_args, strip_not_given
from .._resource import SyncAPIResource, AsyncAPIResource
from .._streaming import Stream
from .._multipart import encode_multipart
from .._base_client import make_request_options
from ..pagination import SyncCursorPage
from ..types import thing, thing_params
from ..types.thing import Thing, ThingEvent
"""
PAGINATION = """
from typing import Generic, List, Optional, TypeVar
from ._base_client import BasePage, BaseSyncPage
_T = TypeVar("_T")
class SyncCursorPage(BaseSyncPage[_T], BasePage[_T], Generic[_T]):
    data: List[_T]
    has_more: Optional[bool] = None
"""
THING = """
class Thing(BaseModel):
    id: str
class ThingEvent(BaseModel):
    type: Literal["thing.done"]
"""
SKELETON = {
    "__init__.py": "",
    "_version.py": '__version__ = "9.1.0"',
    "_client.py": 'qs = Querystring(array_format="brackets")',
    "resources/__init__.py": "",
    "types/__init__.py": "",
    "_legacy_response.py": "class HttpxBinaryResponseContent: ...",
    "pagination.py": PAGINATION,
    "types/thing.py": IMPORTS + THING,
    "types/thing_params.py": IMPORTS,
}


def files(more: dict[str, str]) -> dict[str, str]:
    """The skeleton with files added, by path without its ending."""
    return SKELETON | {f"{name}.py": dedent(text) for name, text in more.items()}


def read(texts: dict[str, str], published: dict[str, str] | None = None) -> Reading:
    """What the reader makes of a client of these files."""
    return read_client(Package("9.1.0", {name: text.encode() for name, text in texts.items()}, "0" * 64), RULES, published)


def schema(annotation: str, definitions: str = "", more: dict[str, str] | None = None) -> tuple[Node, dict[str, Node]]:
    """The schema of an annotation in a module with these definitions, and the components that it needed."""
    texts = files({"types/sample": IMPORTS + dedent(definitions), **(more or {})})
    modules = Modules({name: text.encode() for name, text in texts.items()})
    module = modules.get("types.sample")
    assert module
    schemas = Schemas()
    found = schemas.of(ast.parse(annotation, mode="eval").body, Scope(module, {}))
    if fault := schemas.fault_in(found):
        raise fault
    return found, schemas.components


def method(
    body: str, *, params: str = "", name: str = "create", arguments: str = "self", decorators: str = "", answer: str = "Thing"
) -> dict[str, str]:
    """A client with one resource that has one method."""
    lines = [
        *(["    " + decorators] if decorators else []),
        f"    def {name}({arguments}, extra_headers: Headers | None = None) -> {answer}:",
        *[f"        {line}" for line in dedent(body).strip().splitlines()],
    ]
    resource = RESOURCE_IMPORTS + "\nclass Things(SyncAPIResource):\n" + "\n".join(lines) + "\n"
    return files({"resources/things": resource, "types/thing_params": IMPORTS + dedent(params)})


def operation(texts: dict[str, str]) -> Node:
    """The one operation of a client that can be read without a fault."""
    reading = read(texts)
    assert reading.faults == []
    (item,) = reading.document["paths"].values()
    (only,) = item.values()
    found: Node = only
    return found
