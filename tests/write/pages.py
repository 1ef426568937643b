"""Pages of paper, read as a person and as a machine reads them."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pypdfium2
from numpy.typing import NDArray
from pypdf import PdfReader

from edge.findings import LabelScore, Notice
from edge.reasons import REASONS
from edge.scan import Identity
from edge.wanted import Language, Wanted
from edge.write import Outcome
from edge.write.page import page
from tests.write.outcomes import classified, failed, not_decoded, outcome, picture_scan, refusal, score, segmented
from tests.write.planted import (
    ball,
    body,
    detected,
    detection,
    registration,
    segmented_volume,
    translation,
    upright_grid,
    volume_scan,
)

WHO = Identity(patient_id="4711", patient_name="Doe^Jane^^Dr", birth_date="19800131", study_date="20260203")
PICTURE = replace(
    picture_scan(np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8), spacing_mm=(0.5, 0.5)), identity=WHO
)
MARKS = re.compile("[\u200b-\u200f\u2066-\u2069]")


def uncertain(value: float = 0.45) -> LabelScore:
    return replace(score("Pneumonia", value), zone=(0.3, 0.6), uncertain=True)


def states() -> dict[str, Outcome]:
    """A result in each of the states."""
    mask = np.zeros((1, 60, 80), bool)
    mask[0, 10:30, 20:40] = True
    volume = volume_scan()
    return {
        "finding": outcome(PICTURE, classified(PICTURE, score("Pneumonia", 0.93, urgency="urgent"))),
        "uncertain": outcome(PICTURE, classified(PICTURE, uncertain())),
        "no-finding": outcome(PICTURE, classified(PICTURE, score("Pneumonia", 0.12))),
        "done": outcome(volume, registration(volume)),
        "not-analysed": outcome(PICTURE, refusal()),
        "failed": failed(),
    }


def tasks() -> dict[str, Outcome]:
    """A result of each task that shows its pictures in a way of its own, and what was never decoded."""
    mask = np.zeros((1, 60, 80), bool)
    mask[0, 10:30, 20:40] = True
    volume, grid = volume_scan(), upright_grid()
    lesion = ball((12, 16, 20), 12.0)
    whole = np.asarray(body(), dtype=np.float32)
    return {
        "outlines": outcome(PICTURE, segmented(PICTURE, mask)),
        "volume": outcome(volume, segmented_volume(volume, [lesion])),
        "boxes": outcome(volume, detected(volume, detection(volume, (8.0, 12.0, 15.0, 16.0, 20.0, 25.0), 0.9))),
        "synthetic": outcome(volume, translation(grid, whole)),
        "not-decoded": not_decoded(),
    }


def crowded() -> Outcome:
    """More labels and more warnings, each as long as words come, than a page can hold."""
    labels = [score(f"A label with quite a long title, number {number}", 0.9 - number / 50) for number in range(30)]
    warnings = [
        Notice(reason=reason, severity="warn", detail="Found 'XX', expected CR or DX.")
        for reason in list(REASONS.values())[:40]
    ]
    return outcome(PICTURE, classified(PICTURE, *labels), warnings=warnings)


def refused_for_everything() -> Outcome:
    """Every reason that there is."""
    return outcome(PICTURE, refusal(*REASONS.values(), detail="Found something long, expected something else. " * 3))


def written(of: Outcome, language: Language = "en") -> bytes:
    """The page as a file, made anew."""
    (data,) = page(of.result, of.scan, of.findings, Wanted(language=language)).values()
    return data


@lru_cache(maxsize=64)
def pdf_of(of: Outcome, language: Language = "en") -> bytes:
    """The page as a file."""
    return written(of, language)


@lru_cache(maxsize=64)
def text_of(pdf: bytes) -> str:
    """Every word on the one page, in one line."""
    (only,) = PdfReader(io.BytesIO(pdf)).pages
    return MARKS.sub("", " ".join(only.extract_text().split()))


def plain(text: str) -> str:
    """Words as they are read back: in one line, without marks of order."""
    return MARKS.sub("", " ".join(unicodedata.normalize("NFC", text).split()))


@lru_cache(maxsize=8)
def pixels_of(pdf: bytes, dots_an_inch: int = 100) -> NDArray[Any]:
    """The page as a printer without colours sees it: shape (rows, columns), 0 black to 255 white."""
    document = pypdfium2.PdfDocument(pdf)
    picture = document[0].render(scale=dots_an_inch / 72, grayscale=True).to_numpy()
    document.close()
    return np.asarray(np.array(picture).reshape(picture.shape[:2]), dtype=np.uint8)


def qr_of(pdf: bytes) -> str:
    """What its QR code tells."""
    told, *_ = cv2.QRCodeDetector().detectAndDecode(pixels_of(pdf, 200))
    return str(told)
