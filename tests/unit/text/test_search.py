"""Search by names, by what people say, and in spite of a slip."""

import pytest

from kosha_connector_openai.text.search import SearchEntry, ranked, words

THINGS = (
    SearchEntry(("makeCake", "Make a cake"), ("gateau", "bake something sweet"), ("Bakes a cake.", "Kitchen")),
    SearchEntry(("listCakes", "List cakes"), (), ("All cakes.", "Kitchen")),
    SearchEntry(("makeBread", "Make bread"), ("baguette",), ("Bakes bread, no cake.", "Kitchen")),
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("cake", [0, 1, 2]),  # names before texts
        ("gateau", [0]),
        ("bake something sweet", [0]),
        ("Make a Bread", [2]),  # fillers do not count
        ("bagette", [2]),  # a slip in another name
        ("kake", [0, 2]),  # and in names: it may have been "make"
        ("make", [0, 2]),
        ("kitchen", [0, 1, 2]),
        ("cake bread", [2]),  # every word
        ("wine", []),
        ("", []),
        ("   ", []),
        ("!?", []),
    ],
)
def test_ranked(query: str, expected: list[int]):
    """Every word is found somewhere; what it is called goes before what is said of it."""
    assert [place for _, place in ranked(query, THINGS)] == expected


def test_words_of_ids_and_texts():
    """Case within an id divides it; marks do."""
    assert words("makeCake-nowV2 Ünïcode") == ["make", "cake", "now", "v2", "ünïcode"]
