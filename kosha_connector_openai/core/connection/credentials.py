"""The connection form's values -> credentials: one for each security scheme of the description, or one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kosha_connector_openai.core.connection.auth import AUTH_TYPES, SCHEMES, Credential
from kosha_connector_openai.core.connection.options import Options
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.http import Origin
from kosha_connector_openai.manifest import AuthRule, ConnectionForm, Manifest
from kosha_connector_openai.openapi import Document
from kosha_connector_openai.secrets import SecretReference

ANY: Final = "*"
"""Stands in place of a security scheme's name for all of them."""
Rules = Mapping[str, AuthRule]


def make_credentials(
    rules: Rules,
    chosen: str,
    references: Mapping[str, SecretReference],
    given: Mapping[str, str],
    allowed: frozenset[Origin],
    options: Options,
    document: Callable[[], Document] | None = None,
    homes: Mapping[str, Origin] = {},
) -> dict[str, Credential]:
    """A credential for each rule whose fields are filled in; the ``chosen`` scheme, if any, replaces the rule's own.

    A key goes where the rule says, else where the ``document`` has the rule's scheme, else into the header that the ``options`` name.

    It may go to the ``allowed`` origins, or to those alone that ``homes`` has for its fields.

    Of rules for any scheme the chosen one alone counts, and it must be filled in. Raises SetupError, which names the form's fields.
    """
    found = {}
    for name, rule in _counting(rules, chosen).items():
        scheme = chosen or rule.scheme
        parts = {part: references[entry] for part, entry in rule.fields.items() if entry in references}
        settings = dict(rule.settings) | {
            part: given[entry] for part, entry in rule.fields.items() if entry not in references and entry in given
        }
        if scheme != rule.scheme:
            parts = dict(zip(SCHEMES[scheme].parts, parts.values(), strict=False))
        if scheme == "api_key" and not rule.any_scheme and not {"header", "query"} & settings.keys():
            described = described_place(document(), name) if document and scheme == rule.scheme else {}
            settings |= described or {"header": options.api_key_header}
        if scheme == "oauth2":
            settings["token_url"] = options.token_url
        missing = [part for part in SCHEMES[scheme].parts if part not in parts]
        if not missing:
            own = frozenset(homes[entry] for entry in rule.fields.values() if entry in homes)
            found[ANY if rule.any_scheme else name] = _credential(rule, scheme, settings, parts, own or allowed)
        elif rule.any_scheme:
            faults = [Fault(f"/{rule.fields.get(part, part)}", "required", "is missing.", "Fill it in.") for part in missing]
            raise SetupError("The connection is not complete.", faults)
    return found


def key_place(manifest: Manifest, values: Mapping[str, str], document: Callable[[], Document]) -> dict[str, str]:
    """The header, or ``?`` and the name in the query, of a key that meets any scheme: where nobody says it, as the description does."""
    for rule in manifest.auth.values():
        field = rule.fields.get("header")
        if rule.any_scheme and field and field not in values and rule.fields.get("token") in values:
            keys = [scheme for scheme in document().security_schemes.values() if scheme.get("type") == "apiKey"]
            named = [(scheme.get("in"), name) for scheme in keys if isinstance(name := scheme.get("name"), str)]
            places = {f"?{name}" if place == "query" else name for place, name in named if place != "cookie"}
            return {field: places.pop()} if len(places) == 1 else {}
    return {}


def described_place(document: Document, name: str) -> dict[str, str]:
    """The setting that puts a key where the description has this security scheme; nothing where it says no place that we write."""
    scheme = document.security_schemes.get(name, {})
    place, key = scheme.get("in"), scheme.get("name")
    return {str(place): key} if scheme.get("type") == "apiKey" and place in ("header", "query") and isinstance(key, str) else {}


def idle_fields(form: ConnectionForm, rules: Rules, chosen: str) -> frozenset[str]:
    """The fields that the chosen scheme does not need: those of the other schemes, and every secret where there is no credential."""
    if chosen == "none":
        return frozenset(entry.name for entry in form.fields if entry.secret) | _fields(rules)
    rivals = {name: rule for name, rule in rules.items() if rule.any_scheme}
    return _fields(rivals) - _fields({name: rule for name, rule in rivals.items() if rule.scheme == chosen})


def _fields(rules: Rules) -> frozenset[str]:
    return frozenset(entry for rule in rules.values() for entry in rule.fields.values())


def _counting(rules: Rules, chosen: str) -> Rules:
    rivals = {rule.scheme: name for name, rule in rules.items() if rule.any_scheme}
    if not rivals or not chosen:
        return rules
    if chosen in rivals:
        return {rivals[chosen]: rules[rivals[chosen]]}
    known = ", ".join(name for name, scheme in AUTH_TYPES.items() if scheme in rivals)
    message = "is not one that this connector has fields for."
    raise SetupError("The connection cannot be used.", [Fault("/auth_type", "auth_type", message, f"Use one of: {known}.")])


def _credential(
    rule: AuthRule, scheme: str, settings: Mapping[str, str], parts: Mapping[str, SecretReference], allowed: frozenset[Origin]
) -> Credential:
    """The credential; what is wrong with a setting is said of the field that it came from."""
    try:
        return Credential(scheme, settings, parts, allowed)
    except SetupError as error:
        part = error.pointer.removeprefix("/")
        fault = Fault(f"/{rule.fields.get(part, part)}", "setting", error.message, error.hint)
        raise SetupError("The connection is not complete.", [fault]) from None
