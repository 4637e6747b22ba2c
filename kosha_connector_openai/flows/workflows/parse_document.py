"""An Arazzo document (1.0.0 or 1.0.1) -> Document, checked against a connector: every fault with its pointer, nothing skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.errors import DocumentError, Fault, WorkflowDocumentError
from kosha_connector_openai.flows.workflows.expressions import MISSING, NAME
from kosha_connector_openai.flows.workflows.model import Workflow, WorkflowDocument, WorkflowInputs
from kosha_connector_openai.flows.workflows.name_check import NameScope, Signature
from kosha_connector_openai.flows.workflows.node import DocumentReport, Keys, Node
from kosha_connector_openai.flows.workflows.parse_step import OUTPUT, Shared, read_step
from kosha_connector_openai.flows.workflows.targets import Targets
from kosha_connector_openai.flows.workflows.templates import read_template
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.openapi import to_json_schema
from kosha_connector_openai.schema import SchemaReader
from kosha_connector_openai.text import YamlLimits, load_yaml, walk

DocumentSource = Path | bytes | str | Mapping[str, Any]
_VERSION: Final = re.compile(r"1\.0\.[0-9]+")
_LIMITS: Final = YamlLimits(bytes=1024 * 1024, depth=64, nodes=200_000)
_DOCUMENT: Final = Keys(("arazzo", "info", "sourceDescriptions", "workflows"), ("components",))
_INFO: Final = Keys(("title", "version"), ("summary", "description"))
_SOURCE: Final = Keys(("name", "url"), ("type",))
_COMPONENTS: Final = Keys((), ("inputs", "parameters", "successActions", "failureActions"))
_WORKFLOW: Final = Keys(
    ("workflowId", "steps"),
    ("summary", "description", "inputs", "dependsOn", "parameters", "successActions", "failureActions", "outputs"),
)


def read_workflows(
    source: DocumentSource,
    connector: Connector,
    *,
    sources: Iterable[str] = (),
    catalog: Catalog | None = None,
    validation: Validation = "on",
) -> WorkflowDocument:
    """The document in a file, in YAML or JSON text, or in values. Raises WorkflowDocumentError with every fault.

    A source description is this connector where its name is the connector's id, its URL ends in the name of the connector's description,
    or its name is among ``sources``. Its operations are those of ``catalog``, the connector's own unless another is given: a connection
    that names a description needs ``connector.catalog_of(connection)``. Literals of steps are held against the schemas of what they run, as
    strictly as ``validation``, a connection's, says. Nothing is fetched and nothing is sent.
    """
    raw, what = _raw(source)
    findings = DocumentReport()
    document = _Reader(Node(raw, findings), connector, catalog or connector.catalog, frozenset(sources), validation).document()
    if findings.faults:
        raise WorkflowDocumentError(f"{what} cannot be run.", findings.faults)
    return document


def _raw(source: DocumentSource) -> tuple[Any, str]:
    if isinstance(source, Mapping):
        return source, "The document"
    what = source.name if isinstance(source, Path) else "The document"
    faults: tuple[Fault, ...] = ()
    hint = ""
    try:
        data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
        data = data.read_bytes() if isinstance(data, Path) else data
        return load_yaml(data, _LIMITS, what=what), what
    except OSError as error:
        message, hint = f"{what} cannot be read: {error.strerror}.", "Name a file that you may read."
    except DocumentError as error:
        message, faults = error.message, error.faults
    raise WorkflowDocumentError(message, faults, hint=hint)


class _Reader:
    """Reads one document: first the names in it, then everything else."""

    def __init__(self, root: Node, connector: Connector, catalog: Catalog, sources: frozenset[str], validation: Validation) -> None:
        self._validation: Validation = validation
        self._root = root
        self._connector = connector
        self._catalog = catalog
        self._ours = sources
        self._schemas: dict[int, WorkflowInputs] = {}

    def document(self) -> WorkflowDocument:
        """The document; useless where faults were noted."""
        if self._fields(self._root, "arazzo").get("arazzo") is not None and not self._is_supported():
            return WorkflowDocument("", "", "", {}, {})
        fields = self._root.fields(_DOCUMENT)
        info = fields["info"].fields(_INFO) if "info" in fields else {}
        sources = self._sources(fields.get("sourceDescriptions"))
        components = self._components(fields.get("components"))
        nodes = list(fields["workflows"].items(least=1)) if "workflows" in fields else []
        signatures = self._signatures(nodes)
        place = NameScope(
            workflows=signatures,
            sources=frozenset(sources),
            parameters=frozenset(constants := _constants(components.get("parameters", {}))),
            headers=self._connector.manifest.result.headers,
        )
        required = {str(node.value["workflowId"]): self._inputs(node).required for node in nodes if _id(node, "workflowId")}
        targets = Targets(self._connector, self._catalog, sources, signatures, required, self._validation)
        found = [self._workflow(node, components, place, targets) for node in nodes if isinstance(node.value, Mapping)]
        workflows = {workflow.id: workflow for workflow in found}
        self._check_circles(found)
        return WorkflowDocument(
            title=info["title"].text() if "title" in info else "",
            version=info["version"].text() if "version" in info else "",
            arazzo=fields["arazzo"].text() if "arazzo" in fields else "",
            sources=sources,
            workflows=workflows,
            constants=constants,
            summary=info["summary"].text() if "summary" in info else "",
            warnings=tuple(self._root.findings.warnings),
        )

    @staticmethod
    def _fields(node: Node, *names: str) -> dict[str, Node]:
        """Some fields, without a look at the others."""
        return {name: node.at(name) for name in names if isinstance(node.value, Mapping) and name in node.value}

    def _is_supported(self) -> bool:
        version = self._root.at("arazzo")
        if isinstance(version.value, str) and _VERSION.fullmatch(version.value):
            return True
        version.unsupported("This version is", "Write `arazzo: 1.0.1`.")
        return False

    def _sources(self, node: Node | None) -> dict[str, str]:
        found: dict[str, str] = {}
        for entry in node.items(least=1) if node else ():
            fields = entry.fields(_SOURCE)
            name = fields["name"].text(NAME) if "name" in fields else ""
            url = fields["url"].text() if "url" in fields else ""
            if name in found:
                fields["name"].fault("duplicate", "is the name of another source.")
            found[name] = url
            if "type" in fields and fields["type"].choice("openapi", "arazzo") == "arazzo":
                fields["type"].unsupported("Another Arazzo document is", "Put its workflows into this one.")
            elif url and not self._is_ours(name, url):
                fix = f"Name it `{self._connector.id}`, or say that `{name}` is this connector (`sources`, `--source`)."
                entry.fault("source", "describes no connector that is here.", fix)
        return found

    def _is_ours(self, name: str, url: str) -> bool:
        file = re.split(r"[?#]", url)[0].rpartition("/")[2]
        return name in self._ours or name == self._connector.id or file == Path(self._connector.manifest.spec.file).name

    def _components(self, node: Node | None) -> dict[str, dict[str, Node]]:
        fields = node.fields(_COMPONENTS) if node else {}
        return {kind: dict(part.entries(OUTPUT)) for kind, part in fields.items()}

    def _signatures(self, nodes: Iterable[Node]) -> dict[str, Signature]:
        found: dict[str, Signature] = {}
        for node in nodes:
            fields = self._fields(node, "workflowId", "outputs", "steps")
            if "workflowId" not in fields:
                continue  # it is noted as missing when the workflow itself is read
            name = fields["workflowId"].text(NAME)
            if name in found:
                fields["workflowId"].fault("duplicate", "is the id of another workflow.")
            steps: dict[str, frozenset[str]] = {}
            for step in (step for step in _list(fields.get("steps")) if _id(step, "stepId")):
                own = step.at("stepId").text(NAME)
                if own in steps:
                    step.at("stepId").fault("duplicate", "is the id of another step of this workflow.")
                steps[own] = _names(self._fields(step, "outputs").get("outputs"))
            found[name] = Signature(self._inputs(node).names, _names(fields.get("outputs")), steps)
        return found

    def _inputs(self, node: Node) -> WorkflowInputs:
        """The workflow's inputs; read once, so that a fault is noted once."""
        if id(node.value) not in self._schemas:
            given = self._fields(node, "inputs").get("inputs")
            self._schemas[id(node.value)] = WorkflowInputs({"type": "object"}) if given is None else self._schema(given)
        return self._schemas[id(node.value)]

    def _schema(self, node: Node) -> WorkflowInputs:
        try:
            schema: Mapping[str, Any] = to_json_schema(self._root.value, node.value, version="3.1", request=True)
        except (DocumentError, RecursionError) as error:
            message = error.message if isinstance(error, DocumentError) else "The schema is nested too deeply."
            node.fault("schema", message)
            return WorkflowInputs({})
        reader = SchemaReader(schema)
        names, required = reader.names(schema), reader.required(schema)
        properties = {name: part for one in reader.parts(schema) for name, part in one.get("properties", {}).items()}
        defaults = {name: part["default"] for name, part in properties.items() if isinstance(part, Mapping) and "default" in part}
        found = WorkflowInputs(schema, names, required - defaults.keys(), defaults)
        try:
            found.validator.check({})
        except DocumentError as error:
            node.fault("schema", error.message)
        return found

    def _workflow(self, node: Node, components: Mapping[str, Mapping[str, Node]], place: NameScope, targets: Targets) -> Workflow:
        fields = node.fields(_WORKFLOW)
        name = fields["workflowId"].text() if "workflowId" in fields else ""
        here = place.at(here=place.workflows.get(name, Signature()))
        shared = Shared(fields.get("parameters"), fields.get("successActions"), fields.get("failureActions"), components)
        steps = fields["steps"].items(least=1) if "steps" in fields else ()
        entries = fields["outputs"].entries(OUTPUT) if "outputs" in fields else ()
        outputs = {key: read_template(part.value, part.pointer, here.read, part.findings.refuse) for key, part in entries}
        for template in outputs.values():
            if template.kind != "expression" and not node.findings.has(template.pointer):
                node.findings.add(
                    template.pointer, "expression", "must be a runtime expression.", "Write `$steps.<stepId>.outputs.<name>`."
                )
        return Workflow(
            id=name,
            pointer=node.pointer,
            inputs=self._inputs(node),
            steps=tuple(read_step(step, shared, here, targets) for step in steps),
            summary=fields["summary"].text() if "summary" in fields else "",
            description=fields["description"].text() if "description" in fields else "",
            depends_on=tuple(self._dependency(part, place) for part in fields["dependsOn"].items()) if "dependsOn" in fields else (),
            outputs=outputs,
        )

    @staticmethod
    def _dependency(node: Node, place: NameScope) -> str:
        name = node.text()
        if name.startswith("$"):
            node.unsupported("Workflows of other documents are")
        elif name not in place.workflows:
            node.fault("unknown", "names no workflow of this document.")
        return name

    def _check_circles(self, workflows: Iterable[Workflow]) -> None:
        found = {workflow.id: workflow for workflow in workflows}
        try:
            TopologicalSorter({name: set(workflow.depends_on) for name, workflow in found.items()}).prepare()
        except CycleError as error:
            name = str(error.args[1][0])
            pointer = found[name].pointer if name in found else "/workflows"
            self._root.findings.add(f"{pointer}/dependsOn", "circle", "leads back to the workflow itself.")


def _id(node: Node, key: str) -> bool:
    return isinstance(node.value, Mapping) and isinstance(node.value.get(key), str)


def _list(node: Node | None) -> Iterable[Node]:
    return [node.at(index) for index in range(len(node.value))] if node is not None and isinstance(node.value, list) else []


def _constants(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """The values of those components that are parameters and hold no expression."""
    values = {name: node.value.get("value", MISSING) for name, node in nodes.items() if isinstance(node.value, Mapping)}
    plain = {name: value for name, value in values.items() if value is not MISSING}
    return {name: value for name, value in plain.items() if not any(isinstance(part, str) and "$" in part for _, part in walk(value))}


def _names(node: Node | None) -> frozenset[str]:
    return frozenset(map(str, node.value)) if node is not None and isinstance(node.value, Mapping) else frozenset()
