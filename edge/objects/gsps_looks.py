"""How the source's pictures look in a presentation state: the window that they propose themselves, and no other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from edge.objects.frames import image_reference
from edge.objects.sources import copy_elements

RESCALE = ("RescaleIntercept", "RescaleSlope", "RescaleType")
WINDOW = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", "VOILUTSequence")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """What must be the same of pictures in one presentation state.

    Parameters
    ----------
    inverted : bool
        Whether the least values are white: MONOCHROME1, which a presentation state overrides (PS3.3 C.11.6.1.2).
    coloured : bool
    modality_lut : Dataset
        (0028,1052) to (0028,1054) or (0028,3000), as the source has them: PS3.3 C.11.1.
    size : tuple of int
        Columns and rows.
    """

    inverted: bool
    coloured: bool
    modality_lut: Dataset
    size: tuple[int, int]

    @property
    def key(self) -> str:
        """By which equal looks are known."""
        return json.dumps([self.inverted, self.coloured, self.size, self.modality_lut.to_json_dict()], sort_keys=True)

    def add_to(self, dataset: Dataset, sources: Sequence[Dataset]) -> None:
        """Add what grey pictures need; colour has no window (PS3.3 A.33.2)."""
        if self.coloured:
            dataset.ICCProfile = icc_profile(sources[0])
            return
        for element in self.modality_lut:
            dataset.add(element)
        windows = _windows(sources)
        if windows:
            dataset.SoftcopyVOILUTSequence = windows
        dataset.PresentationLUTShape = "INVERSE" if self.inverted else "IDENTITY"


def look_of(source: Dataset) -> Look:
    """Return how the pictures of a source look; where its frames differ, none of their transforms is taken."""
    found = Dataset()
    values = _in_frames(source, "PixelValueTransformationSequence")
    if values is not None:
        copy_elements(values, found, RESCALE)
    elif "ModalityLUTSequence" in source:
        copy_elements(source, found, ["ModalityLUTSequence"])
    elif "RescaleIntercept" in source and "RescaleSlope" in source:
        copy_elements(source, found, RESCALE)
    if "RescaleIntercept" in found and not found.get("RescaleType"):
        found.RescaleType = "US"
    return Look(
        inverted=source.get("PhotometricInterpretation") == "MONOCHROME1",
        coloured=int(source.get("SamplesPerPixel") or 1) > 1,
        modality_lut=found,
        size=(int(source.Columns), int(source.Rows)),
    )


def _in_frames(source: Dataset, sequence: str) -> Dataset | None:
    """What all frames of an enhanced object share, or each of them says alike."""
    shared = source.get("SharedFunctionalGroupsSequence")
    if shared and sequence in shared[0]:
        found: Dataset = shared[0][sequence].value[0]
        return found
    groups = source.get("PerFrameFunctionalGroupsSequence") or []
    items = [group[sequence].value[0] for group in groups if sequence in group]
    alike = len(items) == len(groups) and len({json.dumps(item.to_json_dict(), sort_keys=True) for item in items}) == 1
    return items[0] if items and alike else None


def _windows(sources: Sequence[Dataset]) -> list[Dataset]:
    """One item for all pictures where they agree, else one for each window, which names its pictures."""
    by_window: dict[str, tuple[Dataset, list[Dataset]]] = {}
    without = []
    for source in sources:
        window = _window(source)
        if window is None:
            without.append(source)
            continue
        key = json.dumps(window.to_json_dict(), sort_keys=True)
        by_window.setdefault(key, (window, []))[1].append(source)
    if len(by_window) == 1 and not without:
        return [window for window, _ in by_window.values()]
    for window, shown in by_window.values():
        window.ReferencedImageSequence = [image_reference(source) for source in shown]
    return [window for window, _ in by_window.values()]


def _window(source: Dataset) -> Dataset | None:
    """The first window, or the first table."""
    held = _in_frames(source, "FrameVOILUTSequence") or source
    window = Dataset()
    copy_elements(held, window, WINDOW)
    if window.get("WindowCenter") in (None, "") or window.get("WindowWidth") in (None, ""):
        for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"):
            window.pop(keyword, None)
    for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"):
        if isinstance(window.get(keyword), MultiValue):
            window[keyword].value = window[keyword].value[0]
    if "VOILUTSequence" in window:
        return _of_table(window)
    return window if "WindowCenter" in window else None


def _of_table(window: Dataset) -> Dataset:
    """A table and a window exclude each other here: PS3.3 C.11.8."""
    for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"):
        window.pop(keyword, None)
    window.VOILUTSequence = [window.VOILUTSequence[0]]
    return window


def icc_profile(source: Dataset) -> bytes:
    """Return the source's own profile, else that of sRGB, which pictures without one are taken for (PS3.3 C.11.15)."""
    told = source.get("ICCProfile")
    if told:
        return bytes(told)
    return resources.files("highdicom").joinpath("_icc_profiles/sRGB_v4_ICC_preference.icc").read_bytes()
