"""A folder of packages -> a static index that any web server can serve, as JSON and as pages; and its reader, from a folder or https."""

from __future__ import annotations

import hashlib
import html
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote, urljoin, urlsplit

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import ConnectorError, ConnectorPackageError, Fault, InputError, ManifestError, SetupError
from kosha_connector_openai.http import ANYWHERE, WireError, send_once, tls_context
from kosha_connector_openai.manifest import Constraint, Part, validated
from kosha_connector_openai.packages.facts import package_facts
from kosha_connector_openai.packages.signature import SIGNATURE
from kosha_connector_openai.packages.store import unpack
from kosha_connector_openai.packages.version import order
from kosha_connector_openai.packages.wheel import LARGEST, Wheel, read_wheel
from kosha_connector_openai.text import loads_strict

INDEX: Final = "index.json"
_FORMAT: Final = 1
_SECONDS: Final = 30.0
_LARGEST_INDEX: Final = 8 * 1024 * 1024
_PAGES: Final = "index"
"""The name of our own page: no connector's page may take its place."""
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
Text = Annotated[str, Constraint(max_length=2_000)]


class CatalogueEntry(Part):
    """One version of a connector: its card, its file and what that must be."""

    id: Annotated[str, Constraint(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    title: Text
    tagline: Text
    publisher: Text
    categories: tuple[Text, ...]
    keywords: tuple[Text, ...]
    version: Text
    file: Annotated[str, Constraint(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.!+-]{0,200}\.whl$")]
    sha256: Annotated[str, Constraint(pattern=r"^[0-9a-f]{64}$")]
    size: int
    signed: bool
    actions: int
    hosts: tuple[Text, ...]
    code: bool

    def __post_init__(self) -> None:
        order(self.version)

    def fits(self, words: str) -> bool:
        """Whether every word is in the card."""
        text = " ".join((self.id, self.title, self.tagline, self.publisher, *self.categories, *self.keywords)).lower()
        return all(word in text for word in words.lower().split())


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The entries of an index, and where it is."""

    place: str
    entries: tuple[CatalogueEntry, ...]

    def search(self, words: str) -> list[CatalogueEntry]:
        """The newest version of each connector that has every word in its card."""
        return [entry for entry in self.newest() if entry.fits(words)]

    def newest(self) -> list[CatalogueEntry]:
        """The newest version of each connector, by id."""
        found: dict[str, CatalogueEntry] = {}
        for entry in sorted(self.entries, key=lambda entry: order(entry.version)):
            found[entry.id] = entry
        return [found[key] for key in sorted(found)]

    def fetch(self, name: str, version: str | None = None) -> tuple[str, bytes, bytes | None]:
        """A package's name, bytes and signature, once it is what the index says. Raises ConnectorPackageError, SetupError."""
        fitting = [entry for entry in self.entries if entry.id == name and version in (None, entry.version)]
        if not fitting:
            known = ", ".join(sorted({entry.id for entry in self.entries})) or "nothing"
            raise ConnectorPackageError(
                "The catalogue has no such package.", [Fault("/name", "unknown", "is not in it.", f"It has: {known}.")]
            )
        entry = max(fitting, key=lambda entry: order(entry.version))
        data = _read(self.place, entry.file, LARGEST)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ConnectorPackageError(
                "The package is refused: nothing was written.", [Fault(f"/{entry.file}", "digest", "is not what the index says.")]
            )
        return entry.file, data, _read(self.place, entry.file + SIGNATURE, _LARGEST_INDEX) if entry.signed else None


def build_catalogue(folder: Path) -> Catalogue:
    """Writes ``index.json``, ``index.html`` and a page for each connector beside the packages of a folder. Raises ConnectorPackageError."""
    files = sorted(folder.glob("*.whl"))
    if not files:
        what = "has no file that ends in .whl." if folder.is_dir() else "is no folder."
        raise ConnectorPackageError("The folder has no packages.", [Fault(f"/{folder.name}", "empty", what, "Build one: `package`.")])
    entries: list[CatalogueEntry] = []
    logos: dict[str, bytes] = {}
    for file in files:
        data = file.read_bytes()
        wheel = read_wheel(data, file.name)
        entry, logo = _entry(wheel, len(data), signed=file.with_name(file.name + SIGNATURE).is_file())
        if entry.id == _PAGES:
            raise ConnectorPackageError(
                "A package cannot be listed.", [Fault(f"/{file.name}", "id", f"is called `{_PAGES}`, as our own page is.", "Take it out.")]
            )
        entries.append(entry)
        if logo is not None:
            logos[entry.id] = logo
    entries.sort(key=lambda entry: (entry.id, order(entry.version)))
    found = Catalogue(str(folder), tuple(entries))
    value = {"catalogue": _FORMAT, "packages": [asdict(entry) for entry in entries]}
    for key, logo in logos.items():
        (folder / f"{key}.svg").write_bytes(logo)
    (folder / INDEX).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(_page("Connectors", _list(found.newest(), logos)), encoding="utf-8")
    for entry in found.newest():
        versions = [each for each in entries if each.id == entry.id]
        (folder / f"{entry.id}.html").write_text(_page(entry.title, _card(entry, versions, logos)), encoding="utf-8")
    return found


def read_catalogue(place: str) -> Catalogue:
    """The catalogue in a folder or at an https address. Raises SetupError, and ConnectorPackageError where it is none."""
    raw = _read(place, INDEX, _LARGEST_INDEX)
    try:
        value = loads_strict(raw, what=INDEX)
        if value["catalogue"] != _FORMAT:
            raise ConnectorPackageError(
                "The catalogue is of another format.", [Fault("/catalogue", "version", f"is not {_FORMAT}.", "Upgrade the host.")]
            )
        entries = tuple(validated(each, CatalogueEntry) for each in value["packages"])
    except (InputError, ManifestError, KeyError, TypeError):
        raise ConnectorPackageError(
            "This is no catalogue.", [Fault(f"/{INDEX}", "type", "cannot be read.", "Build it: `catalogue build`.")]
        ) from None
    return Catalogue(place, entries)


def _entry(wheel: Wheel, size: int, *, signed: bool) -> tuple[CatalogueEntry, bytes | None]:
    import tempfile

    facts = package_facts(wheel, None)
    with tempfile.TemporaryDirectory(prefix="kosha-package-") as name:
        unpack(wheel, Path(name))
        with Connector(Path(name) / wheel.folder) as connector:
            manifest = connector.manifest
            try:
                logo = connector.icon()
            except ConnectorError:
                logo = None
    entry = CatalogueEntry(
        id=facts.id,
        title=facts.title,
        tagline=facts.tagline,
        publisher=facts.publisher,
        categories=manifest.categories,
        keywords=manifest.keywords,
        version=wheel.version,
        file=wheel.file,
        sha256=wheel.digest,
        size=size,
        signed=signed,
        actions=facts.actions,
        hosts=facts.hosts,
        code=bool(wheel.code),
    )
    return entry, logo if manifest.icon and manifest.icon.light.endswith(".svg") else None


def _read(place: str, name: str, limit: int) -> bytes:
    """A file of the catalogue; of a server, only over https, but for this machine. Raises SetupError."""
    if "://" not in place:
        return _read_file(Path(place) / name, limit)
    _check_address(place)
    url = urljoin(place if place.endswith("/") else f"{place}/", quote(name))
    try:
        tls = tls_context() if url.startswith("https:") else None
        reply = send_once("GET", url, (), deadline=time.monotonic() + _SECONDS, limit=limit, tls=tls, policy=ANYWHERE)
    except WireError as error:
        raise SetupError("The catalogue did not answer.", hint=f"It stopped at: {error.phase}.") from None
    if reply.status != 200:  # noqa: PLR2004 - OK
        raise SetupError("The catalogue did not answer with a file.", [Fault(f"/{name}", "status", f"is answered with {reply.status}.")])
    return reply.body


def _read_file(path: Path, limit: int) -> bytes:
    """A plain file, without waiting for one who writes into a pipe."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(limit + 1) if is_plain else b""
    except OSError as error:
        fault = Fault(f"/{path.name}", "file", f"cannot be opened: {error.strerror}.", "Name a folder that `catalogue build` made.")
    else:
        if is_plain and len(data) <= limit:
            return data
        fault = Fault(f"/{path.name}", "size", f"is no plain file, or larger than {limit} bytes.")
    raise SetupError("The catalogue cannot be read.", [fault])


def _check_address(place: str) -> None:
    """Raises SetupError for an address that is neither https nor http on this machine, or that has more than a host and a path."""
    try:
        parts = urlsplit(place)
        allowed = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        allowed = False
    if not allowed:
        raise SetupError(
            "The catalogue is not asked.", [Fault("/from", "scheme", "is no https address.", "Give an https address or a folder.")]
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SetupError(
            "The catalogue is not asked.",
            [Fault("/from", "address", "has a user, a query or a fragment.", "Give the address without it: nothing of it is sent.")],
        )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{_text(title)}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }}
a {{ color: #0b57d0 }} h1 {{ font-size: 1.6rem }} code {{ word-break: break-all }}
ul {{ list-style: none; padding: 0; display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)) }}
li, table {{ border: 1px solid #d0d0d0; border-radius: 8px }} li {{ padding: 1rem }}
img {{ width: 40px; height: 40px; vertical-align: middle; margin-right: .5rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .5rem; border-bottom: 1px solid #e4e4e4; vertical-align: top }}
@media (prefers-color-scheme: dark) {{ body {{ color: #eaeaea; background: #161616 }} a {{ color: #8ab4f8 }} }}
</style>
</head>
<body>
<main>
<h1>{_text(title)}</h1>
{body}
</main>
</body>
</html>
"""


def _list(entries: Iterable[CatalogueEntry], logos: Mapping[str, bytes]) -> str:
    cards = "\n".join(
        f'<li><h2>{_logo(entry, logos)}<a href="{entry.id}.html">{_text(entry.title)}</a></h2><p>{_text(entry.tagline)}</p>'
        f"<p>{entry.actions} actions, version {_text(entry.version)}</p></li>"
        for entry in entries
    )
    return f"<ul>\n{cards}\n</ul>"


def _card(entry: CatalogueEntry, versions: list[CatalogueEntry], logos: Mapping[str, bytes]) -> str:
    rows = "\n".join(
        f'<tr><td><a href="{quote(each.file)}">{_text(each.version)}</a></td><td>{"yes" if each.signed else "no"}</td>'
        f"<td>{each.size}</td><td><code>{each.sha256}</code></td></tr>"
        for each in reversed(versions)
    )
    return f"""<p>{_logo(entry, logos)}{_text(entry.tagline)}</p>
<p>By {_text(entry.publisher)}. {entry.actions} actions. It sends to: {_text(", ".join(entry.hosts))}.
{"It holds code." if entry.code else "It is data and holds no code."}</p>
<p><code>kosha-openai install {entry.id} --from ADDRESS</code></p>
<table>
<thead><tr><th>Version</th><th>Signed</th><th>Bytes</th><th>SHA-256</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p><a href="index.html">All connectors</a></p>"""


def _logo(entry: CatalogueEntry, logos: Mapping[str, bytes]) -> str:
    return f'<img src="{entry.id}.svg" alt="">' if entry.id in logos else ""


def _text(text: str) -> str:
    return html.escape(text)
