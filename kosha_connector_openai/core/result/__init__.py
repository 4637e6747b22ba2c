"""What comes back. In: a status, headers and bytes. Out: a Result with JSON, text, a file or events, or an ApiError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.result.api_error import *
    from kosha_connector_openai.core.result.decode import *
    from kosha_connector_openai.core.result.error_body import *
    from kosha_connector_openai.core.result.file_sink import *
    from kosha_connector_openai.core.result.lack import *
    from kosha_connector_openai.core.result.outcome import *
    from kosha_connector_openai.core.result.result import *
    from kosha_connector_openai.core.result.sse import *
    from kosha_connector_openai.core.result.stream import *
    from kosha_connector_openai.core.result.streamed_answer import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "api_error": "to_api_error",
            "decode": "Decoded REPLY_LIMITS decode_body malformed safe_text",
            "error_body": "ErrorFacts read_error read_error_bytes shows_error tells",
            "file_sink": "FileSink SavedFile",
            "lack": "failed has_part lack_of wanted_items",
            "outcome": "GOOD Policy RANKS judge settle",
            "streamed_answer": "Asked",
            "result": "Facts Result add_body_facts merge parse_duration read_facts read_limits",
            "sse": "EventLimits",
            "stream": "Event StreamReader",
        },
    )
