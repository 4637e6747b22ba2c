"""What a connector offers beside its calls: rooms that are opened when they are first entered, so that a plain call reads none of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.core.spec.manifest import PartName
from kosha_connector_openai.core.spec.part import Part

if TYPE_CHECKING:
    from kosha_connector_openai.core.actions.forms.form import Forms
    from kosha_connector_openai.core.actions.model_rules import ModelRules
    from kosha_connector_openai.core.outputs import OutputRoom

P = TypeVar("P", bound=Part)


class Rooms:
    """The rooms of one connector; each needs its actions and one part of its manifest."""

    if TYPE_CHECKING:

        @property
        def catalog(self) -> Catalog: ...

        def part(self, name: PartName, model: type[P]) -> P: ...

    @cached_property
    def forms(self) -> Forms:
        """The forms of the actions by action id; docs/forms.md says what they hold. Raises ManifestError."""
        from kosha_connector_openai.core.actions.forms.form import Forms  # noqa: PLC0415 - a call needs no form

        return Forms(self.catalog, self.part)

    @cached_property
    def outputs(self) -> OutputRoom:
        """Short results of answers, their schemas and samples, costs and budgets; docs/outputs.md. Raises ManifestError."""
        from kosha_connector_openai.core.outputs import OutputRoom  # noqa: PLC0415 - a plain call needs none of it
        from kosha_connector_openai.core.spec.parts.outputs import Outputs  # noqa: PLC0415

        return OutputRoom(self.catalog, self.part("outputs", Outputs))

    @cached_property
    def models(self) -> ModelRules:
        """Which model serves which action and what it takes: warnings, never a refusal; docs/models.md. Raises ManifestError."""
        from kosha_connector_openai.core.actions.model_rules import ModelRules  # noqa: PLC0415 - a plain call needs none of it
        from kosha_connector_openai.core.spec.parts.models import Models  # noqa: PLC0415

        return ModelRules(self.part("models", Models))
