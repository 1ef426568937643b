"""A folder of films in JPEG 2000: edgerun decoding them as small as its pack allows, beside decoding them whole.

``python -m benchmarks.jpeg2000 [--films N] [--proof N] [--side PIXELS] [--rounds N] [--out FILE]``. Needs torch for one
of the packs (``edgerun[convert]``). Two packs: the embedded one in FP32, which is trained, with an input of 28 x 28;
and the recipe ``chest-densenet121`` with one of 224 x 224 and weights drawn from a seed, whose answers mean nothing and
are compared all the same. Each is given the permission by measuring some of these very films, as `edgerun-convert
reduced` does with a hundred or more; where that refuses it, nothing is timed. Neither pack leaves the folder that is
thrown away.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures import Figure, add_out, keep, line_of, load, times
from benchmarks.films import Coding, write_films
from benchmarks.paired import Command, Paired, run_in_turn
from convert.assemble import write_pack
from convert.reading import scans_of
from convert.reduced import CODINGS, measure_reduced, with_reduced
from edge.bench.paired import paired_ratio
from edge.device import machine_name
from edge.pack.store import Pack, find_pack, open_pack
from edge.read.dicom import DicomReader
from edge.read.isolate import ScanReader
from edge.read.process import default_limit_bytes
from edge.replay.given import read_report
from edge.write.report import ClassificationReport, StudyReport

TRAINED, LARGER = "chest-pneumonia", "chest-densenet121"
INPUTS = {TRAINED: "28 x 28", LARGER: "224 x 224"}
WHOLE, SMALL = "whole", "smaller"
FASTER = 5.0
"""Times as fast as with full decode a folder of JPEG 2000 is to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Of the same films, decoded whole and smaller: studies, those with another state or label, largest difference."""

    studies: int
    changed: int
    largest_difference: float


def packs_of(folder: Path) -> dict[str, Pack]:
    """Return the packs by name, each with its FP32 model on ONNX Runtime alone and as if it were trained."""
    built = folder / "built"
    program = "from convert.cli import main; main()"
    asked = ["build", LARGER, "--precision", "fp32", "--out", str(built)]
    subprocess.run([sys.executable, "-c", program, *asked], check=True, capture_output=True)
    found = {TRAINED: find_pack(TRAINED), LARGER: open_pack(built / LARGER)}
    return {name: open_pack(_plain(pack, folder / name)) for name, pack in found.items()}


def _plain(pack: Pack, folder: Path) -> Path:
    """A copy with the reference alone."""
    manifest, files = with_reduced(pack, None)
    (model, *_) = manifest.models
    golden = tuple(replace(case, expect={"fp32": case.expect["fp32"]}) for case in manifest.golden)
    evidence = tuple(figure for figure in manifest.evidence if figure.precision == "fp32")
    changed = replace(manifest, models=(model,), golden=golden, evidence=evidence, status="trained")
    kept = {name: data for name, data in files.items() if not name.endswith(".onnx") or name == model.file}
    write_pack(folder, changed, kept)
    return folder


def allowed(pack: Pack, films: Path, count: int) -> tuple[Path | None, tuple[str, ...]]:
    """Return the pack with the permission that measuring the films gives it, or None; and what was found."""
    scans = (scan for _, scan in scans_of(sorted(films.iterdir())[:count]))
    verdict = measure_reduced(pack, scans, f"{count} films drawn from a seed", lambda _: None, least_scans=count)
    if verdict.reduced is None:
        return None, verdict.words
    folder = Path(pack.path).with_name(f"{Path(pack.path).name}-{SMALL}")
    write_pack(folder, *with_reduced(pack, verdict.reduced))
    return folder, verdict.words


def commands(films: Path, pack: Path, results: Path) -> Mapping[str, Command]:
    """Return what is timed, by name; every run writes to a place of its own."""
    asked = [sys.executable, "-m", "edge.cli", "infer", str(films), "--pack", str(pack)]
    return {
        WHOLE: lambda n: [*asked, "--out", str(results / f"{WHOLE}{n}"), "--full-resolution"],
        SMALL: lambda n: [*asked, "--out", str(results / f"{SMALL}{n}")],
    }


def compared(results: Path, run: int) -> Findings:
    """Return how far the reports of one round are apart."""
    whole, small = (_reports(results / f"{name}{run}") for name in (WHOLE, SMALL))
    if whole.keys() != small.keys():
        raise ValueError("Comparing findings: found reports of other films.")
    pairs = [(whole[study], small[study]) for study in whole]
    if not all(report.results[0].scan.decoded for _, report in pairs):
        raise ValueError("Comparing findings: found films that were decoded whole, expected none.")
    scores = [abs(a - b) for one, other in pairs for a, b in zip(_scores(one), _scores(other), strict=True)]
    changed = sum(_decided(one) != _decided(other) for one, other in pairs)
    return Findings(studies=len(pairs), changed=changed, largest_difference=max(scores, default=0.0))


def _reports(folder: Path) -> dict[str, StudyReport]:
    found = (read_report(path) for path in sorted(folder.glob("*/report.json")))
    return {report.study: report for report in found}


def _scores(report: StudyReport) -> list[float]:
    findings = report.results[0].findings
    return [item.score for item in findings.labels] if isinstance(findings, ClassificationReport) else []


def _decided(report: StudyReport) -> object:
    """The state, each label that is there or uncertain, and every code."""
    result = report.results[0]
    labels = result.findings.labels if isinstance(result.findings, ClassificationReport) else ()
    codes = sorted(reason.code for reason in (*result.warnings, *result.reasons))
    return report.state, [(item.positive, item.uncertain, item.urgency) for item in labels], codes


def read_in_turn(films: Path, least_side: int) -> Paired:
    """Return the seconds that the reader takes of each film, whole and smaller in turn: file, hash, decoder."""
    with ScanReader(prefetch=("dicom",)) as reader:
        found = reader.index(films).result()
    reader_of_dicom, seconds = DicomReader(), {WHOLE: list[float](), SMALL: list[float]()}
    for study in found.studies:
        (series,) = study.series
        for name, side in ((WHOLE, 0), (SMALL, least_side)):
            started = time.perf_counter()
            reader_of_dicom.load(replace(series, least_side=side), default_limit_bytes(), lambda _: None)
            seconds[name].append(time.perf_counter() - started)
    return Paired(seconds=seconds)


def figures_of(
    name: str, coding: Coding, folder: Paired, reading: Paired, found: Findings, films: int
) -> tuple[Figure, ...]:
    """Return what was found of one pack and coding."""
    what = f"{coding}, {name} ({INPUTS[name]})"
    rounds = len(folder.seconds[WHOLE])
    changed = f"{found.changed} of {found.studies} films decided otherwise"
    return (
        times(
            f"folder of {films} films, {what}: decoded smaller beside whole",
            folder.ratio(WHOLE, SMALL),
            rounds,
            at_least=FASTER,
            why=f"{changed}, scores differ by at most {found.largest_difference:.4f}",
        ),
        times(
            f"reading one film, {what}: decoded smaller beside whole",
            paired_ratio(reading.seconds[WHOLE], reading.seconds[SMALL]),
            films,
        ),
        Figure(what=f"folder, {what}, whole", unit="s", n=rounds, found=folder.median(WHOLE)),
        Figure(what=f"folder, {what}, smaller", unit="s", n=rounds, found=folder.median(SMALL)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jpeg2000", description=__doc__)
    parser.add_argument("--films", type=int, default=40, help="films in each folder")
    parser.add_argument("--proof", type=int, default=20, help="films of these that the permission rests on")
    parser.add_argument("--side", type=int, default=2048, help="pixels along each side of a film")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender is run")
    add_out(parser)
    asked = parser.parse_args(arguments)
    before = load()
    print(f"{machine_name()}; {asked.films} films of {asked.side} x {asked.side}, 12 bits, JPEG 2000; medians, in turn")
    figures: list[Figure] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for coding in CODINGS:
            write_films(place / coding, range(asked.films), asked.side, coding)
        for name, pack in packs_of(place).items():
            permitted, words = allowed(pack, place / "lossless", min(asked.proof, asked.films))
            notes += [f"{name}: {line}" for line in words]
            print("\n".join(notes[-len(words) :]))
            if permitted is None:
                continue
            for coding in CODINGS:
                figures += _measured(name, coding, place, permitted, asked)
    print("\n".join(line_of(figure) for figure in figures))
    keep(asked.out, figures, before=before, notes=notes)


def _measured(name: str, coding: Coding, place: Path, permitted: Path, asked: argparse.Namespace) -> tuple[Figure, ...]:
    results = place / f"{name}-{coding}"
    folder = run_in_turn(commands(place / coding, permitted, results), rounds=asked.rounds, warm_up=1)
    reduced = open_pack(permitted).manifest.reduced
    reading = read_in_turn(place / coding, reduced.least_side if reduced else 0)
    return figures_of(name, coding, folder, reading, compared(results, 0), asked.films)


if __name__ == "__main__":
    main()
