"""What `edgerun-convert` says on stderr while it works, and how its options are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge.errors import UsageError
from edge.pack.manifest import Precision

if TYPE_CHECKING:
    from convert.describe import Description
    from convert.quantise import Method

MODEL = "An ONNX or TorchScript file, package.module:Class, the folder of a MONAI bundle, or a recipe."
WEIGHTS = "Weights for a module or a recipe: safetensors or a state dict."
DESCRIBE = "The pack's description: see init. A recipe brings its own."
METHOD = "How INT8 ranges are chosen: minmax, percentile or entropy."
CALIBRATE = (
    "Scans that show INT8 the range of values, not those of the tables; for several inputs a CSV, a column for each."
)
EVALUATE = "A CSV table to judge with: path (or a column for each input), and what is true of each scan."
TUNE = "A table for thresholds; without it --evaluate is cut in halves."
CONFIRM = "Vouch for what no scan's file tells, as NAME=VALUE: modality, body-part, view, age-years, unit."
JSON = "Print a JSON document on stdout."
WIDTH = 30


class Console:
    """Tells on stderr what is done; fulfils `convert.measure.Progress`. On a terminal, counts are a bar."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, words: str) -> None:
        """Print a line."""
        self._end()
        print(words, file=sys.stderr, flush=True)

    def count(self, done: int, total: int, what: str) -> None:
        """Draw the bar, or print a line now and then where nobody sees one grow."""
        if sys.stderr.isatty():
            filled = WIDTH * done // total
            print(f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {done} of {total} {what}", end="", file=sys.stderr)
            self._open = True
            if done == total:
                self._end()
        elif done % 100 == 0 or done == total:
            print(f"{done} of {total} {what}", file=sys.stderr, flush=True)

    def _end(self) -> None:
        if self._open:
            print(file=sys.stderr)
        self._open = False


def shapes_of(pairs: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """Return shapes by name of input from ``INPUT=SIZES``."""
    shapes = {}
    for pair in pairs:
        name, equals, sizes = pair.partition("=")
        numbers = sizes.split("x")
        if not (name and equals and all(number.isascii() and number.isdigit() for number in numbers)):
            raise UsageError(f"Reading --shape {pair!r}: expected INPUT=SIZES, such as image=1x3x224x224.")
        shapes[name] = tuple(int(number) for number in numbers)
    return shapes or None


def method_of(word: str) -> Method:
    """Return the method of calibration by this name."""
    from convert.quantise import CALIBRATORS

    known = [each for each in CALIBRATORS if each == word]
    if not known:
        raise UsageError(f"Reading --method {word!r}: expected one of {', '.join(CALIBRATORS)}.")
    return known[0]


def precisions_of(words: Sequence[str]) -> tuple[Precision, ...]:
    """Return the precisions by these names, or all of them; FP32 always is one."""
    known: tuple[Precision, ...] = get_args(Precision)
    for word in words:
        if word not in known:
            raise UsageError(f"Reading --precision {word!r}: expected one of {', '.join(known)}.")
    return tuple(each for each in known if each == "fp32" or not words or each in words)


def files_of(pairs: Sequence[str], option: str) -> dict[Precision, Path]:
    """Return files by precision from ``PRECISION=FILE``."""
    found: dict[Precision, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        known = [each for each in get_args(Precision) if each == name]
        if not known or not equals:
            raise UsageError(f"Reading {option} {pair!r}: expected PRECISION=FILE, such as int8=model.int8.onnx.")
        if known[0] in found:
            raise UsageError(f"Reading {option} {pair!r}: found {known[0]} twice, expected one file for each.")
        found[known[0]] = Path(path)
    return found


def read_file(path: Path) -> bytes:
    """Return the bytes of a file that a user named."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Reading {path}: {error.strerror}.") from error


def read_model(path: Path) -> bytes:
    """Return the bytes of an ONNX file that a user named, if it is one in FP32 and its weights are numbers."""
    from convert.sources import onnx_model
    from convert.sources.finite import refuse_not_finite
    from convert.sources.precision import refuse_halves, refuse_quantised

    data, model = read_file(path), onnx_model.read_model(path)
    refuse_quantised(model, path.name)
    refuse_halves(model, path.name)
    refuse_not_finite(model, path.name)
    return data


def description_of(describe: Path | None, model: str) -> Description:
    """Return the description in a file, or the recipe's own."""
    from convert.describe import parse_description, read_description
    from convert.recipes.contract import recipe_description
    from convert.sources import RECIPES, recipe_name

    if describe is not None:
        return read_description(describe)
    if recipe_name(model) not in RECIPES:
        raise UsageError(f"Building {model}: --describe is missing. `edgerun-convert init` drafts one from a model.")
    return parse_description(recipe_description(model).encode(), f"the description of {model}")
