"""A response whose stream ended before its final event has the items that were begun, each found by its id or its number."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai import Connector, Event, Result

BEGUN = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}


def short(connector: Connector, *data: dict[str, Any], cut: bool = True) -> Any:
    """The short result of a response's events."""
    more = {"incomplete": "the connection broke", "outcome": "incomplete"} if cut else {}
    events = [Event(item["type"], item, item.get("delta", "") if item["type"] == "response.output_text.delta" else "") for item in data]
    return connector.outputs.of(Result(action="createResponse", status=200, kind="events", value=events, **more))


def item(kind: str, number: int | None, identity: str, word: str = "added", **fields: Any) -> dict[str, Any]:
    """An event with an item."""
    event = {"type": f"response.output_item.{word}", "item": {"type": kind, "id": identity, **fields}}
    return event if number is None else {**event, "output_index": number}


def piece(kind: str, text: str, **where: Any) -> dict[str, Any]:
    """An event with a piece of an item."""
    return {"type": f"response.{kind}.delta", "delta": text, **where}


def test_a_cut_response_has_what_was_begun(connector: Connector) -> None:
    """Its id, its text, its thoughts apart, whole calls and begun ones; the pieces of two calls may come mixed."""
    told = short(
        connector,
        BEGUN,
        item("reasoning", 0, "rs", summary=[]),
        piece("reasoning_summary_text", "Think", item_id="rs", output_index=0, summary_index=0),
        item("message", 1, "msg", role="assistant", content=[]),
        {"type": "response.content_part.added", "item_id": "msg", "content_index": 0, "part": {"type": "output_text", "text": ""}},
        piece("output_text", "Half", item_id="msg", output_index=1, content_index=0),
        item("function_call", 2, "fc_a", call_id="a", name="f", arguments=""),
        item("function_call", 3, "fc_b", call_id="b", name="g", arguments=""),
        piece("function_call_arguments", '{"x"', item_id="fc_a", output_index=2),
        piece("function_call_arguments", "{}", item_id="fc_b", output_index=3),
        piece("function_call_arguments", ":1}", item_id="fc_a", output_index=2),
    )
    found = told.result
    assert (found["id"], found["text"], found["reasoning"], told.outcome) == ("resp_1", "Half", "Think", "incomplete")
    assert [(call["id"], call["arguments"]) for call in found["tool_calls"]] == [("a", {"x": 1}), ("b", {})]
    assert told.raw == ()


def test_items_with_one_number_are_told_apart_by_id(connector: Connector) -> None:
    """A server that numbers every item 0 loses none of them."""
    told = short(
        connector,
        item("function_call", 0, "fc_a", call_id="a", name="f", arguments=""),
        item("function_call", 0, "fc_b", call_id="b", name="g", arguments=""),
        piece("function_call_arguments", "{}", item_id="fc_a", output_index=0),
        item("function_call", 0, "fc_b", "done", call_id="b", name="g", arguments='{"k":2}'),
    )
    assert [(call["id"], call["arguments"]) for call in told.result["tool_calls"]] == [("a", {}), ("b", {"k": 2})]


def test_items_whose_id_changes_are_told_by_number(connector: Connector) -> None:
    """Some gateways write another id into each event: the number says which item it is, and the whole item counts once."""
    told = short(
        connector,
        item("function_call", 0, "r1", call_id="a", name="f", arguments=""),
        piece("function_call_arguments", "{}", item_id="r2", output_index=0),
        item("function_call", 0, "r3", "done", call_id="a", name="f", arguments="{}"),
    )
    assert [call["id"] for call in told.result["tool_calls"]] == ["a"]


def test_a_final_event_without_items_takes_those_of_the_stream(connector: Connector) -> None:
    """Some servers leave the output of the final event empty."""
    message = {"type": "output_text", "text": "Whole"}
    done = item("message", 0, "m", "done", content=[message])
    final = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
    told = short(connector, BEGUN, done, final, cut=False)
    assert (told.result["text"], told.result["status"], told.result["id"]) == ("Whole", "completed", "r")


def test_a_piece_of_no_item_is_kept_and_told(connector: Connector) -> None:
    """A piece that comes before any item stands in ``raw``; one at an impossible place too."""
    lost = piece("function_call_arguments", "{}", item_id="x", output_index=4)
    far = piece("reasoning_text", "far", item_id="rs", output_index=0, content_index=10**9)
    told = short(connector, lost, item("reasoning", 0, "rs"), far)
    assert (told.raw, [fault.rule for fault in told.warnings]) == ((lost, far), ["item"])
