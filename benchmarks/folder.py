"""A folder of DICOM files: edgerun beside itself one study at a time, and beside what decoding and the model take.

``python -m benchmarks.folder [--scans N] [--side PIXELS] [--rounds N] [--out FILE]``. The films are an example of the
repository, enlarged to the size of a real one with noise drawn from a seed, in JPEG-LS (1.2.840.10008.1.2.4.80):
losslessly compressed, as clinics keep them. Whether a scan costs the same after a thousand others, and in the same
memory, is seen over small ones.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless, generate_uid

from benchmarks import figures
from benchmarks.figures import Figure
from benchmarks.folder_growth import Mark, cpu_seconds, grown_mb, marks_in, slower
from benchmarks.paired import Command, Paired, run_in_turn
from edge.device import machine_name, usable_cores
from edge.models import Models
from edge.pack.store import find_pack
from edge.prepare import prepare
from edge.read.isolate import ScanReader

ROOT = Path(__file__).parent.parent
SCAN = ROOT / "examples" / "chest-pneumonia-0000.dcm"
PACK = "chest-pneumonia"
AHEAD, ALONE = "edgerun infer", "one study at a time"
BITS = 12
FASTER = 1.7
"""How many times as fast as one study at a time a folder is to be, on two cores."""
SHARE = 0.92
"""Of what the cores could do if there were decoding and the model alone."""
SLOWER, GROWN_MB = 1.03, 20.0
"""How many times its first cost a scan may cost after many, and by how much memory may grow."""
SMALL, MANY = 96, 1000
"""Pixels along each side of the films over which that is seen, and how many there are."""
LEAST = 50
"""Inferences to take the processor's time of; a clock tick is a hundredth of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Processor seconds of one scan that nothing saves: decoding it, and the model."""

    decode_cpu_s: float
    engine_cpu_s: float

    def scans_per_second(self, cores: int) -> float:
        """Return how many scans so many cores could do if there were nothing else.

        Examples
        --------
        >>> Bound(decode_cpu_s=0.15, engine_cpu_s=0.05).scans_per_second(2)
        10.0
        """
        return cores / (self.decode_cpu_s + self.engine_cpu_s)


def make_folder(folder: Path, *, scans: int, side: int) -> None:
    """Write `scans` studies of one film of `side` x `side` pixels; each has UIDs and noise of its own."""
    folder.mkdir()
    dataset = pydicom.dcmread(SCAN)
    small = dataset.pixel_array.astype(np.float32) * (2**BITS / 256)
    film = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    dataset.Rows = dataset.Columns = side
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.WindowCenter, dataset.WindowWidth = 2 ** (BITS - 1), 2**BITS
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    for number in range(scans):
        noise = np.random.default_rng(number).normal(0.0, 8.0, film.shape)
        values = np.clip(film + noise, 0, 2**BITS - 1).astype(np.uint16)
        dataset.PixelData = encapsulate([bytes(imagecodecs.jpegls_encode(values))])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {number}"])
        dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {number}"])
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[f"instance {number}"])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{number:05d}.dcm")


def bound_of(folder: Path) -> Bound:
    """Return what decoding takes of the reading process, and the model of this one; both warmed up."""
    with ScanReader(prefetch=("dicom",)) as reader, Models(PACK, "onnxruntime", "fp32") as models:
        found = reader.index(folder).result()
        series = [item for study in found.studies for item in study.series]
        scan = reader.load(series[0]).result()
        before = cpu_seconds(reader.child_pid or 0)
        for item in series[1:]:
            reader.load(item).result()
        decode = (cpu_seconds(reader.child_pid or 0) - before) / len(series[1:])
        pack = find_pack(PACK)
        _, engine = models.open(pack)
        (feed,) = prepare({pack.manifest.inputs[0].name: scan}, pack.manifest)
        engine.infer(feed.tensors)
        started = time.process_time()
        for _ in range(LEAST):
            engine.infer(feed.tensors)
        return Bound(decode_cpu_s=decode, engine_cpu_s=(time.process_time() - started) / LEAST)


def commands(films: Path, results: Path) -> Mapping[str, Command]:
    """Return what is timed; every run writes to a place of its own."""
    peer = str(ROOT / "benchmarks" / "peers" / "one_by_one.py")
    return {
        AHEAD: lambda n: [
            sys.executable, "-m", "edge.cli", "infer", str(films), "--pack", PACK, "--out", str(results / f"a{n}"),
        ],
        ALONE: lambda n: [sys.executable, peer, str(films), str(results / f"b{n}")],
    }  # fmt: skip


def cpu_per_scan(command: Sequence[str], scans: int) -> float:
    """Return the processor seconds that a command and all that it starts take for each scan, its start included.

    Raises
    ------
    subprocess.CalledProcessError
        It failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / scans


def growth_of(films: Path, results: Path) -> tuple[Mark, ...]:
    """Return what `benchmarks.folder_growth` sees of a run over a folder."""
    command = [sys.executable, "-m", "benchmarks.folder_growth", str(films), str(results), PACK]
    ran = subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return marks_in(ran.stdout)


def figures_of(measured: Paired, bound: Bound, cpu_s: float, *, scans: int, cores: int) -> Iterator[Figure]:
    """Yield what a folder of large films takes, beside one study at a time and beside what nothing saves."""
    rate, possible = scans / measured.median(AHEAD), bound.scans_per_second(cores)
    rounds = len(measured.seconds[AHEAD])
    least = bound.decode_cpu_s + bound.engine_cpu_s
    yield Figure(what=f"{AHEAD} of a folder", unit="scans a second", n=rounds, found=rate)
    yield figures.times(f"{AHEAD} of a folder, beside {ALONE}", measured.ratio(ALONE, AHEAD), rounds, at_least=FASTER)
    why = f"of {cpu_s * 1000:.0f} ms of a core that a scan takes, decoding and the model are {least * 1000:.0f} ms"
    what = f"share of what {cores} cores could do with decoding and the model alone"
    yield Figure(what=what, unit="of 1", n=rounds, found=rate / possible, at_least=SHARE, why=why)
    yield Figure(
        what="decoding one scan", unit="ms of a core", n=scans - 1, found=bound.decode_cpu_s * 1000, detail=True
    )
    yield Figure(what="the model", unit="ms of a core", n=LEAST, found=bound.engine_cpu_s * 1000, detail=True)
    yield Figure(what="everything for one scan", unit="ms of a core", n=scans, found=cpu_s * 1000, detail=True)


def growth_figures(marks: Sequence[Mark]) -> Iterator[Figure]:
    """Yield whether scans become slower or hold more memory, the more there are."""
    last = marks[-1].scans
    yield Figure(
        what=f"processor time of a scan, the second half of {last:,} beside the first",
        unit="times", n=last, found=slower(marks), at_most=SLOWER,
    )  # fmt: skip
    yield Figure(
        what=f"memory grown from scan {marks[0].scans} to {last:,}",
        unit="MB", n=last, found=grown_mb(marks), at_most=GROWN_MB,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folder", description=__doc__)
    parser.add_argument("--scans", type=int, default=1000, help="films in the folder")
    parser.add_argument("--side", type=int, default=2048, help="pixels along each side of a film")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender is run")
    figures.add_out(parser)
    asked = parser.parse_args(arguments)
    before = figures.load()
    print(
        f"{machine_name()}; {asked.scans} films of {asked.side} x {asked.side}, {BITS} bits, JPEG-LS; medians, in turn"
    )
    with tempfile.TemporaryDirectory() as folder:
        films, small, results = (Path(folder) / name for name in ("films", "small", "results"))
        make_folder(films, scans=asked.scans, side=asked.side)
        make_folder(small, scans=MANY, side=SMALL)
        timed = commands(films, results)
        bound, cpu_s = bound_of(films), cpu_per_scan(timed[AHEAD](-1), asked.scans)
        measured = run_in_turn(timed, rounds=asked.rounds, warm_up=0)
        found = [*figures_of(measured, bound, cpu_s, scans=asked.scans, cores=usable_cores())]
        found += growth_figures(growth_of(small, results / "growth"))
    print("\n".join(map(figures.line_of, found)))
    figures.keep(asked.out, found, before=before)


if __name__ == "__main__":
    main()
