"""What an author writes of a connector. In: YAML and JSON text of a folder. Out: a Manifest with its parts, or every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.manifest.checked import *
    from kosha_connector_openai.manifest.error_body import *
    from kosha_connector_openai.manifest.folder import *
    from kosha_connector_openai.manifest.kosha_spec import *
    from kosha_connector_openai.manifest.manifest import *
    from kosha_connector_openai.manifest.part import *
    from kosha_connector_openai.manifest.reply_rules import *
    from kosha_connector_openai.manifest.servers import *
    from kosha_connector_openai.manifest.validation import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "checked": "read_part",
            "error_body": "ErrorBody ErrorSign",
            "folder": "MANIFEST has_manifest read_any_manifest read_folder",
            "kosha_spec": "write_kosha_spec",
            "manifest": "ActionOverlay AuthRule ConnectionField ConnectionForm ConnectionTest ErrorRule Group Limits "
            "Manifest PartName RequestRules Retries Timeouts",
            "part": "Constraint Field Part file_in given parse_part validated",
            "reply_rules": "Carrier OutcomeRule ResultRules SignPlace StreamItems StreamRules StreamText",
            "servers": "PATH PathRule PathValue ServerForm ServerKind Validation",
            "validation": "json_schema json_value",
        },
    )
