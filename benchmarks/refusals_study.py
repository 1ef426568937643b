"""What the chest pack refuses: good films, spoiled ones, noise, and pictures of anything else, by the whole program.

``python -m benchmarks.refusals_study --data pneumoniamnist.npz [--pack PACK] [--results FILE]``. Needs
``edgerun[convert]``. The films are the test pictures that the pack's evidence is measured on: neither its model nor its
limits have seen them. Whatever else there is, is made from them, from a seeded generator, or lies in pydicom's test
files. Everything is written as DICOM and goes the way of a user's scans (`edge.pipeline.run`); what is counted stands
in the reports. ``python -m benchmarks.refusals_page`` makes the page of it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pydicom.data
from numpy.typing import NDArray
from scipy.stats import binomtest

from convert.radiograph import radiograph
from edge.device import versions
from edge.errors import EdgerunError, ReadError
from edge.options import Options
from edge.pack.store import find_pack
from edge.pipeline import Request, run
from edge.read import ScanReader
from edge.scan import Scan
from edge.typed import dump, parse
from edge.write.files import make_folder, write_whole
from edge.write.report import ResultReport

RESULTS = Path(__file__).parent / "results" / "refusals.json"
PACK = "chest-pneumonia"
VOUCHED = {"modality": "DX", "body-part": "CHEST", "view": "AP"}
NOISES = 100
SEED = 2026
LARGE = 4
"""By so many times films are enlarged before parts are cut from them: a pack refuses a thumbnail as one."""
TOLD = ("edgerun", "numpy", "opencv-python-headless", "onnxruntime", "pydicom")

Group = Literal["good", "spoiled", "cut", "noise", "other"]
Picture = NDArray[np.uint8]
Spoil = Callable[[Picture, Picture], Picture]
Draw = Callable[[np.random.Generator, Picture], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of pictures of one kind.

    Parameters
    ----------
    n : int
        How many were examined.
    refused : int
        How many of them.
    unreadable : int
        How many more could not be read, and so show nothing of any check.
    low, high : float
        The 95% interval of the share that was refused (Clopper and Pearson 1934).
    codes : mapping
        By code: for how many it was a reason. One picture can have several.
    warned : mapping
        By code: of how many results it warned.
    """

    group: Group
    kind: str
    n: int
    refused: int
    unreadable: int
    low: float
    high: float
    codes: Mapping[str, int]
    warned: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The study, and what was examined with what."""

    pack: str
    pack_version: str
    pack_sha256: str
    date: str
    versions: Mapping[str, str]
    rows: tuple[Row, ...]


def large(film: Picture) -> Picture:
    """Return a film enlarged, smoothly."""
    size = LARGE * film.shape[1], LARGE * film.shape[0]
    return np.asarray(cv2.resize(film, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def framed(film: Picture) -> Picture:
    """Return a film in a black frame, of which it fills a quarter."""
    whole = large(film)
    return np.pad(whole, whole.shape[0] // 2)


def beside(film: Picture, other: Picture) -> Picture:
    """Return two films side by side, with a black gap between them."""
    one = large(film)
    return np.hstack([one, np.zeros((one.shape[0], LARGE), np.uint8), large(other)])


def burnt(film: Picture) -> Picture:
    """Return a film with four times its contrast, cut off at black and white."""
    middle = float(np.median(film))
    return np.asarray(np.clip((film - middle) * 4 + 128, 0, 255), np.uint8)


SPOILED: Mapping[str, tuple[Group, Spoil]] = {
    "as they are": ("good", lambda film, _: film),
    f"enlarged {LARGE} times": ("good", lambda film, _: large(film)),
    "negatives": ("spoiled", lambda film, _: 255 - film),
    "turned by 90 degrees": ("spoiled", lambda film, _: np.rot90(film, 1)),
    "turned by 180 degrees": ("spoiled", lambda film, _: np.rot90(film, 2)),
    "turned by 270 degrees": ("spoiled", lambda film, _: np.rot90(film, 3)),
    "mirrored, upside down": ("spoiled", lambda film, _: film[::-1]),
    "mirrored, left for right": ("spoiled", lambda film, _: film[:, ::-1]),
    "four times the contrast": ("spoiled", lambda film, _: burnt(film)),
    "in a black frame": ("cut", lambda film, _: framed(film)),
    "two films side by side": ("cut", beside),
    "left half": ("cut", lambda film, _: large(film)[:, : LARGE * 14]),
    "lower right, 70% of each side": ("cut", lambda film, _: large(film)[LARGE * 8 :, LARGE * 8 :]),
    "middle, 70% of each side": ("cut", lambda film, _: large(film)[LARGE * 4 : -LARGE * 4, LARGE * 4 : -LARGE * 4]),
}
"""By kind: what is made of each film, and the one after it. A warning is right for films that are mirrored left for
right: a patient's organs may be. What the middle of a film lacks, no check claims to see."""


def with_phases(rng: np.random.Generator, film: Picture) -> NDArray[Any]:
    """Return noise with the very spectrum of a film: as bright, as soft, and of nothing."""
    amplitude = np.abs(np.fft.rfft2(film))
    phases = np.angle(np.fft.rfft2(rng.random(film.shape)))
    return np.asarray(np.fft.irfft2(amplitude * np.exp(1j * phases), s=film.shape))


NOISE: Mapping[str, Draw] = {
    "every value alike": lambda rng, film: rng.uniform(0, 255, film.shape),
    "normal, as bright as a film": lambda rng, film: rng.normal(film.mean(), film.std(), film.shape),
    "soft": lambda rng, film: _stretched(cv2.GaussianBlur(rng.random(film.shape), (0, 0), 4.0)),
    "black and white points": lambda rng, film: 255.0 * (rng.random(film.shape) < 0.5),
    "even slopes": lambda rng, film: _stretched(_slope(rng, film.shape)),
    "stripes": lambda rng, film: _stretched(np.sin(_slope(rng, film.shape) * rng.uniform(0.2, 1.5))),
    "points of a film, shuffled": lambda rng, film: rng.permutation(film.ravel()).reshape(film.shape),
    "the spectrum of a film": with_phases,
}


def _slope(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    down, across = rng.normal(size=2)
    return np.asarray(np.add.outer(down * np.arange(shape[0]), across * np.arange(shape[1])), np.float64)


def _stretched(values: NDArray[Any]) -> NDArray[Any]:
    """From 0 to 255; what is constant becomes 0."""
    low, high = values.min(), values.max()
    return np.asarray(255.0 * (values - low) / max(high - low, 1e-9))


def of_films(films: Sequence[Picture], spoil: Spoil) -> Iterator[Picture]:
    """Yield what is made of each film and the one after it."""
    for index, film in enumerate(films):
        yield np.ascontiguousarray(spoil(film, films[(index + 1) % len(films)]), np.uint8)


def of_noise(films: Sequence[Picture], draw: Draw, count: int = NOISES) -> Iterator[Picture]:
    """Yield seeded noise, each as large as a film."""
    rng = np.random.default_rng(SEED)
    for index in range(count):
        yield np.asarray(np.clip(draw(rng, films[index % len(films)]), 0, 255), np.uint8)


def other_files() -> Path:
    """Return the folder of pydicom's own test files: none of them is a film of a chest."""
    return Path(pydicom.data.__file__).parent / "test_files"


def other_pictures() -> Iterator[Picture]:
    """Yield the middle picture of everything that pydicom's test files hold, in grey, each once."""
    seen: set[bytes] = set()
    with ScanReader() as reader:
        found = reader.index([other_files()]).result()
        for series in (one for study in found.studies for one in study.series):
            try:
                picture = _middle(reader.load(series).result())
            except ReadError:
                continue
            if picture.tobytes() not in seen:
                seen.add(picture.tobytes())
                yield picture


def _middle(scan: Scan) -> Picture:
    values = scan.voxels[scan.voxels.shape[0] // 2].astype(np.float64)
    return np.asarray(_stretched(values.mean(axis=-1) if values.ndim == 3 else values), np.uint8)


def examine_pictures(group: Group, kind: str, pictures: Iterator[Picture], pack: str) -> Row:
    """Write pictures as films of a chest, examine them, and count."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "scans"
        folder.mkdir()
        for index, picture in enumerate(pictures):
            (folder / f"{index:04}.dcm").write_bytes(radiograph(picture, f"{group}-{index:04}"))
        return examine_folder(group, kind, folder, pack)


def examine_folder(group: Group, kind: str, folder: Path, pack: str, confirmed: Mapping[str, str] | None = None) -> Row:
    """Examine everything in a folder, and count what became of it."""
    with tempfile.TemporaryDirectory() as scratch:
        options = Options(engine="onnxruntime", confirmed=confirmed or {})
        request = Request(paths=(folder,), out=Path(scratch), pack=pack, options=options)
        return counted(group, kind, [result for report in run(request) for result in report.results])


def counted(group: Group, kind: str, results: Sequence[ResultReport]) -> Row:
    """Return the row of a kind."""
    read = [result for result in results if result.state != "failed"]
    refused = [result for result in read if result.state == "not-analysed"]
    between = binomtest(len(refused), len(read)).proportion_ci(0.95, method="exact")
    reasons = Counter(code for result in refused for code in {reason.code for reason in result.refusals})
    given = [result for result in read if result.state != "not-analysed"]
    warned = Counter(code for result in given for code in {warning.code for warning in result.warnings})
    return Row(
        group=group,
        kind=kind,
        n=len(read),
        refused=len(refused),
        unreadable=len(results) - len(read),
        low=round(float(between.low), 6),
        high=round(float(between.high), 6),
        codes=dict(sorted(reasons.items())),
        warned=dict(sorted(warned.items())),
    )


def study(films: Sequence[Picture], pack: str) -> Iterator[Row]:
    """Yield a row for every kind."""
    for kind, (group, spoil) in SPOILED.items():
        yield examine_pictures(group, kind, of_films(films, spoil), pack)
    for kind, draw in NOISE.items():
        yield examine_pictures("noise", kind, of_noise(films, draw), pack)
    yield examine_folder("other", "pydicom's test files", other_files(), pack)
    yield examine_folder("other", "the same, vouched for as films of a chest", other_files(), pack, VOUCHED)
    yield examine_pictures("other", "their pictures, with the header of a film of a chest", other_pictures(), pack)


def read_results(path: Path = RESULTS) -> Results:
    """Return the results in a file."""
    return parse(Results, json.loads(path.read_text(encoding="utf-8")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Examine everything and write the results."""
    from convert.recipes.chest_pneumonia import load_data  # noqa: PLC0415 - it loads torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.refusals_study")
    parser.add_argument("--data", type=Path, required=True, help="pneumoniamnist.npz")
    parser.add_argument("--pack", default=PACK)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args(arguments)
    try:
        pack = find_pack(asked.pack)
        films = list(load_data(asked.data)["test"][0])
        rows = []
        for row in study(films, asked.pack):
            rows.append(row)
            print(
                f"{row.group}: {row.kind}: {row.refused} of {row.n} refused {dict(row.codes)} warned {dict(row.warned)}"
            )
    except EdgerunError as error:
        raise SystemExit(str(error)) from error
    results = Results(
        pack=pack.manifest.name,
        pack_version=pack.manifest.version,
        pack_sha256=pack.sha256,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions={name: version for name, version in versions().items() if name in TOLD},
        rows=tuple(rows),
    )
    make_folder(asked.results.parent)
    write_whole(asked.results, (json.dumps(dump(results), indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
