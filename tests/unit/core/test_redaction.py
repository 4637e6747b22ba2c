"""What must not be seen in a reply is starred out, however the reply falls into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from kosha_connector_openai.core.redaction import StreamRedactor

WORDS = (b"sk-secret", b"c2stc2VjcmV0", b"ss")


@given(st.lists(st.sampled_from([b"sk-secret", b"c2stc2VjcmV0", b"s", b"sk", b"-sec", b"x", b"\n"]), max_size=12), st.data())
def test_pieces_give_what_the_whole_gives(parts: list[bytes], data: st.DataObject) -> None:
    """Same bytes as for one piece, same length, and no word."""
    whole = b"".join(parts)
    once = StreamRedactor(WORDS)
    expected = once.feed(whole) + once.rest()
    assert StreamRedactor(WORDS).whole(whole) == expected
    mask, shown, at = StreamRedactor(WORDS[:2]), b"", 0
    while at < len(whole):
        step = data.draw(st.integers(1, 9))
        shown += mask.feed(whole[at : at + step])
        at += step
    shown += mask.rest()
    assert len(shown) == len(expected) == len(whole)
    for word in WORDS[:2]:
        assert word not in shown
        assert word not in expected


def test_nothing_is_held_back_without_need() -> None:
    """An event ends with line breaks, which no word begins with."""
    assert StreamRedactor(WORDS).feed(b"data: less\n\n") == b"data: le**\n\n"
    assert StreamRedactor(()).feed(b"anything") == b"anything"
