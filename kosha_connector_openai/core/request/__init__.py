"""What is sent. In: an action and checked inputs. Out: one Request: target, headers and body, without any I/O and without a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.request.caller_file import *
    from kosha_connector_openai.core.request.files import *
    from kosha_connector_openai.core.request.media_types import *
    from kosha_connector_openai.core.request.multipart import *
    from kosha_connector_openai.core.request.parameters import *
    from kosha_connector_openai.core.request.raw import *
    from kosha_connector_openai.core.request.request import *
    from kosha_connector_openai.core.request.safe_open import *
    from kosha_connector_openai.core.request.server_paths import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "caller_file": "CallerFile caller_files",
            "files": "FileInput FilePolicy is_file_value local_file read_file_input",
            "media_types": "BytesBody FileBody",
            "multipart": "MultipartBody FormPart",
            "parameters": "check_segment is_cut",
            "raw": "RawInputs StreamBody raw_request",
            "request": "Preview Request build_request check_inputs",
            "safe_open": "open_path",
            "server_paths": "at_server",
        },
    )
