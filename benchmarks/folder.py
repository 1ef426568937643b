"""A folder of DICOM files: edgerun beside itself one study at a time, and beside what decoding and the model take.

``python -m benchmarks.folder [--scans N] [--side PIXELS] [--rounds N]``. The films are an example of the repository,
enlarged to the size of a real one with noise drawn from a seed, in JPEG-LS (1.2.840.10008.1.2.4.80): losslessly
compressed, as clinics keep them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless, generate_uid

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
        before = _cpu_seconds(reader.child_pid or 0)
        for item in series[1:]:
            reader.load(item).result()
        decode = (_cpu_seconds(reader.child_pid or 0) - before) / len(series[1:])
        pack = find_pack(PACK)
        _, engine = models.open(pack)
        (feed,) = prepare({pack.manifest.inputs[0].name: scan}, pack.manifest)
        engine.infer(feed.tensors)
        started = time.process_time()
        for _ in range(LEAST):
            engine.infer(feed.tensors)
        return Bound(decode_cpu_s=decode, engine_cpu_s=(time.process_time() - started) / LEAST)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15 of its stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def commands(films: Path, results: Path) -> Mapping[str, Command]:
    """Return what is timed; every run writes to a place of its own."""
    peer = str(ROOT / "benchmarks" / "peers" / "one_by_one.py")
    return {
        AHEAD: lambda n: [
            sys.executable, "-m", "edge.cli", "infer", str(films), "--pack", PACK, "--out", str(results / f"a{n}"),
        ],
        ALONE: lambda n: [sys.executable, peer, str(films), str(results / f"b{n}")],
    }  # fmt: skip


def lines_of(measured: Paired, bound: Bound, *, scans: int, cores: int) -> list[str]:
    """Return the findings as text."""
    faster, low, high = measured.ratio(ALONE, AHEAD)
    possible = bound.scans_per_second(cores)
    rate = scans / measured.median(AHEAD)
    return [
        f"{AHEAD}: {measured.median(AHEAD):.2f} s, {rate:.1f} scans a second, {rate * 3600:.0f} an hour",
        f"{ALONE}: {measured.median(ALONE):.2f} s",
        f"times as fast: {faster:.2f} (95%: {low:.2f} to {high:.2f}), aim at least {FASTER}",
        f"decoding takes {bound.decode_cpu_s * 1000:.1f} ms of a core and the model {bound.engine_cpu_s * 1000:.1f} ms",
        f"share of what {cores} cores could do with these alone: {rate / possible:.2f}, aim at least {SHARE}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folder", description=__doc__)
    parser.add_argument("--scans", type=int, default=100, help="films in the folder")
    parser.add_argument("--side", type=int, default=2048, help="pixels along each side of a film")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender is run")
    asked = parser.parse_args(arguments)
    print(
        f"{machine_name()}; {asked.scans} films of {asked.side} x {asked.side}, {BITS} bits, JPEG-LS; medians, in turn"
    )
    with tempfile.TemporaryDirectory() as folder:
        films = Path(folder) / "films"
        make_folder(films, scans=asked.scans, side=asked.side)
        bound = bound_of(films)
        before = os.getloadavg()[0]
        measured = run_in_turn(commands(films, Path(folder)), rounds=asked.rounds, warm_up=1)
    print("\n".join(lines_of(measured, bound, scans=asked.scans, cores=usable_cores())))
    print(f"load {before:.2f} to {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
