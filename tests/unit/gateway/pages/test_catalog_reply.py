"""What all pages of the catalog share: known parameters, tags, compression; and what a palette needs of the list."""

import gzip

import pytest

from tests.unit.gateway.pages.test_pages import House, house  # noqa: F401 - a fixture

ACTIONS = "/kosha/v1/actions"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?feature=true", "`featured`"),
        ("?featured=yes", "true, false"),
        ("?serach=x", "`search`"),
        ("?group=Chats", "`Chat`"),
        ("?group=zzz", "Images"),
        ("?x=1", "search, group, featured"),
        ("/createEmbedding/form?as=rsjf", "`rjsf`"),
        ("/createEmbedding/sample?full=1", "takes none"),
    ],
)
async def test_what_a_page_does_not_know_is_400_with_the_nearest(house: House, query: str, said: str):  # noqa: F811
    """Nothing is ignored in silence."""
    answer = await house.client.get(f"{ACTIONS}{query}")
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


async def test_an_answer_that_is_there_need_not_come_again(house: House):  # noqa: F811
    """A tag; 304 without a body; another caller's list has another tag."""
    first = await house.client.get(ACTIONS)
    tag = first.headers["etag"]
    again = await house.client.get(ACTIONS, headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await house.client.get(ACTIONS, headers={"if-none-match": '"other"'})).status_code == 200
    assert (await house.client.get(f"{ACTIONS}?featured=true")).headers["etag"] != tag
    assert "private" in first.headers["cache-control"]


async def test_what_is_large_is_compressed_for_who_takes_it(house: House):  # noqa: F811
    """The same bytes, a tenth of the size; small answers and unwilling clients get them plain."""
    packed, plain = [await house.client.get(ACTIONS, headers={"accept-encoding": given}) for given in ("gzip", "gzip;q=0, br")]
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert len(gzip.compress(plain.content)) < len(plain.content) / 4
    small = await house.client.get("/kosha/v1/connector", headers={"accept-encoding": "gzip"})
    assert small.json()["hosts"] == [house.upstream.url]


async def test_a_palette_finds_all_it_draws(house: House):  # noqa: F811
    """Other names, an icon, what a call costs, tasks beside actions; retired actions last; a search's order over both."""
    whole = (await house.client.get(ACTIONS)).json()
    by_id = {action["id"]: action for action in whole["actions"]}
    image = by_id["createImage"]
    assert ("DALL-E" in image["aliases"], image["icon"], image["cost"]) == (True, "image", {"paid": True, "by": "pictures"})
    assert by_id["createFineTuningJob"]["job"] == "fine_tuning_job"
    assert by_id["listModels"]["cost"] == {"paid": False, "by": None}
    retired = [action["hints"]["deprecated"] for action in whole["actions"]]
    assert retired == sorted(retired)
    assert {"name", "icon", "cost", "aliases"} <= whole["tasks"][0].keys()
    found = (await house.client.get(ACTIONS, params={"search": "whisper"})).json()
    assert found["results"][:2] == [{"kind": "action", "id": "createTranscription"}, {"kind": "task", "name": "transcribe"}]
    featured = (await house.client.get(ACTIONS, params={"featured": "true"})).json()
    assert all(action["featured"] for action in featured["actions"])


async def test_the_connector_says_who_it_is(house: House):  # noqa: F811
    """Publisher, licence, maturity, where calls go; the logo cannot run a script."""
    card = (await house.client.get("/kosha/v1/connector")).json()
    assert {"title", "publisher", "license", "maturity", "hosts", "links"} <= card.keys()
    logo = await house.client.get(card["icon"])
    assert logo.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in logo.headers["content-security-policy"]
