"""How much burned-in text `edgerun deidentify` finds, and how much of pictures without text it takes for text.

``python -m benchmarks.burned_in --data pneumoniamnist.npz [--results FILE]``. Needs ``edgerun[test]``. Words of known
ink are planted into real and made pictures and looked for as in a file (`edge.deidentify.blank.boxes_of`); a word
counts as covered where the boxes hold all of its ink. ``python -m benchmarks.burned_in_page`` makes the page of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.burned_in_pictures import (
    ARABIC,
    HINDI,
    LATIN,
    STROKES,
    TONES,
    Clean,
    Picture,
    Word,
    Write,
    clean_pictures,
    dataset_of,
    film_of,
    in_noto,
    in_strokes,
    planted,
)
from edge.deidentify.blank import boxes_of, text_mask
from edge.deidentify.blank_pixels import stored_pixels
from edge.device import installed_version, versions
from edge.typed import dump, parse
from edge.write.files import write_whole

RESULTS = Path(__file__).parent / "results" / "burned-in.json"
SEED = 2026
FILMS = 40
GROUNDS: Mapping[str, str] = {
    "film 0": "chest film, 1024 x 1024",
    "film 1": "chest film, 512 x 512",
    "brain 1 0.45": "MR of the brain, coronal",
    "brain 2 0.55": "MR of the brain, axial",
    "693_J2KI": "CT of the head",
    "examples_overlay": "MR of the abdomen",
    "doppler": "ultrasound, speckle and coloured flow",
}
"""The pictures that words are planted into."""
LARGE_FILM = 2048
WHOLLY, PARTLY = 0.999, 0.5
"""From these shares of its ink on a word counts as covered, and as partly covered."""

Group = Literal["contrast", "ground", "script", "turn", "large film"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of the planted words of one kind and size.

    Parameters
    ----------
    size : int
        Height of capitals in pixels.
    n, whole, partly : int
        Words; those wholly covered; those of which more than half is, and not all.
    """

    group: Group
    kind: str
    size: int
    n: int
    whole: int
    partly: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistaken:
    """How much of pictures without text was taken for text.

    Parameters
    ----------
    n, with_boxes : int
        Pictures; those with a box.
    mean_share, most_share : float
        Of a picture's pixels that lie in boxes: over all pictures of the kind, and in the worst.
    """

    kind: str
    n: int
    with_boxes: int
    mean_share: float
    most_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """How many of the words of a script a reader behind the detector would keep; see `benchmarks.burned_in_reader`."""

    kind: str
    n: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The study, and with what it was made."""

    date: str
    versions: Mapping[str, str]
    found: tuple[Found, ...]
    mistaken: tuple[Mistaken, ...]
    read: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One kind of planted words."""

    group: Group
    kind: str
    write: Write
    words: Sequence[str]
    tone: str
    degrees: int = 0


def trials() -> Iterator[Trial]:
    """Yield every kind of words: each contrast in two fonts, each script, each turn."""
    strokes, noto = in_strokes(STROKES["strokes"]), in_noto("en")
    for tone in TONES:
        for write in (strokes, noto):
            yield Trial(group="contrast", kind=tone, write=write, words=LATIN, tone=tone)
    for script, write, words in (
        ("Latin, Noto Sans", noto, LATIN),
        ("Latin, strokes", strokes, LATIN),
        ("Latin, like handwriting", in_strokes(STROKES["handwriting"]), LATIN),
        ("Arabic, Noto Sans Arabic", in_noto("ar"), ARABIC),
        ("Hindi, Noto Sans Devanagari", in_noto("hi"), HINDI),
    ):
        yield Trial(group="script", kind=script, write=write, words=words, tone="white")
    for degrees in (90, 180, 270, 15, 45):
        yield Trial(group="turn", kind=f"{degrees} degrees", write=noto, words=LATIN, tone="white", degrees=degrees)


def looked_at(picture: Picture) -> Mask:
    """Return what is taken for text in a picture, as in a file of it."""
    pixels = stored_pixels(dataset_of(picture))
    if pixels is None:
        raise ValueError
    frame = next(pixels.frames())
    return text_mask(boxes_of(frame, pixels), picture.shape)


def find_planted(trial: Trial, grounds: Sequence[Clean], rng: np.random.Generator) -> list[Found]:
    """Return what is found of a trial's words, by size; those of each contrast once more by what they lie on."""
    shares: dict[tuple[Group, str, int], list[float]] = {}
    for ground in grounds:
        picture, words = planted(ground, trial.write, trial.words, TONES[trial.tone], rng, degrees=trial.degrees)
        mask = looked_at(picture)
        for word in words:
            shares.setdefault((trial.group, trial.kind, word.size), []).append(_covered(word, mask))
            if trial.group == "contrast":
                on = GROUNDS.get(ground.name, ground.name)
                shares.setdefault(("ground", on, word.size), []).append(_covered(word, mask))
    return [_row(*key, found) for key, found in shares.items()]


def _covered(word: Word, mask: Mask) -> float:
    return float(mask[word.ink].mean())


def _row(group: Group, kind: str, size: int, shares: Sequence[float]) -> Found:
    whole = sum(share >= WHOLLY for share in shares)
    partly = sum(PARTLY <= share < WHOLLY for share in shares)
    return Found(group=group, kind=kind, size=size, n=len(shares), whole=whole, partly=partly)


def summed(rows: Sequence[Found]) -> tuple[Found, ...]:
    """Return one row for each kind and size: those of two fonts added."""
    keys = dict.fromkeys((row.group, row.kind, row.size) for row in rows)
    same = {key: [row for row in rows if (row.group, row.kind, row.size) == key] for key in keys}
    return tuple(
        Found(
            group=key[0],
            kind=key[1],
            size=key[2],
            n=sum(row.n for row in found),
            whole=sum(row.whole for row in found),
            partly=sum(row.partly for row in found),
        )
        for key, found in same.items()
    )


def mistaken(pictures: Sequence[Clean]) -> tuple[Mistaken, ...]:
    """Return how much of pictures without text is taken for text, by kind."""
    shares: dict[str, list[float]] = {}
    for clean in pictures:
        shares.setdefault(clean.kind, []).append(float(looked_at(clean.picture).mean()))
    return tuple(
        Mistaken(
            kind=kind,
            n=len(found),
            with_boxes=sum(share > 0 for share in found),
            mean_share=float(np.mean(found)),
            most_share=max(found),
        )
        for kind, found in shares.items()
    )


def study(films: Sequence[NDArray[np.uint8]]) -> Results:
    """Return the whole study; it takes some minutes."""
    rng = np.random.default_rng(SEED)
    pictures = tuple(clean_pictures(films))
    grounds = [clean for clean in pictures if clean.name in GROUNDS]
    rows = [row for trial in trials() for row in find_planted(trial, grounds, rng)]
    large = Clean(kind="chest film", name="large", picture=film_of(films[0], LARGE_FILM, seed=0))
    for tone in ("white", "black on a white plate", "12% of the range from its ground"):
        trial = Trial(group="large film", kind=tone, write=in_noto("en"), words=LATIN, tone=tone)
        rows += find_planted(trial, [large], rng)
    told = versions()
    names = ("edgerun", "numpy", "opencv-python-headless", "onnxruntime")
    return Results(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions={name: told[name] for name in names} | {"rapidocr": installed_version("rapidocr") or "not installed"},
        found=summed(rows),
        mistaken=mistaken(pictures),
    )


def read_results(path: Path = RESULTS) -> Results:
    """Return the results of the last study."""
    return parse(Results, json.loads(path.read_text(encoding="utf-8")))


def main() -> None:
    """Make the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="pneumoniamnist.npz, of which the test films are taken"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    films = list(np.load(asked.data)["test_images"][:FILMS])
    results = study(films)
    write_whole(asked.results, (json.dumps(dump(results), indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
