"""Where records are: a run on a machine where nothing was prepared loads no more than this to know it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.engines.cache import cache_folder

if TYPE_CHECKING:
    from edge.ready.record import Record

FOLDER = "prepared"


def record_path(pack_sha256: str) -> Path:
    """Return where a pack's record is: beside the compiled models (``EDGERUN_CACHE``)."""
    return cache_folder() / FOLDER / f"{pack_sha256}.json"


def kept_record(pack_sha256: str) -> Record | str | None:
    """As `edge.ready.record.read_record`; most machines have none, and load nothing to read it."""
    if not record_path(pack_sha256).exists():
        return None
    from edge.ready.record import read_record  # noqa: PLC0415 - see above

    return read_record(pack_sha256)
