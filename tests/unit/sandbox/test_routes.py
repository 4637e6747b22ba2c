"""Routes: method and path to operation."""

from __future__ import annotations

import pytest

from kosha_connector_openai.sandbox.app import App
from kosha_connector_openai.sandbox.routes import NoRoute, OperationRoutes


@pytest.fixture
def routes(app: App) -> OperationRoutes:
    """The bundled operations."""
    return OperationRoutes(app.actions)


@pytest.mark.parametrize(
    ("method", "path", "operation", "values"),
    [
        ("GET", "/v1/models", "listModels", {}),
        ("GET", "/v1/models/ft%3Aa%2Fb", "retrieveModel", {"model": "ft:a/b"}),
        ("POST", "/v1/responses/input_tokens", "Getinputtokencounts", {}),
        ("DELETE", "/v1/files/file-1", "deleteFile", {"file_id": "file-1"}),
        ("GET", "/v1/vector_stores/a/files/b/content", "retrieveVectorStoreFileContent", {"vector_store_id": "a", "file_id": "b"}),
    ],
)
def test_a_request_means_one_operation(routes: OperationRoutes, method: str, path: str, operation: str, values: dict[str, str]) -> None:
    """Literal segments win over variables; path values are decoded."""
    match = routes.match(method, path, "")
    assert (match.action.id, dict(match.values)) == (operation, values)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/files/", "/v1/files//content", "/v1/models/a/b"])
def test_other_paths_mean_none(routes: OperationRoutes, path: str) -> None:
    """No template, no operation."""
    with pytest.raises(NoRoute) as raised:
        routes.match("GET", path, "")
    assert raised.value.allowed == frozenset()


def test_other_methods_are_told_which_are_allowed(routes: OperationRoutes) -> None:
    """The path exists, the method does not."""
    with pytest.raises(NoRoute) as raised:
        routes.match("PUT", "/v1/files/file-1", "")
    assert raised.value.allowed == {"GET", "DELETE"}
