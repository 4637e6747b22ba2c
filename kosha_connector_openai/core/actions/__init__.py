"""Actions. In: a manifest, a document, an action's inputs. Out: a Catalog of Actions; checked inputs, or every fault of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.actions.action import EVENT_STREAM as EVENT_STREAM
    from kosha_connector_openai.core.actions.action import RETIRED as RETIRED
    from kosha_connector_openai.core.actions.action import Action as Action
    from kosha_connector_openai.core.actions.catalog import Catalog as Catalog
    from kosha_connector_openai.core.actions.inputs import ABSENT as ABSENT
    from kosha_connector_openai.core.actions.inputs import BODY as BODY
    from kosha_connector_openai.core.actions.inputs import EXTRA_BODY as EXTRA_BODY
    from kosha_connector_openai.core.actions.inputs import BodyForm as BodyForm
    from kosha_connector_openai.core.actions.inputs import Checked as Checked
    from kosha_connector_openai.core.actions.inputs import is_file as is_file
    from kosha_connector_openai.core.actions.sample_inputs import action_sample as action_sample
    from kosha_connector_openai.core.actions.url_inputs import TextInputs as TextInputs
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "action": "Action EVENT_STREAM RETIRED",
            "sample_inputs": "action_sample",
            "catalog": "Catalog",
            "inputs": "ABSENT BODY BodyForm Checked EXTRA_BODY is_file",
            "url_inputs": "TextInputs",
        },
    )
