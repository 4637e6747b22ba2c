"""Text in and out. In: bytes of JSON, JSON lines or YAML; JSON Pointers; names. Out: bounded values, or a fault with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.text.did_you_mean import *
    from kosha_connector_openai.text.extras import *
    from kosha_connector_openai.text.json_faults import *
    from kosha_connector_openai.text.json_lines import *
    from kosha_connector_openai.text.json_pointer import *
    from kosha_connector_openai.text.json_text import *
    from kosha_connector_openai.text.media_type import *
    from kosha_connector_openai.text.search import *
    from kosha_connector_openai.text.validation_error import *
    from kosha_connector_openai.text.yaml_text import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "did_you_mean": "nearest",
            "extras": "install",
            "json_faults": "DEFAULT_LIMITS JsonLimits MIB",
            "json_lines": "TextLines line_of",
            "json_pointer": "OBJECT all_of at escape find first_of resolve to_pointer tokens walk",
            "json_text": "JsonTextError check_value decode encode is_shallow loads_strict",
            "media_type": "essence is_json is_json_lines",
            "search": "LONGEST_QUERY SearchEntry ranked",
            "validation_error": "model_faults",
            "yaml_text": "YamlLimits load_yaml",
        },
    )
