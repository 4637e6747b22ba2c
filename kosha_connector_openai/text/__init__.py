"""Text in and out. In: bytes of JSON, JSON lines or YAML; JSON Pointers; names. Out: bounded values, or a fault with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.text.did_you_mean import nearest as nearest
    from kosha_connector_openai.text.extras import install as install
    from kosha_connector_openai.text.json_lines import line_of as line_of
    from kosha_connector_openai.text.json_pointer import all_of as all_of
    from kosha_connector_openai.text.json_pointer import at as at
    from kosha_connector_openai.text.json_pointer import escape as escape
    from kosha_connector_openai.text.json_pointer import find as find
    from kosha_connector_openai.text.json_pointer import first_of as first_of
    from kosha_connector_openai.text.json_pointer import resolve as resolve
    from kosha_connector_openai.text.json_pointer import to_pointer as to_pointer
    from kosha_connector_openai.text.json_pointer import tokens as tokens
    from kosha_connector_openai.text.json_pointer import walk as walk
    from kosha_connector_openai.text.json_text import DEFAULT_LIMITS as DEFAULT_LIMITS
    from kosha_connector_openai.text.json_text import MIB as MIB
    from kosha_connector_openai.text.json_text import JsonLimits as JsonLimits
    from kosha_connector_openai.text.json_text import JsonTextError as JsonTextError
    from kosha_connector_openai.text.json_text import check_value as check_value
    from kosha_connector_openai.text.json_text import decode as decode
    from kosha_connector_openai.text.json_text import encode as encode
    from kosha_connector_openai.text.json_text import is_shallow as is_shallow
    from kosha_connector_openai.text.json_text import loads_strict as loads_strict
    from kosha_connector_openai.text.media_type import essence as essence
    from kosha_connector_openai.text.yaml_text import YamlLimits as YamlLimits
    from kosha_connector_openai.text.yaml_text import load_yaml as load_yaml
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "did_you_mean": "nearest",
            "extras": "install",
            "json_lines": "line_of",
            "json_pointer": "all_of at escape find first_of resolve to_pointer tokens walk",
            "json_text": "DEFAULT_LIMITS JsonLimits JsonTextError MIB check_value decode encode is_shallow loads_strict",
            "media_type": "essence",
            "yaml_text": "YamlLimits load_yaml",
        },
    )
