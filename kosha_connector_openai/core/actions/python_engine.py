"""The reference engine, jsonschema: where the compiled one has no wheel, and the oracle in tests. Slow; nothing is fetched.

Python's ``re`` steps back without bound, so only patterns that cannot make it do so are run: characters and classes, of which
one at most has no fixed length, from the start of the text on.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from kosha_connector_openai.core.actions.engines import Path, RawFault, not_a_schema, unsafe_pattern

_ATOM = r"(?:[^\\.*+?^$|()\[\]{}]|\\[dw.\-/_]|\[\^?(?:[^\\\[\]&~|]|\\[dw.\-/\]\[])+\])"
_PLAIN = re.compile(rf"(?P<start>\^?)(?P<body>(?:{_ATOM}(?:[*+?]|\{{\d{{1,4}}(?:,\d{{0,4}})?\}})?)*)(?P<end>\$?)")
_LOOSE = re.compile(rf"{_ATOM}(?:[*+?]|\{{\d+,\d*\}})")
