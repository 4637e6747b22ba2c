"""What is public, as a list."""

from __future__ import annotations

import kosha_connector_openai as package


def test_the_public_names_are_these() -> None:
    """The list changes only on purpose."""
    assert sorted(package.__all__) == [
        "CallOptions",
        "Connection",
        "Connector",
        "ConnectorError",
        "Event",
        "Fault",
        "Options",
        "Preview",
        "Result",
        "Secret",
        "__version__",
        "create_plugin_manager",
        "load_connectors",
        "open_connector",
    ]


def test_every_public_name_is_there() -> None:
    """Each listed name can be had, and the version is that of the installed package."""
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_every_public_name_is_documented() -> None:
    """Each class and function says what one gets."""
    assert [name for name in package.__all__ if name != "__version__" and not getattr(package, name).__doc__] == []
