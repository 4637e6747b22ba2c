"""The commands for packages: build and sign one, install it, go back, take it away, look after it; and a catalogue of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.files import make_folder, save
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, counted, is_terminal, note, say_json, say_table
from kosha_connector_openai.errors import ConnectorPackageError, Fault, SetupError
from kosha_connector_openai.packages import (
    SIGNATURE,
    Installed,
    PackageFacts,
    PackageStore,
    Wheel,
    build_catalogue,
    build_wheel,
    package_facts,
    read_catalogue,
    read_wheel,
    sign,
    signer_of,
    trusted_signers,
)
from kosha_connector_openai.trusted_files import home

_EPOCH: Final = "315532800"
"""1980-01-01, where a zip's time begins; for builds of code that take their time from SOURCE_DATE_EPOCH."""
_MOST_CHANGES: Final = 12
_MOST_CODE: Final = 5

PackageName = Annotated[str, typer.Argument(metavar="NAME", help="The connector's id.", show_default=False)]
From = Annotated[
    str | None,
    typer.Option(
        "--from", envvar="KOSHA_CATALOGUE", metavar="PLACE", help="The catalogue: a folder or an https address.", show_default=False
    ),
]
Signers = Annotated[
    list[Path] | None,
    typer.Option(
        "--signer", metavar="FILE", help="A signature by this public key, or by one in this folder, is required.", show_default=False
    ),
]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Take a package that holds code, which runs with your rights.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Also an older version, or the same one with other content.")]
Workflows = Annotated[
    list[Path] | None,
    typer.Option("--workflows", metavar="PATH", help="Say which of the documents here would break.", show_default=False),
]


def package(
    ctx: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER|FILE.whl", help="A connector's folder, or a package to sign.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the package goes.")] = Path("dist"),
    key: Annotated[Path | None, typer.Option("--sign", metavar="KEY", help="Sign it with this private Ed25519 key in PEM.")] = None,
    version: Annotated[str | None, typer.Option(help="The version, where the folder has none or another.", show_default=False)] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Builds a connector's folder as a wheel, the same bytes each time, and signs it."""
    session: Session = ctx.obj
    place = folder or session.connector.folder
    if place.suffix == ".whl":
        name, data, target = place.name, _bytes(place), place
        read_wheel(data, name)
    else:
        make_folder(out, "out")  # first: a build takes its time
        name, data = _built(place) if (place / "pyproject.toml").is_file() else build_wheel(place, version=version)
        target = out / name
        save(target, data)
    signed = target.with_name(name + SIGNATURE)
    if key is not None:
        save(signed, sign(name, data, _bytes(key)))
    wheel = read_wheel(data, name)
    if as_json:
        say_json({"file": str(target), "sha256": wheel.digest, "size": len(data), "signature": str(signed) if key else None})
        return
    typer.echo(clean(f"{target}\n{len(data)} bytes, SHA-256 {wheel.digest}" + (f"\n{signed}" if key else "")))


def install(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="FILE.whl|NAME", help="A package, or a connector's id in the catalogue.", show_default=False)
    ],
    place: From = None,
    version: Annotated[str | None, typer.Option(help="This version of the catalogue's.", show_default=False)] = None,
    signers: Signers = None,
    allow_code: AllowCode = False,
    force: Force = False,
    yes: Yes = False,
    as_json: opt.AsJson = False,
) -> None:
    """Installs a connector once it is checked and you have said yes."""
    _install(name, place, version, signers, None, allow_code=allow_code, force=force, yes=yes, as_json=as_json, wanted=False)


def upgrade(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="FILE.whl|NAME", help="A package, or a connector's id in the catalogue.", show_default=False)
    ],
    place: From = None,
    version: Annotated[str | None, typer.Option(help="This version of the catalogue's.", show_default=False)] = None,
    signers: Signers = None,
    workflows: Workflows = None,
    allow_code: AllowCode = False,
    force: Force = False,
    yes: Yes = False,
    as_json: opt.AsJson = False,
) -> None:
    """Installs another version of a connector; shows first what changes and what would break."""
    _install(name, place, version, signers, workflows, allow_code=allow_code, force=force, yes=yes, as_json=as_json, wanted=True)


def rollback(name: PackageName, as_json: opt.AsJson = False) -> None:
    """Goes back to the version before; again, to the one after."""
    _tell(PackageStore().rollback(name), "is what counts now", as_json=as_json)


def remove(name: PackageName, yes: Yes = False, as_json: opt.AsJson = False) -> None:
    """Removes a connector with all its versions."""
    store = PackageStore()
    _ask(f"Remove {store.wanted(name).id}?", yes=yes)
    _tell(store.remove(name), "was removed", as_json=as_json)


def verify(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.whl", help="An installed connector, or a package.", show_default=False)],
    signers: Signers = None,
    as_json: opt.AsJson = False,
) -> None:
    """Holds each file against what its package says, and a package against its signature."""
    if not name.endswith(".whl"):
        _tell(PackageStore().verify(name), "is as it was installed", as_json=as_json)
        return
    wheel, signer = _checked(Path(name).name, *_local(Path(name)), signers)
    if as_json:
        say_json({"file": wheel.file, "version": wheel.version, "sha256": wheel.digest, "signer": signer, "code": bool(wheel.code)})
    else:
        typer.echo(clean(f"{wheel.file} is whole, {f'signed by {signer}' if signer else 'not signed by anyone you trust'}."))


def list_(as_json: opt.AsJson = False) -> None:
    """Lists the connectors that are installed."""
    found = PackageStore().installed()
    if as_json:
        say_json([each.to_dict() for each in found])
    else:
        say_table(
            ("Connector", "Version", "Holds", "Signed by"),
            [(each.id, each.version, "code" if each.code else "data", each.signer or "") for each in found],
        )


def catalogue_build(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the packages are.", show_default=False)],
    as_json: opt.AsJson = False,
) -> None:
    """Writes the index of a folder of packages: index.json and pages that any web server can serve."""
    found = build_catalogue(folder)
    if as_json:
        say_json([{"id": entry.id, "version": entry.version, "file": entry.file} for entry in found.entries])
    else:
        typer.echo(f"{counted(len(found.entries), 'package')} of {counted(len(found.newest()), 'connector')}: {folder / 'index.html'}")


def catalogue_search(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="Words in a connector's card; nothing for all.", show_default=False)] = "",
    place: From = None,
    as_json: opt.AsJson = False,
) -> None:
    """Finds connectors in a catalogue."""
    found = read_catalogue(_named(place)).search(words)
    if as_json:
        say_json([{"id": entry.id, "title": entry.title, "version": entry.version, "tagline": entry.tagline} for entry in found])
    else:
        say_table(("Connector", "Version", "What it is"), [(entry.id, entry.version, entry.tagline) for entry in found])


def _install(
    name: str,
    place: str | None,
    version: str | None,
    signers: list[Path] | None,
    workflows: list[Path] | None,
    *,
    allow_code: bool,
    force: bool,
    yes: bool,
    as_json: bool,
    wanted: bool,
) -> None:
    store = PackageStore()
    if name.endswith(".whl"):
        wheel, signer = _checked(Path(name).name, *_local(Path(name)), signers)
    else:
        wheel, signer = _checked(*read_catalogue(_named(place)).fetch(name, version), signers)
    before = store.find(wheel.distribution)
    if wanted and before is None:
        raise ConnectorPackageError("It is not installed.", [Fault("/package", "unknown", "is not installed.", "Use install.")])
    if not wanted and before is not None and before.digest != wheel.digest and not force:
        fault = Fault("/package", "installed", f"is there in version {before.version}.", "Use upgrade.")
        raise ConnectorPackageError("It is installed already.", [fault])
    facts = package_facts(wheel, before, workflows or ())
    if not as_json:
        for line in _shown(facts, signer):
            note(clean(line))
    if wheel.code and not allow_code:
        faults = [
            Fault(f"/{path}", "code", "would run with your rights.", "Look at it, then use --allow-code.") for path in wheel.code[:10]
        ]
        raise ConnectorPackageError("The package holds code: nothing was written.", faults)
    store.check(wheel, facts.id, force=force)
    _ask("Install it?", yes=yes)
    _tell(store.put(wheel, signer=signer, force=force), "is installed", as_json=as_json)


def _checked(file: str, data: bytes, envelope: bytes | None, signers: list[Path] | None) -> tuple[Wheel, str | None]:
    """The package, and who signed it; where signers are named, one of them has."""
    wheel = read_wheel(data, file)
    own = home() / "signers"
    places = list(signers or ([own] if own.is_dir() and any(own.glob("*.pem")) else []))
    known = trusted_signers(places)
    found = signer_of(file, data, envelope, known)
    if places and found is None:
        what = "is signed by nobody whom you trust." if envelope is not None else "is not signed, and you ask for a signature."
        raise ConnectorPackageError(
            "The package is refused: nothing was written.",
            [Fault(f"/{file}{SIGNATURE}", "signer", what, f"Trusted: {', '.join(signer.name for signer in known) or 'nobody'}.")],
        )
    return wheel, found.name if found else None


def _shown(facts: PackageFacts, signer: str | None) -> Iterator[str]:
    """The facts in lines, before the question."""
    yield f"{facts.title} ({facts.id}) {facts.version}: {facts.tagline}"
    yield f"By {facts.publisher}, {f'signed by {signer}' if signer else 'not signed by anyone you trust'}. {facts.actions} actions."
    yield f"Sends to: {', '.join(facts.hosts)}."
    yield f"Asks for: {', '.join(facts.secrets) or 'no secret'}."
    yield f"Holds code: {', '.join(facts.code[:_MOST_CODE])}." if facts.code else "It is data and holds no code."
    if facts.before is not None:
        changes = facts.changes.changes if facts.changes is not None else ()
        breaks = ", some of them break callers" if facts.changes is not None and facts.changes.is_breaking else ""
        yield f"In place of {facts.before}: {len(changes)} changes{breaks}."
        for change in changes[:_MOST_CHANGES]:
            yield f"  {change.verdict}: {change.operation} {change.where} {change.message}"
        if len(changes) > _MOST_CHANGES:
            yield f"  and {len(changes) - _MOST_CHANGES} more: `spec diff` shows all."
    for line in facts.broken:
        yield f"Would break: {line}"


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not is_terminal() or not sys.stdin.isatty():
        raise SetupError("Nobody can be asked here.", [Fault("/yes", "required", "is not given.", "Add --yes once you know what it says.")])
    if not typer.confirm(question):
        raise typer.Exit(1)


def _tell(found: Installed, what: str, *, as_json: bool) -> None:
    if as_json:
        say_json(found.to_dict())
    else:
        typer.echo(clean(f"{found.id} {found.version} {what}."))


def _local(path: Path) -> tuple[bytes, bytes | None]:
    """A package and the signature beside it."""
    beside = path.with_name(path.name + SIGNATURE)
    return _bytes(path), _bytes(beside) if beside.is_file() else None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(
            "The file cannot be read.",
            [Fault(f"/{path.name}", "file", f"cannot be opened: {error.strerror}.", "Name a file that you may read.")],
        ) from None


def _named(place: str | None) -> str:
    if place is None:
        fix = "Name one: --from FOLDER or --from https://... (or KOSHA_CATALOGUE)."
        raise SetupError("No catalogue is named.", [Fault("/from", "required", "is not given.", fix)])
    return place


def _built(folder: Path) -> tuple[str, bytes]:
    """A project of code, built by its own build. Raises ConnectorPackageError."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", _EPOCH)}
    with tempfile.TemporaryDirectory(prefix="kosha-build-") as name:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", name, str(folder)]
        # The user names the project, and its build is theirs.
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 # nosec B603
        found = sorted(Path(name).glob("*.whl"))
        if done.returncode or len(found) != 1:
            fix = "pip install build, and what the project's build-system asks for; then look at: python -m build --wheel --no-isolation"
            raise ConnectorPackageError("The project cannot be built.", [Fault("/pyproject.toml", "build", "its build failed.", fix)])
        return found[0].name, found[0].read_bytes()
