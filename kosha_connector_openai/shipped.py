"""Where the files of this package's own connector lie; apart from the plugin, so that a program without plugins loads no pluggy."""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """Where ``connector.yaml`` lies: in the package once installed, beside it in a checkout."""
    here = Path(__file__).parent
    return next(place for place in (here, here.parent) if (place / "connector.yaml").is_file())
