"""What an author writes of a connector. In: YAML and JSON text of a folder. Out: a Manifest with its parts, or every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.manifest.checked import read_part as read_part
    from kosha_connector_openai.manifest.folder import MANIFEST as MANIFEST
    from kosha_connector_openai.manifest.folder import read_any_manifest as read_any_manifest
    from kosha_connector_openai.manifest.folder import read_folder as read_folder
    from kosha_connector_openai.manifest.kosha_spec import write_kosha_spec as write_kosha_spec
    from kosha_connector_openai.manifest.manifest import ActionOverlay as ActionOverlay
    from kosha_connector_openai.manifest.manifest import AuthRule as AuthRule
    from kosha_connector_openai.manifest.manifest import ConnectionField as ConnectionField
    from kosha_connector_openai.manifest.manifest import ConnectionForm as ConnectionForm
    from kosha_connector_openai.manifest.manifest import ErrorRule as ErrorRule
    from kosha_connector_openai.manifest.manifest import Group as Group
    from kosha_connector_openai.manifest.manifest import Limits as Limits
    from kosha_connector_openai.manifest.manifest import Manifest as Manifest
    from kosha_connector_openai.manifest.manifest import OutcomeRule as OutcomeRule
    from kosha_connector_openai.manifest.manifest import PartName as PartName
    from kosha_connector_openai.manifest.manifest import ResultRules as ResultRules
    from kosha_connector_openai.manifest.manifest import Retries as Retries
    from kosha_connector_openai.manifest.manifest import StreamRules as StreamRules
    from kosha_connector_openai.manifest.manifest import Timeouts as Timeouts
    from kosha_connector_openai.manifest.part import Constraint as Constraint
    from kosha_connector_openai.manifest.part import Field as Field
    from kosha_connector_openai.manifest.part import Part as Part
    from kosha_connector_openai.manifest.part import file_in as file_in
    from kosha_connector_openai.manifest.part import given as given
    from kosha_connector_openai.manifest.part import parse_part as parse_part
    from kosha_connector_openai.manifest.part import validated as validated
    from kosha_connector_openai.manifest.servers import PATH as PATH
    from kosha_connector_openai.manifest.servers import PathRule as PathRule
    from kosha_connector_openai.manifest.servers import PathValue as PathValue
    from kosha_connector_openai.manifest.servers import Preset as Preset
    from kosha_connector_openai.manifest.servers import ServerForm as ServerForm
    from kosha_connector_openai.manifest.validation import json_schema as json_schema
    from kosha_connector_openai.manifest.validation import json_value as json_value
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "checked": "read_part",
            "folder": "MANIFEST read_any_manifest read_folder",
            "kosha_spec": "write_kosha_spec",
            "manifest": "ActionOverlay AuthRule ConnectionField ConnectionForm ErrorRule Group Limits "
            "Manifest OutcomeRule PartName ResultRules Retries StreamRules Timeouts",
            "part": "Constraint Field Part file_in given parse_part validated",
            "servers": "PATH PathRule PathValue Preset ServerForm",
            "validation": "json_schema json_value",
        },
    )
