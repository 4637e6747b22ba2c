"""Raw path -> operation: every one of the catalog is found, and nothing else is."""

from __future__ import annotations

import re

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.connector import Connector as Folder
from kosha_connector_openai.gateway.routes import RouteTable


@pytest.fixture(scope="module")
def routes() -> RouteTable:
    from kosha_connector_openai.plugin import folder

    with Folder(folder()) as connector:
        return RouteTable(connector.catalog)


def test_every_operation_is_found_at_its_own_path(connector: Connector, routes: RouteTable) -> None:
    """With its values in order; with and without the prefix, and with a doubled slash."""
    for key in connector.catalog.document:
        operation = connector.catalog[key].operation
        names = re.findall(r"\{([^{}]+)\}", operation.path)
        path = re.sub(r"\{[^{}]+\}", "v-1", operation.path)
        query = "&".join(f"{name}={value}" for name, value in operation.query)
        for place in (routes.find(path), routes.find(f"/{path}"), routes.alias(path.removeprefix(routes.prefix))):
            assert place is not None, path
            route = place.find(operation.method, query)
            assert route is not None
            assert (route.id, route.names, place.values) == (key, tuple(names), ("v-1",) * len(names))


@pytest.mark.parametrize(
    "path",
    ["", "/", "v1/models", "/v1", "/v1/", "/v1/models/", "/v1//models", "///v1/models", "/V1/models", "/v1/Models", "/%761/models",
     "/v1/models/..", "/v1/models/%2e%2e", "/v1/models/%252E%252E", "/v1/models/..%2fx", "/v1/models/..;x",
     "/v1/models/a/b", "/v1/models/a\\b",
     "/v1/models/a b",     "/v1/models/%zz", "/v1/models/%0a", "/v1/models/a?b", "/v2/models", "/models", "/v1" + "/a" * 100],
)  # fmt: skip
def test_what_is_no_operation_is_not_found(routes: RouteTable, path: str) -> None:
    """Other writings of a path, and paths that lead elsewhere, are none."""
    assert routes.find(path) is None


def test_fixed_segments_come_before_variables(routes: RouteTable) -> None:
    """And where only the variable leads on, it is taken."""
    place = routes.find("/v1/responses/compact")
    assert place is not None
    assert place.values == ()
    place = routes.find("/v1/responses/r-1/cancel")
    assert place is not None
    assert place.values == ("r-1",)


def test_a_query_of_its_own_chooses(routes: RouteTable) -> None:
    """The operation with more of its query in the request wins; methods are told in order."""
    place = routes.find("/v1/responses")
    assert place is not None
    assert place.methods == ("POST",)
    for query, key in (
        ("", "createResponse"),
        ("beta=true", "beta_createResponse"),
        ("x=1&beta=true", "beta_createResponse"),
        ("beta=1", "createResponse"),
    ):
        route = place.find("POST", query)
        assert route is not None
        assert route.id == key
    assert place.find("GET", "") is None


def test_the_retired_name_their_successor(routes: RouteTable) -> None:
    """With its method and path."""
    found = {route.id: route.retired for route in routes if route.retired}
    assert "2024-01-04" in found["createFineTune"]
    assert "POST /v1/fine_tuning/jobs (createFineTuningJob)" in found["createFineTune"]
    assert all("Use " in text for text in found.values())


def test_a_provider_without_a_common_prefix_has_no_short_paths(root: object) -> None:
    """A path is then what it is."""
    from pathlib import Path

    with Folder(Path(str(root)) / "tests" / "tiny_provider") as connector:
        routes = RouteTable(connector.catalog)
        known = {route.action.operation.path for route in routes}
        assert known
        assert all(routes.find(re.sub(r"\{[^{}]+\}", "v", path)) is not None for path in known)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/v1/models/owner/model", ("owner%2Fmodel",)),
        ("/v1/models/owner/model:free", ("owner%2Fmodel:free",)),
        ("/v1/models/a/b/c", ("a%2Fb%2Fc",)),
        ("/v1/models/owner%2Fmodel", ("owner%2Fmodel",)),
    ],
)
def test_a_name_may_hold_raw_slashes_where_the_manifest_says_so(connector: Connector, path: str, values: tuple[str, ...]) -> None:
    """Names of models have an owner on other servers, and clients write them as they are; the value goes on as one segment."""
    place = RouteTable(connector.catalog, ["model"]).find(path)
    assert place is not None
    assert ({route.id for route in place.routes}, place.values) == ({"retrieveModel", "deleteModel"}, values)


@pytest.mark.parametrize(
    "path",
    ["/v1/models//b", "/v1/models/a/", "/v1/models/a/../b", "/v1/models/a/%2e%2e", "/v1/models/a/b?c", "/v1/files/a/b", "/v1/a/b",
     "/v1/responses/a/b/c"],
)  # fmt: skip
def test_no_other_path_is_joined(connector: Connector, path: str) -> None:
    """Neither for other variables, nor for what would lead elsewhere once it is decoded."""
    assert RouteTable(connector.catalog, ["model"]).find(path) is None


def test_a_fixed_place_below_a_variable_is_found_first(connector: Connector) -> None:
    """A raw slash never takes an operation away."""
    routes = RouteTable(connector.catalog, ["file_id", "model"])
    place = routes.find("/v1/files/f-1/content")
    assert place is not None
    assert [route.id for route in place.routes] == ["downloadFile"]
