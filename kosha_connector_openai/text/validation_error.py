"""What pydantic finds wrong with a value, as faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.text.json_pointer import to_pointer

if TYPE_CHECKING:
    from pydantic import ValidationError


def model_faults(error: ValidationError) -> list[Fault]:
    """A fault for each of the error's, with its JSON Pointer and pydantic's rule and words; none repeats a value."""
    return [Fault(to_pointer(found["loc"]), found["type"], f"{found['msg']}.") for found in error.errors(include_input=False)]
