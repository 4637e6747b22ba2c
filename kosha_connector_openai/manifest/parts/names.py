"""Every part of a manifest by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kosha_connector_openai.manifest.manifest import PartName
from kosha_connector_openai.manifest.part import Part
from kosha_connector_openai.manifest.parts.catalog import CatalogPart
from kosha_connector_openai.manifest.parts.forms import FormsPart
from kosha_connector_openai.manifest.parts.jobs import JobsPart
from kosha_connector_openai.manifest.parts.models import Models
from kosha_connector_openai.manifest.parts.outputs import OutputsPart
from kosha_connector_openai.manifest.parts.paging import Paging
from kosha_connector_openai.manifest.parts.pickers import Pickers
from kosha_connector_openai.manifest.parts.relay import RelayRules
from kosha_connector_openai.manifest.parts.sdk import SdkPart
from kosha_connector_openai.manifest.parts.tasks import Tasks
from kosha_connector_openai.manifest.parts.triggers import Triggers

PARTS: Final[Mapping[PartName, type[Part]]] = {
    "catalog": CatalogPart,
    "forms": FormsPart,
    "jobs": JobsPart,
    "models": Models,
    "outputs": OutputsPart,
    "paging": Paging,
    "pickers": Pickers,
    "tasks": Tasks,
    "relay": RelayRules,
    "sdk": SdkPart,
    "triggers": Triggers,
}
