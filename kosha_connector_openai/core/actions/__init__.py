"""Actions. In: a manifest, a document, an action's inputs. Out: a Catalog of Actions; checked inputs, or every fault of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.actions.action import *
    from kosha_connector_openai.core.actions.body_form import *
    from kosha_connector_openai.core.actions.catalog import *
    from kosha_connector_openai.core.actions.inputs import *
    from kosha_connector_openai.core.actions.leniency import *
    from kosha_connector_openai.core.actions.promise import *
    from kosha_connector_openai.core.actions.sample_inputs import *
    from kosha_connector_openai.core.actions.url_inputs import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "action": "Action RETIRED",
            "sample_inputs": "action_sample",
            "catalog": "Catalog standing",
            "body_form": "BODY BodyForm",
            "inputs": "ABSENT Checked EXTRA_BODY is_file",
            "promise": "EVENT_STREAM Promise",
            "leniency": "Leniency UNLISTED",
            "url_inputs": "TextInputs",
        },
    )
