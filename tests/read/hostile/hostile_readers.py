"""A table of readers that misbehave as their file says, as ``stage verb``: ``load hang``, ``describe abort``."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.errors import ReadError
from edge.geometry import Grid
from edge.read.contract import Header, Progress
from edge.reasons import BAD_HEADER
from edge.scan import Acquisition, Identity, Scan, Series, Source
from edge.table import Entry

READERS = {"picture": Entry("hostile_readers:HostileReader")}


class HostileReader:
    """Reads files that say ``good`` as one grey picture of 2 x 3."""

    def recognises(self, head: bytes, path: str) -> bool:  # noqa: ARG002 -- as the protocol has it
        return not head.startswith(b"unknown")

    def describe(self, path: str) -> Header:
        act("describe", path)
        declared = Path(path).read_text().split()
        return Header(
            format="picture",
            path=path,
            study=path,
            series=path,
            identity=Identity(),
            acquisition=Acquisition(),
            pictures=1,
            bytes=int(declared[2]) if len(declared) == 3 else 6,
        )

    def load(self, series: Series, limit_bytes: int, progress: Progress) -> Scan:  # noqa: ARG002 -- as above
        for path in series.paths:
            progress(path)
            act("load", path)
        liar = "load lie" in Path(series.paths[0]).read_text()
        return Scan(
            voxels=np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
            grid=Grid.of_picture(3 if liar else 2, 3),
            stack="picture",
            unit="stored value",
            identity=series.identity,
            acquisition=series.acquisition,
            sources=tuple(Source(path=path, sha256="0" * 64) for path in series.paths),
            places=((0, 0),),
        )


def act(stage: str, path: str) -> None:
    """Do what the file says for this stage."""
    said = Path(path).read_text().split()
    if said[0] == stage:
        DEEDS[said[1]](path)


def fault(path: str) -> None:
    raise KeyError(f"PATIENT^NAME in {path}")


def panic(path: str) -> None:
    raise SystemExit(f"PATIENT^NAME in {path}")


def refuse(_: str) -> None:
    raise ReadError("Number of rows is 0.", BAD_HEADER)


def chatter(_: str) -> None:
    os.write(1, b"PATIENT^NAME")
    os.write(2, b"PATIENT^NAME")
    print("PATIENT^NAME")  # noqa: T201 -- what libraries do


def garble(_: str) -> None:
    """Write into every pipe that leads out."""
    for descriptor in range(3, 32):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\0\0\0\4\0\0\0\0\0\0\0\0null")


def fetch(_: str) -> None:
    import requests  # noqa: PLC0415, F401 -- as pydicom does where it is installed


DEEDS: dict[str, Callable[[str], object]] = {
    "hang": lambda _: time.sleep(600),
    "slow": lambda _: time.sleep(0.6),
    "abort": lambda _: os.abort(),
    "exit": lambda _: os._exit(3),
    "memory": lambda _: np.ones(3 << 30, dtype=np.uint8),
    "fault": fault,
    "panic": panic,
    "refuse": refuse,
    "print": chatter,
    "garble": garble,
    "fetch": fetch,
    "write": lambda path: Path(path).with_suffix(".written").write_bytes(b"x"),
}
