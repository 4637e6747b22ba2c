"""What an ASGI server asks beside requests (ASGI 3.0): its lifespan, and WebSockets, of which there are none here."""

from __future__ import annotations

from kosha_connector_openai.gateway.records import Receive, Scope, Send


async def answer_other(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the server's lifespan events, and refuses WebSockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1002})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
