"""The embedded pack ``chest-pneumonia``: the scans it is built and judged with, and its example files."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.describe import parse_description
from convert.measure import Progress
from convert.radiograph import radiograph
from convert.recipes.chest_pneumonia import NAME, load_data
from convert.recipes.contract import recipe_description
from convert.road import Road, Sets, Ways, travel
from convert.verdicts import verdict_lines
from edge.errors import UsageError
from edge.write.files import make_folder, mapped, write_whole

Images = NDArray[np.uint8]

LABEL = "pneumonia"
GOLDEN, EXAMPLES = 2, 3
"""Of each class: chosen by their place in the data set, not by how well the model does on them."""
CALIBRATION = 200
CALIBRATE = "calibrate"
LEARNT = "learnt"
TABLES = {"val": "tune.csv", "test": "evaluate.csv"}
WORDS = "PneumoniaMNIST subset, {} {} images of 28 x 28"


def write_scans(data: Path, folder: Path, progress: Progress) -> Sets:
    """Write the data set as a maker would have it: DICOM files, some to calibrate with, and two tables.

    Parameters
    ----------
    data : Path
        ``pneumoniamnist.npz``.
    folder : Path
        Must be empty or not there.

    Returns
    -------
    Sets
        For `convert.road.travel`.

    Raises
    ------
    UsageError
        The folder holds something.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"Writing scans to {folder}: it is not empty. Choose another folder.")
    splits = load_data(data)
    with mapped(folder):
        for split, place in {"train": CALIBRATE, "val": "val", "test": "test"}.items():
            images, labels = splits[split]
            some = slice(CALIBRATION if split == "train" else None)
            progress(f"writing {len(images[some])} files to {folder / place}")
            _write_files(folder / place, images[some], split)
            if split in TABLES:
                _write_table(folder / TABLES[split], split, labels == 1)
        progress(f"writing {len(splits['train'][0])} files to {folder / LEARNT}")
        _write_files(folder / LEARNT, splits["train"][0], "train")
    truth = splits["test"][1] == 1
    return Sets(
        calibrate=folder / CALIBRATE,
        learnt=folder / LEARNT,
        tune=folder / TABLES["val"],
        evaluate=folder / TABLES["test"],
        tune_words=WORDS.format(len(splits["val"][1]), "validation"),
        evaluate_words=WORDS.format(len(truth), "test"),
        golden=tuple(folder / "test" / f"{_stem('test', index)}.dcm" for index in _first(truth, GOLDEN)),
    )


def build_pack(data: Path, folder: Path, examples: Path, weights: Path | None, progress: Progress) -> None:
    """Take the recipe's own road: export, candidates, verdicts, and write pack and example files.

    Parameters
    ----------
    data : Path
        ``pneumoniamnist.npz``.
    folder : Path
        Of the pack; what is there is replaced. Its reports go beside it, where `travel` puts them.
    examples : Path
        Folder for the first test pictures of each class as DICOM.
    weights : Path, optional
        safetensors file; the recipe's own by default.
    progress : callable
        Told what is being done, and the verdicts.
    """
    description = parse_description(recipe_description(NAME).encode(), NAME)
    with tempfile.TemporaryDirectory() as scratch:
        sets = write_scans(data, Path(scratch) / "scans", progress)
        road = Road(
            model=NAME,
            weights=weights,
            description=description,
            sets=sets,
            out=Path(scratch) / "out",
            ways=Ways(precisions=("fp32", "int8")),
            pack=folder,
        )
        conversion = travel(road, progress)
    images, labels = load_data(data)["test"]
    truth = labels == 1
    make_folder(examples)
    for index in _first(truth, EXAMPLES):
        kind = "pneumonia" if truth[index] else "normal"
        write_whole(examples / f"chest-{kind}-{index:04}.dcm", radiograph(images[index], _stem("test", index)))
    for line in verdict_lines(conversion):
        progress(line)


def _stem(split: str, index: int) -> str:
    return f"{split}-{index:04}"


def _write_files(folder: Path, images: Images, split: str) -> None:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        (folder / f"{_stem(split, index)}.dcm").write_bytes(radiograph(image, _stem(split, index)))


def _write_table(path: Path, split: str, truth: NDArray[np.bool_]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", LABEL])
        writer.writerows([f"{split}/{_stem(split, index)}.dcm", int(value)] for index, value in enumerate(truth))


def _first(truth: NDArray[np.bool_], each: int) -> list[int]:
    return [int(index) for value in (False, True) for index in np.flatnonzero(truth == value)[:each]]
