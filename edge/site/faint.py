"""Boxes below a pack's threshold: in no result, and needed to tell what another threshold would find."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.errors import EdgerunError
from edge.pack.manifest import Manifest, Threshold
from edge.pack.store import MANIFEST, Pack
from edge.pipeline import Request
from edge.site.boxes import with_boxes
from edge.site.examine import Examined, Watch, examine_cases
from edge.truth.boxes import FLOOR
from edge.typed import dump
from edge.wanted import Wanted


def with_faint(examined: Sequence[Examined], pack: Pack, request: Request, watch: Watch) -> tuple[Examined, ...]:
    """Return the cases with all boxes of each, from scores far below the threshold on.

    The scans are examined a second time, by the same engine with a copy of the pack whose thresholds are `FLOOR`; what
    comes of that is kept nowhere. Where a scan cannot be examined so (a box that means nothing may well be none), it
    keeps those that are reported.
    """
    answered = [each for each in examined if each.answered]
    engine = answered[0].engine if answered else None
    if engine is None:
        return tuple(examined)
    watch.noted("examining the scans once more, for the boxes below the threshold; these come into no result")
    wanted = replace(request.options, engine=engine.name, precision=engine.precision, wanted=Wanted(views=()))
    with tempfile.TemporaryDirectory(prefix="edgerun-faint-") as folder:
        place = Path(folder)
        again = replace(request, out=place / "out", pack=str(_lowered(pack, place / "pack")), options=wanted)
        try:
            seen = examine_cases([each.case for each in answered], again, watch)
        except EdgerunError as error:
            watch.noted(f"they were not found: {error}")
            return tuple(examined)
    faint = {each.case.row: each for each in with_boxes(seen, pack.manifest) if each.answered}
    return tuple(_with(each, faint.get(each.case.row)) for each in examined)


def _with(each: Examined, faint: Examined | None) -> Examined:
    if not each.answered or faint is None:
        return each
    drawn = {name: replace(drawn, all=faint.drawn[name].found) for name, drawn in each.drawn.items()}
    return replace(each, drawn=drawn)


def _lowered(pack: Pack, folder: Path) -> Path:
    """A copy of the pack that reports every box."""
    folder.mkdir()
    for model in pack.manifest.models:
        (folder / model.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / model.file).write_bytes(pack.read(model.file, model.sha256))
    (folder / MANIFEST).write_text(json.dumps(dump(lowered(pack.manifest))), encoding="utf-8")
    return folder


def lowered(manifest: Manifest) -> Manifest:
    """Return a manifest of a detection whose thresholds are `FLOOR`, and lower where they are."""
    models = tuple(
        replace(model, thresholds={name: _at_most(limit) for name, limit in model.thresholds.items()})
        for model in manifest.models
    )
    return replace(manifest, models=models, golden=(), card=None)


def _at_most(limit: Threshold) -> Threshold:
    return replace(limit, value=min(limit.value, FLOOR))
