"""The report on the disk: a folder with the truth and its view, whole or absent."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.bench.page import page
from edge.bench.report import BenchReport, to_json
from edge.errors import UsageError
from edge.write.files import UNFINISHED, mapped, write_whole

TRUTH, PAGE = "bench.json", "bench.html"
FOLDER = Path("edgerun-bench")


def place_of(out: Path | None, pack: str, now: dt.datetime) -> Path:
    """Return the folder that a report goes to: `out`, else one named by the pack and the time.

    Raises
    ------
    UsageError
        There is something already: an earlier report is what the next is compared with.
    """
    place = FOLDER / f"{pack}-{now:%Y%m%d-%H%M%S}" if out is None else out
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise UsageError(f"Choosing a folder for the report: {place} is there already. Give a new one with --out.")
    return place


@contextlib.contextmanager
def beside(place: Path) -> Iterator[Path]:
    """Make the folders that `place` lies in; where nothing came to lie in them, they do not stay either.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``.
    """
    parent = place.absolute().parent
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    with mapped(parent):
        parent.mkdir(parents=True, exist_ok=True)
    try:
        yield parent
    finally:
        with contextlib.suppress(OSError):  # something lies in it
            for folder in made:
                folder.rmdir()


def write_bench(place: Path, report: BenchReport) -> Path:
    """Write the report and its page to a new folder and return it; where anything fails, there is none.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``.
    """
    with mapped(place), tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=place.absolute().parent) as name:
        folder = Path(name) / "whole"
        folder.mkdir()
        write_whole(folder / TRUTH, to_json(report, indent=1).encode() + b"\n")
        write_whole(folder / PAGE, page(report).encode())
        if place.is_dir():
            place.rmdir()
        shutil.move(folder, place)
    return place
