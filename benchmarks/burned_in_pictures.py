"""Pictures without text, and with planted text: what the study of burned-in text is made on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from edge.deidentify.blank_pixels import stored_pixels
from edge.read.dicom.colour import to_rgb
from edge.testing import phantom
from edge.words import speaking
from edge.write import shaped

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZES = (7, 10, 14, 20, 28, 40)
"""Heights of capital letters in pixels."""

SIDES = (1024, 512, 512, 512)
"""Films are enlarged to these, one after the other."""

VISIBLE = 0.05
"""A word that differs by less than this share of the range from what lies under it is not counted: nobody sees it."""

BITS = 12
DEEP = 4095
MODEST = 3000
"""Pictures of one channel run from 0 to this, so that text can be brighter than all of them."""

Picture = NDArray[Any]
Ink = NDArray[np.float32]
Write = Callable[[str, int], Ink]

LATIN = (
    "MENDOZA LUCIA",
    "KOWALSKI^ANNA",
    "ID 4471-9920",
    "1961-03-27",
    "Dr. Okafor",
    "DOB 14/08/1975",
    "St. Mary Hosp.",
)
HINDI = ("सीता शर्मा", "रोगी क्रमांक", "राम कुमार", "अस्पताल")
ARABIC = ("فاطمة الزهراء", "محمد علي", "مستشفى المدينة", "رقم المريض")
STROKES: Mapping[str, int] = {
    "strokes": cv2.FONT_HERSHEY_SIMPLEX,
    "handwriting": cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clean:
    """A picture without text.

    Parameters
    ----------
    kind, name : str
    picture : ndarray, shape (rows, columns) of 0 to 3000, or (rows, columns, 3) of 0 to 255
    """

    kind: str
    name: str
    picture: Picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Word:
    """A planted word: the height of its capitals, and where its ink is, shape (rows, columns), bool."""

    size: int
    ink: NDArray[np.bool_]


def dataset_of(picture: Picture) -> Dataset:
    """Return a picture as a dataset, of 12 bits in one channel or 8 in three."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    colour = picture.ndim == 3
    dataset.Rows, dataset.Columns = picture.shape[:2]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = (8, 8) if colour else (16, BITS)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.PixelData = np.ascontiguousarray(picture, np.uint8 if colour else "<u2").tobytes()
    return dataset


def clean_pictures(films: Sequence[NDArray[np.uint8]]) -> Iterator[Clean]:
    """Yield pictures of every kind: films enlarged with a sensor's noise, sections, ultrasound, phantoms."""
    for index, film in enumerate(films):
        side = SIDES[index % len(SIDES)]
        yield Clean(kind="chest film", name=f"film {index}", picture=film_of(film, side, index))
    for axis in range(3):
        for place in (0.35, 0.45, 0.55, 0.65):
            yield Clean(kind="brain MR", name=f"brain {axis} {place}", picture=_section(axis, place))
    for name in ("693_J2KI", "CT_small", "J2K_pixelrep_mismatch"):
        yield Clean(kind="CT", name=name, picture=_modest(_file(name)))
    for name in ("examples_overlay", "MR_small"):
        yield Clean(kind="MR", name=name, picture=_modest(_file(name)))
    for name in ("JPEG2000", "JPGExtended"):
        yield Clean(kind="nuclear", name=name, picture=_modest(_file(name)))
    sector = _file("examples_ybr_color")[:, 20:215, 62:288]
    for index in range(0, len(sector), 3):
        yield Clean(kind="ultrasound", name=f"echo {index}", picture=sector[index])
    yield Clean(kind="ultrasound", name="doppler", picture=_file("examples_jpeg2k")[110:336, 60:580])
    for seed in range(4):
        yield Clean(kind="phantom", name=f"phantom {seed}", picture=_modest(phantom((1, 256, 256), seed=seed)[0]))
    for seed in range(12):
        yield Clean(kind="made: nodules on even ground", name=f"nodules {seed}", picture=nodules(seed))
        yield Clean(kind="made: nodules in a chest", name=f"chest {seed}", picture=nodules(seed, in_chest=True))
        yield Clean(kind="made: hot spots as of PET", name=f"hot spots {seed}", picture=hot_spots(seed))


def nodules(seed: int, *, in_chest: bool = False) -> Picture:
    """Return two to seven bright ovals of 3 to 11 points across half, 512 x 512, with noise.

    They lie on even ground, or in the dark lungs of a chest with a spine.
    """
    rng = np.random.default_rng(seed)
    ovals, ground = np.zeros((512, 512), np.uint8), np.full((512, 512), 150, np.uint16)
    if in_chest:
        for centre, halves, value in (
            ((256, 256), (240, 170), 1050),
            ((150, 250), (80, 120), 150),
            ((362, 250), (80, 120), 150),
            ((256, 360), (28, 28), 1400),
        ):
            cv2.ellipse(ground, centre, halves, 0, 0, 360, value, -1)
    for _ in range(int(rng.integers(2, 8))):
        place = [int(rng.choice([150, 362])), 250] if in_chest else [256, 256]
        shift, halves = rng.integers(-50, 51, 2), rng.integers(3, 12, 2).tolist()
        cv2.ellipse(ovals, (place + shift).tolist(), halves, 0, 0, 360, 255, -1)
    share = cv2.GaussianBlur(ovals, (0, 0), 1) / 255
    noise = cv2.GaussianBlur(rng.normal(0, 60, ovals.shape), (0, 0), 1)
    return _modest(np.clip(ground * (1 - share) + 1000 * share + noise, 0, None))


def hot_spots(seed: int) -> Picture:
    """Return a warm body with one to four round spots without edges, three to twenty times as bright, 256 x 256."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((256, 256))
    body = np.hypot((rows - 128) / 108, (columns - 128) / 84) < 1
    values = cv2.GaussianBlur(300 * body + rng.normal(0, 40, body.shape), (0, 0), 1.5)
    for _ in range(int(rng.integers(1, 5))):
        (row, column), width = rng.integers(77, 180, 2), rng.uniform(1.5, 5)
        distance = np.hypot(rows - row, columns - column)
        values += rng.uniform(800, 6000) * np.exp(-(distance**2) / (2 * width**2))
    return _modest(np.clip(values, 0, None))


def _file(name: str) -> Picture:
    path = Path(pydicom.data.__file__).parent / "test_files" / f"{name}.dcm"
    pixels = stored_pixels(pydicom.dcmread(path))
    if pixels is None:
        raise ValueError(name)
    frames = [
        to_rgb(frame.values, frame.photometric, 8) if pixels.image.in_colour else frame.values
        for frame in pixels.frames()
    ]
    return frames[0] if len(frames) == 1 else np.stack(frames)


def _modest(values: Picture) -> Picture:
    """From 0 to `MODEST`."""
    low, high = float(values.min()), float(values.max())
    return np.rint((values.astype(np.float64) - low) / max(high - low, 1e-9) * MODEST).astype(np.uint16)


def film_of(film: NDArray[np.uint8], side: int, seed: int) -> Picture:
    """Return a small film enlarged smoothly, with noise like a sensor's, from 0 to 3000."""
    large = cv2.resize(film.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    noisy = np.asarray(large, np.float64) / 255 * MODEST + np.random.default_rng(seed).normal(0, 15, (side, side))
    return np.clip(np.rint(noisy), 0, MODEST).astype(np.uint16)


@cache
def _brain() -> Picture:
    return np.asarray(nibabel.load(EXAMPLES / "brain-t1-icbm152.nii.gz").dataobj, np.float32)  # type: ignore[attr-defined]


def _section(axis: int, place: float) -> Picture:
    voxels = _brain()
    section = np.take(voxels, int(voxels.shape[axis] * place), axis=axis)
    return _modest(np.clip(cv2.resize(np.rot90(section), (512, 512), interpolation=cv2.INTER_CUBIC), 0, None))


def in_strokes(font: int) -> Write:
    """Return what writes in one of OpenCV's fonts, of lines like those of old machines."""

    def write(text: str, size: int) -> Ink:
        thickness = max(1, round(size / 10))
        scale = cv2.getFontScaleFromHeight(font, size, thickness)
        (width, height), below = cv2.getTextSize(text, font, scale, thickness)
        canvas = np.zeros((height + below + 6, width + 6), np.uint8)
        cv2.putText(canvas, text, (3, height + 3), font, scale, 255, thickness, cv2.LINE_AA)
        return _cut(canvas)

    return write


def in_noto(language: str, *, bold: bool = False) -> Write:
    """Return what writes in Noto Sans, in the script of a language."""

    def write(text: str, size: int) -> Ink:
        with speaking(language):
            thickness = 2 if bold else 1
            scale = size / (0.714 * shaped.EM)  # capitals are 0.714 em high
            canvas = np.zeros((4 * size + 8, shaped.width(text, scale, thickness) + 12, 3), np.uint8)
            shaped.put(canvas, text, (6, 2 * size + 4), scale, (255, 255, 255), thickness)
        return _cut(canvas[..., 0])

    return write


def _cut(canvas: NDArray[np.uint8]) -> Ink:
    rows, columns = np.nonzero(canvas)
    used = canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(used / 255, np.float32)


Tone = Callable[[Picture, Ink], Picture]
"""What a place in the picture looks like with ink on it."""


def _towards(value: float) -> Tone:
    return lambda under, ink: _mixed(under, ink, value)


def _mixed(under: Picture, ink: Ink, value: float) -> Picture:
    share = ink if under.ndim == 2 else ink[..., np.newaxis]
    full = value if under.ndim == 2 else min(255.0, value * 255 / MODEST)
    return np.asarray(np.rint(under * (1 - share) + full * share)).astype(under.dtype)


def _above(share: float) -> Tone:
    """As much brighter than what lies under it, darker where that is bright: a share of the whole range."""

    def tone(under: Picture, ink: Ink) -> Picture:
        whole = 255 if under.ndim == 3 else MODEST
        step = share * whole * (1 if np.median(under) < whole / 2 else -1)
        weight = ink if under.ndim == 2 else ink[..., np.newaxis]
        return np.asarray(np.clip(np.rint(under + step * weight), 0, whole)).astype(under.dtype)

    return tone


def _plate(under: Picture, ink: Ink) -> Picture:
    white = np.full_like(under, 255 if under.ndim == 3 else MODEST)
    return _mixed(white, ink, 0)


TONES: Mapping[str, Tone] = {
    "white": _towards(MODEST),
    "brighter than all else": _towards(DEEP),
    "black": _towards(0),
    "black on a white plate": _plate,
    "25% of the range from its ground": _above(0.25),
    "12% of the range from its ground": _above(0.12),
    "6% of the range from its ground": _above(0.06),
}


def planted(
    clean: Clean, write: Write, words: Sequence[str], tone: Tone, rng: np.random.Generator, *, degrees: int = 0
) -> tuple[Picture, tuple[Word, ...]]:
    """Return a picture with one word of each size that fits, none on another, and the words."""
    picture = clean.picture.copy()
    taken = np.zeros(picture.shape[:2], np.bool_)
    done = []
    for size in sorted(SIZES, reverse=True):
        ink = _turned(np.pad(write(words[int(rng.integers(len(words)))], size), max(3, size // 3)), degrees)
        place = _free(taken, ink.shape, rng)
        if place is None:
            continue
        taken[place] = True
        after = tone(picture[place], ink)
        where = np.zeros_like(taken)
        where[place] = ink > 0.5
        if tone is _plate or _is_seen(picture[place], after, ink):
            done.append(Word(size=size, ink=where))
        picture[place] = after
    return picture, tuple(done)


def _is_seen(before: Picture, after: Picture, ink: Ink) -> bool:
    change = np.abs(after.astype(np.int64) - before.astype(np.int64))[ink > 0.5]
    return bool(np.median(change) >= VISIBLE * (255 if before.ndim == 3 else MODEST))


def _turned(ink: Ink, degrees: int) -> Ink:
    """Against the clock, with all of it in the picture."""
    if degrees % 90 == 0:
        return np.rot90(ink, degrees // 90)
    rows, columns = ink.shape
    side = math.ceil(math.hypot(rows, columns))
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    matrix[:, 2] += (side - columns) / 2, (side - rows) / 2
    whole = np.asarray(cv2.warpAffine(ink, matrix, (side, side)), np.float32)
    rows_used, columns_used = np.nonzero(whole > 0)
    return whole[rows_used.min() : rows_used.max() + 1, columns_used.min() : columns_used.max() + 1]


def _free(taken: NDArray[np.bool_], shape: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, slice] | None:
    """A place with nothing on it; corners are tried first, every other time."""
    rows, columns = taken.shape[0] - shape[0], taken.shape[1] - shape[1]
    if rows < 0 or columns < 0:
        return None
    corners = [(0, 0), (0, columns), (rows, 0), (rows, columns)]
    rng.shuffle(corners)
    anywhere = [(int(rng.integers(rows + 1)), int(rng.integers(columns + 1))) for _ in range(60)]
    for top, left in (corners + anywhere) if rng.random() < 0.5 else anywhere:
        place = slice(top, top + shape[0]), slice(left, left + shape[1])
        if not taken[place].any():
            return place
    return None
