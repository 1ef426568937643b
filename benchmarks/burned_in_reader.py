"""What a reader behind the detector would keep of planted words: why `edgerun deidentify` has none.

``python -m benchmarks.burned_in_reader`` adds it to the results of `benchmarks.burned_in`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR

from benchmarks.burned_in import GROUNDS, RESULTS, SEED, Read, read_results, trials
from benchmarks.burned_in_pictures import TONES, Clean, Picture, Word, clean_pictures, dataset_of, planted
from edge.deidentify.blank_pixels import renderings, stored_pixels
from edge.typed import dump
from edge.write.files import write_whole

CERTAIN = 0.5
"""From this score on the package takes what it reads for text, by default."""


def crops(picture: Picture, words: Sequence[Word]) -> Iterator[NDArray[np.uint8]]:
    """Yield each word as the reader gets it: its place, in colour, over the whole range."""
    pixels = stored_pixels(dataset_of(picture))
    if pixels is None:
        raise ValueError
    shown = next(renderings(next(pixels.frames()), pixels))
    colour = shown if shown.ndim == 3 else cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR)
    for word in words:
        rows, columns = np.nonzero(word.ink)
        margin = max(3, word.size // 2)
        top, left = max(0, rows.min() - margin), max(0, columns.min() - margin)
        yield np.ascontiguousarray(colour[top : rows.max() + margin, left : columns.max() + margin])


def read(grounds: Sequence[Clean]) -> Iterator[Read]:
    """Yield how many words of each script the reader takes for text."""
    reader = RapidOCR(params={"Global.log_level": "critical", "Global.use_preprocess_img": False})
    rng = np.random.default_rng(SEED)
    for trial in trials():
        if trial.group != "script":
            continue
        scores: list[float] = []
        for ground in grounds:
            picture, words = planted(ground, trial.write, trial.words, TONES[trial.tone], rng)
            for crop in crops(picture, words):
                answer = reader(crop, use_det=False, use_cls=False, use_rec=True)
                scores.append(max(getattr(answer, "scores", None) or (0.0,)))
        yield Read(kind=trial.kind, n=len(scores), kept=sum(score >= CERTAIN for score in scores))


def main() -> None:
    """Measure it."""
    grounds = [clean for clean in clean_pictures(()) if clean.name in GROUNDS]
    results = replace(read_results(), read=tuple(read(grounds)))
    write_whole(RESULTS, (json.dumps(dump(results), indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
