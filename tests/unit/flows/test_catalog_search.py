"""The one search over actions and tasks: what people type finds what they mean, and nothing retired comes first."""

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.flows.catalog_search import search_catalog

FIRST = {
    "ChatGPT": "createChatCompletion",
    "gpt": "createChatCompletion",
    "whisper": "createTranscription",
    "dall-e": "createImage",
    "DALL·E": "createImage",
    "draw a picture": "createImage",
    "summarise": "summarise",
    "summarize": "summarise",
    "sumarise": "summarise",
    "transcrption": "createTranscription",
    "text to speech": "createSpeech",
    "embeddings": "createEmbedding",
    "moderation": "createModeration",
    "moderate": "moderate",
    "fine-tune": "createFineTuningJob",
    "sora": None,
    "list models": "listModels",
    "createResponse": "createResponse",
}


def test_what_people_type_finds_what_they_mean(connector: Connector):
    """Names of products, verbs, spellings, slips; None: found, whatever it is, and nothing else before it."""
    for query, first in FIRST.items():
        found = search_catalog(connector, query)
        assert found, query
        head = found[0]
        assert first in (None, head.id if isinstance(head, Action) else head.name), (query, head)


def test_what_should_not_be_used_comes_last(connector: Connector):
    """After all that is found as well; administration before it."""
    for query in ("create", "list", "picture", "image", "project", "usage"):
        ranks = [
            2 if thing.hints.deprecated else 1 if thing.group.security else 0
            for thing in search_catalog(connector, query)
            if isinstance(thing, Action)
        ]
        assert ranks == sorted(ranks), query


def test_every_name_of_the_part_is_there(connector: Connector):
    """An alias of nothing, an icon of no group and a charge of no action would be forgotten."""
    from kosha_connector_openai.flows.tasks import list_tasks
    from kosha_connector_openai.manifest.parts import CatalogPart

    part = connector.part("catalog", CatalogPart)
    things = {*connector.catalog, *(task.name for task in list_tasks(connector))}
    groups = {group.id for group in connector.catalog.groups}
    assert (part.aliases.keys() - things, part.icons.keys() - groups, part.charges.keys() - groups - things) == (set(), set(), set())
