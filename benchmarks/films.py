"""Films as large as real ones, in JPEG 2000: the examples enlarged, with texture and the noise of quanta.

The examples of the repository are 28 x 28: what is finer is drawn from a seed. The texture is twice as strong wherever
it is twice as coarse, as anatomy's is; the noise grows with the square root of the dose. So a codestream is as long,
and as slow to decode, as that of a film.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEG2000Lossless, generate_uid

Coding = Literal["lossless", "lossy"]
EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = (
    *(f"chest-normal-{number:04}" for number in range(234, 237)),
    *(f"chest-pneumonia-{number:04}" for number in range(3)),
)
BITS = 12
LEAST, GREATEST = 300.0, 3700.0
"""Stored values between which the examples' contrast is spread."""
TEXTURE, QUANTA = 40.0, 0.5
"""Standard deviation of the texture; noise over the square root of the value."""
COARSEST = 6
"""Octaves of texture."""
LOSSY_DB = 50
"""As `convert.reduced.LOSSY_DB`."""


def film(number: int, side: int) -> NDArray[np.uint16]:
    """Return a film's stored values, shape (side, side), 0 to 4095; each number has its own."""
    generator = np.random.default_rng(number)
    small = pydicom.dcmread(EXAMPLES / f"{NAMES[number % len(NAMES)]}.dcm").pixel_array.astype(np.float32)
    gain, shift = generator.uniform(0.9, 1.1), generator.uniform(-8.0, 8.0)
    values = cv2.resize(small * gain + shift, (side, side), interpolation=cv2.INTER_CUBIC)
    values = LEAST + (GREATEST - LEAST) * values.clip(0, 255) / 255 + _texture(side, generator)
    noise = generator.standard_normal((side, side), dtype=np.float32) * np.sqrt(values.clip(1.0)) * QUANTA
    return np.asarray(np.rint(values + noise).clip(0, 2**BITS - 1), dtype=np.uint16)


def _texture(side: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise, twice as strong wherever it is twice as coarse."""
    total = np.zeros((side, side), np.float32)
    for octave in range(1, COARSEST + 1):
        count = max(2, side >> octave)
        coarse = generator.standard_normal((count, count), dtype=np.float32)
        total += 2.0**octave * cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(total * (TEXTURE / total.std()), dtype=np.float32)


def codestream(values: NDArray[np.uint16], coding: Coding) -> bytes:
    """Return a film in JPEG 2000, without loss or at `LOSSY_DB`."""
    lossy: dict[str, Any] = {"reversible": False, "level": LOSSY_DB}
    how = lossy if coding == "lossy" else {"reversible": True, "level": 0}
    return bytes(imagecodecs.jpeg2k_encode(values, codecformat="j2k", bitspersample=BITS, **how))


def dataset_of(number: int, values: NDArray[np.uint16], coding: Coding) -> Dataset:
    """Return a film as a DICOM image with UIDs of its own."""
    dataset = pydicom.dcmread(EXAMPLES / f"{NAMES[number % len(NAMES)]}.dcm")
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.WindowCenter, dataset.WindowWidth = 2 ** (BITS - 1), 2**BITS
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless if coding == "lossless" else JPEG2000
    if coding == "lossy":
        dataset.LossyImageCompression = "01"
    dataset.PixelData = encapsulate([codestream(values, coding)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[keyword, coding, str(number)]))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def write_films(folder: Path, numbers: range, side: int, coding: Coding) -> None:
    """Write films into a folder, each a study of one image."""
    folder.mkdir(parents=True)
    for number in numbers:
        dataset_of(number, film(number, side), coding).save_as(folder / f"{number:05d}.dcm")
