"""Actions as forms. In: an action, and what the part ``forms`` of the manifest says. Out: fields, JSON Schema, uiSchema; no I/O."""

from __future__ import annotations

from kosha_connector_openai.forms.form import FORM_VERSION, Form, Forms

__all__ = ["FORM_VERSION", "Form", "Forms"]
