"""From a request to the report on the disk."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from edge.bench.bench import Asked, measure
from edge.bench.files import beside, place_of, write_bench
from edge.bench.progress import Progress
from edge.bench.report import BenchReport
from edge.errors import StoppedError
from edge.pack.store import find_pack


def bench_to(asked: Asked, out: Path | None) -> tuple[BenchReport, Path]:
    """Measure, write the report, and return it with the folder that it lies in.

    Raises
    ------
    edge.errors.EdgerunError
        As `measure`, and ``W8xx`` where the report cannot be written.
    StoppedError
        It was interrupted; nothing was written.
    """
    pack = find_pack(asked.target.pack)
    place = place_of(out, pack.manifest.name, dt.datetime.now(dt.timezone.utc))
    progress = Progress()
    with beside(place) as parent:
        try:
            report = measure(replace(asked, scratch_in=parent), progress)
        except KeyboardInterrupt:
            said = f"Measuring {pack.manifest.name}: it was interrupted ({progress.doing})"
            raise StoppedError(f"{said}. There is no report, and nothing half-made stays.") from None
        finally:
            progress.end()
        return report, write_bench(place, report)
