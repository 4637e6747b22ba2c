"""Names: of components, from where a class stands; of operations, as the vendor spells its ids, by rules of the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kosha_connector_openai.manifest.parts import IdRules

ROOT = "types"
BETA = "beta"


def component_names(dotted: Iterable[str]) -> dict[str, str]:
    """Dotted name of a class -> name of its component, each once.

    A class that gives its module its name keeps it; any other has its module's before its own. Where two would be the same, the one
    nearer the root keeps the name and the others begin with their folders, those of a beta last: a class deeper down, or on trial,
    never renames another.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(dotted), key=lambda name: (BETA in name.split("."), name.count("."), name)):
        folders, plain = _folders(name), plain_name(name)
        candidates = [camel(*folders[len(folders) - cut :]) + plain for cut in range(len(folders) + 1)]
        chosen = next((one for one in candidates if one not in taken), "".join(part.capitalize() for part in name.split(".")))
        taken.add(chosen)
        found[name] = chosen
    return found


def plain_name(dotted: str) -> str:
    """A component's name where no other has it."""
    *_, module, name = dotted.split(".") if "." in dotted else ("", dotted)
    main = camel(module)
    if name.lower() == main.lower() or name.lower().startswith(main.lower()):
        return name
    return main + name


def _folders(dotted: str) -> list[str]:
    return [part for part in dotted.split(".")[:-2] if part != ROOT]


def camel(*words: str) -> str:
    """`session_create_params` as `SessionCreateParams`."""
    return "".join(part[:1].upper() + part[1:] for word in words for part in re.split(r"[_\-]", word))


@dataclass(frozen=True)
class OperationIds:
    """Ids by the rules of the part `sdk`."""

    rules: IdRules

    def derive(self, method: str, path: str, function: str) -> str:
        """An id such as `listThings`: the client's verb, and the path's nouns, the last one plural for a list."""
        place = f"{method} {re.sub(r'{[^}]*}', '{}', path)}"
        if place in self.rules.exceptions:
            return self.rules.exceptions[place]
        segments = [part for part in path.partition("?")[0].strip("/").split("/") if part not in self.rules.dropped]
        nouns = [part for part in segments if not part.startswith("{")]
        verb, acts = self.rules.verbs.get(function, function), function not in self.rules.verbs
        if acts and len(nouns) > 1 and nouns[-1] in (function, verb):
            nouns, ends_open = nouns[:-1], segments[-2:-1] != [] and not segments[-2].startswith("{")
        else:
            ends_open = not segments[-1].startswith("{")
        many = verb == "list" or (acts and ends_open)
        words = [self._one(noun) for noun in nouns[:-1]] + [nouns[-1] if many else self._one(nouns[-1])]
        name = camel(verb, *words)
        return self._prefix(path) + name[0].lower() + name[1:]

    def _prefix(self, path: str) -> str:
        """What an id begins with whose path has a query of its own: `beta_` for `?beta=true`."""
        return "".join(f"{pair.split('=')[0]}_" for pair in path.partition("?")[2].split("&") if pair)

    def _one(self, noun: str) -> str:
        """The singular of the last word of a segment."""
        head, _, last = noun.rpartition("_")
        for ending, single in self.rules.singular.items():
            if last.endswith(ending):
                last = last.removesuffix(ending) + single
                break
        return f"{head}_{last}" if head else last
