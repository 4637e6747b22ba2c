"""What a connector offers beside its calls: rooms that are opened when they are first entered, so that a plain call reads none of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.core.connection import Connection, Options
from kosha_connector_openai.manifest import Part, PartName

if TYPE_CHECKING:
    from kosha_connector_openai.forms import Forms, ModelRules
    from kosha_connector_openai.outputs import OutputRoom

P = TypeVar("P", bound=Part)


class Rooms:
    """The rooms of one connector; each needs its actions and one part of its manifest."""

    if TYPE_CHECKING:

        @property
        def catalog(self) -> Catalog: ...

        def catalog_by(self, options: Options) -> Catalog: ...

        def part(self, name: PartName, model: type[P]) -> P: ...

    @cached_property
    def forms(self) -> Forms:
        """The forms of the actions by action id; docs/forms.md says what they hold. Raises ManifestError."""
        from kosha_connector_openai.forms import Forms

        return Forms(self.catalog, self.part)

    def forms_of(self, connection: Connection | None = None) -> Forms:
        """The forms by the description that the connection names, else ``forms``. Raises as ``catalog_of`` does, and ManifestError."""
        return self.forms_by(connection.options) if connection else self.forms

    def forms_by(self, options: Options) -> Forms:
        """The same for a connection with these options."""
        if options.spec is None:
            return self.forms
        catalog = self.catalog_by(options)
        return self._others.get(id(catalog)) or self._others.setdefault(id(catalog), type(self.forms)(catalog, self.part))

    @cached_property
    def outputs(self) -> OutputRoom:
        """Short results of answers, their schemas and samples, costs and budgets; docs/outputs.md. Raises ManifestError."""
        from kosha_connector_openai.manifest.parts import OutputsPart
        from kosha_connector_openai.outputs import OutputRoom

        return OutputRoom(self.catalog, self.part("outputs", OutputsPart))

    def outputs_of(self, connection: Connection | None = None) -> OutputRoom:
        """The same by the description that the connection names, else ``outputs``. Raises as ``catalog_of`` does, and ManifestError."""
        if connection is None or connection.options.spec is None:
            return self.outputs
        return type(self.outputs)(self.catalog_by(connection.options), self.outputs.part)

    @cached_property
    def _others(self) -> dict[int, Forms]:
        """The forms of other descriptions by their catalog, which is kept as long: what is drawn once serves all connections."""
        return {}

    @cached_property
    def models(self) -> ModelRules:
        """Which model serves which action and what it takes: warnings, never a refusal; docs/models.md. Raises ManifestError."""
        from kosha_connector_openai.forms import ModelRules
        from kosha_connector_openai.manifest.parts import Models

        return ModelRules(self.part("models", Models))
