"""Names become labels as a person would write them, with their units."""

from __future__ import annotations

import pytest

from kosha_connector_openai.forms.labels import from_title, label, singular, units


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max_output_tokens", "Max output tokens"),
        ("min_tokens", "Min tokens"),
        ("top_logprobs", "Top logprobs"),
        ("file_id", "File ID"),
        ("fileIds", "File IDs"),
        ("image_url", "Image URL"),
        ("MCPTool", "MCP tool"),
        ("json_schema", "JSON schema"),
        ("n_epochs", "Number of epochs"),
        ("n", "N"),
        ("ttl", "TTL"),
        ("silence_duration_ms", "Silence duration"),
        ("known_speaker_names[]", "Known speaker names"),
        ("created_at", "Created at"),
        ("X-Request-ID", "X request ID"),
        ("oauth_token", "OAuth token"),
        ("mtls", "mTLS"),
        ("---", "---"),
        ("größe_px", "Größe px"),
    ],
)
def test_a_name_becomes_a_label(name: str, expected: str) -> None:
    """Words apart, acronyms in capitals, the unit left out where it is no word; what has no words stays."""
    assert label(name, {}) == expected


def test_a_provider_spells_its_own_words() -> None:
    """What the manifest says of a word, or of a whole name, goes before the usual rules."""
    words = {"dpo": "DPO", "top_p": "Top P", "b64_json": "Base64 JSON", "eq": "equal"}
    assert [label(name, words) for name in ("dpo_beta", "top_p", "b64_json", "eq")] == ["DPO beta", "Top P", "Base64 JSON", "Equal"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timeout_ms", "ms"),
        ("max_tokens", "tokens"),
        ("seconds", "s"),
        ("size_bytes", "bytes"),
        ("days", "days"),
        ("name", None),
        ("", None),
    ],
)
def test_a_name_tells_its_unit(name: str, expected: str | None) -> None:
    """By its last word."""
    assert units(name) == expected


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("Messages", "Message"),
        ("Entries", "Entry"),
        ("Status", "Status"),
        ("Boxes", "Box"),
        ("Data", "Data"),
        ("Class", "Class"),
        ("Tools array", "Tool"),
        ("Computer action list", "Computer action"),
    ],
)
def test_an_entry_is_called_by_the_singular(many: str, one: str) -> None:
    """As far as the usual endings go."""
    assert singular(many) == one


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Text content", "Text content"),
        ("Prompt Variables", "Prompt variables"),
        ("MCP Tool", "MCP tool"),
        ("CreateThing", "Create thing"),
        ("string", None),
        ("The domains that a search may use.", None),
        ("x" * 41, None),
        ("", None),
        (7, None),
    ],
)
def test_a_title_serves_where_it_is_one(title: object, expected: str | None) -> None:
    """Neither a sentence nor the name of a type is a label."""
    assert from_title(title) == expected
