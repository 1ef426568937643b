"""Where records are: a run on a machine where nothing was prepared loads no more than this to know it."""

from __future__ import annotations

from pathlib import Path

from edge.engines.cache import cache_folder

FOLDER = "prepared"


def record_path(pack_sha256: str) -> Path:
    """Return where a pack's record is: beside the compiled models (``EDGERUN_CACHE``)."""
    return cache_folder() / FOLDER / f"{pack_sha256}.json"
