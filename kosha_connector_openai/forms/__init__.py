"""Actions as forms. In: an action, and what the part ``forms`` of the manifest says. Out: fields, JSON Schema, uiSchema; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.forms.form import FORM_VERSION as FORM_VERSION
    from kosha_connector_openai.forms.form import Form as Form
    from kosha_connector_openai.forms.form import Forms as Forms
    from kosha_connector_openai.forms.format import format_schema as format_schema
    from kosha_connector_openai.forms.model_rules import ModelRules as ModelRules
    from kosha_connector_openai.forms.pickers import PickerNames as PickerNames
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "form": "FORM_VERSION Form Forms",
            "format": "format_schema",
            "model_rules": "ModelRules",
            "pickers": "PickerNames",
        },
    )
