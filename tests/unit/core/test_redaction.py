"""What must not be seen in a reply is starred out, however the reply falls into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from kosha_connector_openai.core.redaction import StreamRedactor
from kosha_connector_openai.secrets import Secret

WORDS = (b"c2stc2VjcmV0", b"sk-secret", b"ss")
"""The longest first."""


def redactor(words: tuple[bytes, ...]) -> StreamRedactor:
    """One that stars out these words."""
    return StreamRedactor(tuple((word[0], word) for word in words))


@given(st.lists(st.sampled_from([b"sk-secret", b"c2stc2VjcmV0", b"s", b"sk", b"-sec", b"x", b"\n"]), max_size=12), st.data())
def test_pieces_give_what_the_whole_gives(parts: list[bytes], data: st.DataObject) -> None:
    """Same bytes as for one piece, same length, and no word."""
    whole = b"".join(parts)
    once = redactor(WORDS)
    expected = once.feed(whole) + once.rest()
    assert redactor(WORDS).whole(whole) == expected
    mask, shown, at = redactor(WORDS[:2]), b"", 0
    while at < len(whole):
        step = data.draw(st.integers(1, 9))
        shown += mask.feed(whole[at : at + step])
        at += step
    shown += mask.rest()
    assert redactor(WORDS).whole(whole) == expected
    assert len(shown) == len(expected) == len(whole)
    for word in WORDS[:2]:
        assert word not in shown
        assert word not in expected


def test_every_form_of_every_secret_is_found() -> None:
    """Of two secrets, one of which begins as the other, in a body that has all bytes: each form, and no byte beside it."""
    secrets = [Secret("sk-Ab3+/dEfGh"), Secret("sk-Ab3+/dEfGh-Zq9"), Secret("sk-Ab3+/dEfGh")]
    around = bytes(range(256))
    for secret in secrets:
        for form in secret.echoes():
            assert StreamRedactor.of(secrets).whole(around + form.encode() + around) == around + b"*" * len(form) + around
            assert StreamRedactor.of([secret]).whole(form.encode()) == b"*" * len(form)


def test_nothing_is_held_back_without_need() -> None:
    """An event ends with line breaks, which no word begins with."""
    assert redactor(WORDS).feed(b"data: less\n\n") == b"data: le**\n\n"
    assert redactor(()).feed(b"anything") == b"anything"
