"""What is sent. In: an action and checked inputs. Out: one Request: target, headers and body, without any I/O and without a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.request.files import FileInput as FileInput
    from kosha_connector_openai.core.request.files import FilePolicy as FilePolicy
    from kosha_connector_openai.core.request.files import read_file_input as read_file_input
    from kosha_connector_openai.core.request.media_types import BytesBody as BytesBody
    from kosha_connector_openai.core.request.media_types import FileBody as FileBody
    from kosha_connector_openai.core.request.multipart import FormPart as FormPart
    from kosha_connector_openai.core.request.multipart import MultipartBody as MultipartBody
    from kosha_connector_openai.core.request.parameters import check_segment as check_segment
    from kosha_connector_openai.core.request.raw import RawInputs as RawInputs
    from kosha_connector_openai.core.request.raw import StreamBody as StreamBody
    from kosha_connector_openai.core.request.raw import raw_request as raw_request
    from kosha_connector_openai.core.request.request import Preview as Preview
    from kosha_connector_openai.core.request.request import Request as Request
    from kosha_connector_openai.core.request.request import build_request as build_request
    from kosha_connector_openai.core.request.request import check_inputs as check_inputs
    from kosha_connector_openai.core.request.safe_open import open_path as open_path
    from kosha_connector_openai.core.request.server_paths import at_server as at_server
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "files": "FileInput FilePolicy read_file_input",
            "media_types": "BytesBody FileBody",
            "multipart": "MultipartBody FormPart",
            "parameters": "check_segment",
            "raw": "RawInputs StreamBody raw_request",
            "request": "Preview Request build_request check_inputs",
            "safe_open": "open_path",
            "server_paths": "at_server",
        },
    )
