"""The closed models of the manifest's parts, one module each: what a provider's author writes in ``connector/*.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.manifest.parts.catalog import *
    from kosha_connector_openai.manifest.parts.forms import *
    from kosha_connector_openai.manifest.parts.jobs import *
    from kosha_connector_openai.manifest.parts.models import *
    from kosha_connector_openai.manifest.parts.names import *
    from kosha_connector_openai.manifest.parts.outputs import *
    from kosha_connector_openai.manifest.parts.paging import *
    from kosha_connector_openai.manifest.parts.pickers import *
    from kosha_connector_openai.manifest.parts.relay import *
    from kosha_connector_openai.manifest.parts.sdk import *
    from kosha_connector_openai.manifest.parts.tasks import *
    from kosha_connector_openai.manifest.parts.triggers import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "catalog": "CatalogPart Charge IconName",
            "forms": "ActionForm FieldForm FormsPart GroupName Source Visibility Widget",
            "jobs": "BatchRules End File Hint Items JobKind JobsPart Lines Poll Text UploadKind Value",
            "models": "FactSource Models Retirement Rule",
            "names": "PARTS",
            "outputs": "AnyField BodyField Bound CallPieces CountField FileField FinalEvent ItemEvents ListField MergeEvents NamesField "
            "OutputField OutputsPart Bundle ParsedField Shape StreamFold TextField TimeField UsageName ValueField VectorsField",
            "paging": "ListRule PageForm Paging",
            "pickers": "FieldPicker Picker Pickers",
            "relay": "ObjectRules Privileged RelayRules",
            "sdk": "IdRules KeptFact SdkPart",
            "tasks": "FileRule Input TaskRules Tasks Rank Split StrictRules step",
            "triggers": "Delivery EndpointRules EventKind FollowUp PollRule Triggers",
        },
    )
