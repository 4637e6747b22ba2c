"""Connectors as packages. In: a folder, a wheel, a catalogue. Out: a wheel, its signature, an installed version, and why one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.packages.build import *
    from kosha_connector_openai.packages.catalogue import *
    from kosha_connector_openai.packages.facts import *
    from kosha_connector_openai.packages.loaded import *
    from kosha_connector_openai.packages.signature import *
    from kosha_connector_openai.packages.store import *
    from kosha_connector_openai.packages.wheel import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "build": "build_wheel",
            "catalogue": "Catalogue CatalogueEntry build_catalogue read_catalogue",
            "facts": "PackageFacts package_facts",
            "loaded": "plugin_of",
            "signature": "SIGNATURE Signer new_key sign signer_of trusted_signers",
            "store": "Installed PackageStore",
            "wheel": "Wheel read_wheel",
        },
    )
