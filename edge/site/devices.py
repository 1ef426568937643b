"""Examined cases -> of which make the device was, by the scans' own headers: for groups, and in no report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.read import ScanReader
from edge.site.case import DEVICE
from edge.site.examine import Examined


def with_devices(examined: Sequence[Examined]) -> tuple[Examined, ...]:
    """Return the cases with manufacturer and model, where the table has none and not all scans have the same.

    The headers are read once more, as reports do not tell: a model's name is a free text.
    """
    silent = [each for each in examined if each.answered and DEVICE not in each.case.told and each.result is not None]
    paths = {source.path for each in silent if each.result for source in each.result.scan.sources}
    if not paths:
        return tuple(examined)
    with ScanReader(prefetch=("dicom",)) as reader:
        studies = reader.index(sorted(paths)).result().studies
    devices = {path: one.acquisition.device for study in studies for one in study.series for path in one.paths}
    if len(set(devices.values())) == 1 and len(silent) == len([each for each in examined if each.answered]):
        return tuple(examined)  # one make for all: there is nobody to compare with
    return tuple(_told(each, devices) for each in examined)


def _told(each: Examined, devices: dict[str, str | None]) -> Examined:
    if each.result is None or DEVICE in each.case.told:
        return each
    found = {devices.get(source.path) for source in each.result.scan.sources}
    return replace(each, device=found.pop() if len(found) == 1 else None)
