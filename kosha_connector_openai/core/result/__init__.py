"""What comes back. In: a status, headers and bytes. Out: a Result with JSON, text, a file or events, or an ApiError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.result.api_error import to_api_error as to_api_error
    from kosha_connector_openai.core.result.decode import REPLY_LIMITS as REPLY_LIMITS
    from kosha_connector_openai.core.result.decode import decode_body as decode_body
    from kosha_connector_openai.core.result.decode import malformed as malformed
    from kosha_connector_openai.core.result.file_sink import FileSink as FileSink
    from kosha_connector_openai.core.result.file_sink import SavedFile as SavedFile
    from kosha_connector_openai.core.result.outcome import RANKS as RANKS
    from kosha_connector_openai.core.result.outcome import Policy as Policy
    from kosha_connector_openai.core.result.outcome import judge as judge
    from kosha_connector_openai.core.result.outcome import settle as settle
    from kosha_connector_openai.core.result.result import Facts as Facts
    from kosha_connector_openai.core.result.result import Result as Result
    from kosha_connector_openai.core.result.result import add_body_facts as add_body_facts
    from kosha_connector_openai.core.result.result import merge as merge
    from kosha_connector_openai.core.result.result import read_facts as read_facts
    from kosha_connector_openai.core.result.sse import EventLimits as EventLimits
    from kosha_connector_openai.core.result.stream import Event as Event
    from kosha_connector_openai.core.result.stream import StreamReader as StreamReader
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "api_error": "to_api_error",
            "decode": "REPLY_LIMITS decode_body malformed",
            "file_sink": "FileSink SavedFile",
            "outcome": "Policy RANKS judge settle",
            "result": "Facts Result add_body_facts merge read_facts",
            "sse": "EventLimits",
            "stream": "Event StreamReader",
        },
    )
