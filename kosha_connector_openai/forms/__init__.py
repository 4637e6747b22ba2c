"""Actions as forms. In: an action, and what the part ``forms`` of the manifest says. Out: fields, JSON Schema, uiSchema; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.forms.form import *
    from kosha_connector_openai.forms.format import *
    from kosha_connector_openai.forms.model_rules import *
    from kosha_connector_openai.forms.pickers import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "form": "FORM_VERSION GROUPS Form Forms",
            "format": "format_schema",
            "model_rules": "ModelRules",
            "pickers": "PickerNames",
        },
    )
