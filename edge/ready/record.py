"""What was found when a pack was prepared here, as frozen types. Version 1. One JSON a pack, whole or absent.

A record says no more than which of the engines that may run the pack is the fastest: whether an engine may run it, the
pack's manifest says, and is asked again each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from edge.engines.cache import read_own
from edge.pack.manifest import Model
from edge.pack.words import File, Name, Precision, Sha256
from edge.ready.machine import Machine, engine_versions, this_machine
from edge.ready.place import record_path
from edge.typed import Between, dump, parse
from edge.write.files import mapped, write_whole

Seconds = Annotated[float, Between(0.0, 1e6)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a candidate took: medians over `rounds` processes, each of which opened it anew.

    Parameters
    ----------
    open_seconds : float
        To start a process, import the engine and load the model, as compiled before where it can be.
    first_seconds : float
        The engine alone, for the first scan.
    scan_seconds : float
        The same for each scan after it.
    compile_seconds : float
        Once, before all that.
    peak_bytes : int, optional
        Of the process; None where the system does not tell.
    """

    rounds: Annotated[int, Between(1, 1000)]
    open_seconds: Seconds
    first_seconds: Seconds
    scan_seconds: Seconds
    compile_seconds: Seconds
    peak_bytes: int | None = None

    def cost_seconds(self, scans: int) -> float:
        """Return what so many scans cost in one process, its start included.

        Examples
        --------
        >>> quick = Measured(rounds=3, open_seconds=0.5, first_seconds=0.25, scan_seconds=0.125, compile_seconds=9.0)
        >>> quick.cost_seconds(1), quick.cost_seconds(5)
        (0.75, 1.25)
        """
        return self.open_seconds + self.first_seconds + (scans - 1) * self.scan_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """How far a candidate was from one golden case, and how far it may be."""

    name: str
    largest_difference: float
    allowed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One candidate.

    Parameters
    ----------
    judged : bool
        Whether the maker's gate let this engine pass with this model; else it was proven here alone.
    provider : str, optional
        The engine's own word for the device that it ran on.
    measured : Measured, optional
        None where it could not be measured.
    golden : tuple of KnownAnswer
        Those that were run; of one that was never near being chosen none are.
    problem : str
        Why it cannot be chosen; empty where it can.
    """

    engine: Name
    precision: Precision
    file: File
    judged: bool
    provider: str | None = None
    measured: Measured | None = None
    golden: tuple[KnownAnswer, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The engine to take, with which model, and why."""

    engine: Name
    precision: Precision
    file: File
    judged: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was found for one pack on one machine.

    Parameters
    ----------
    one : Chosen
        For fewer than `many_from` scans in one run.
    many : Chosen
        For as many, or more; the same as `one` where `many_from` is 1.
    tried : tuple of Tried
        Every candidate, the winners too.
    """

    format: Literal["edgerun-prepared"] = "edgerun-prepared"
    format_version: Literal[1] = 1
    pack: Name
    pack_sha256: Sha256
    prepared_utc: str
    machine: Machine
    versions: Mapping[str, str]
    one: Chosen
    many: Chosen
    many_from: Annotated[int, Between(1, 10**9)]
    tried: tuple[Tried, ...]

    def chosen(self, scans: int) -> Chosen:
        """Return the engine for a run of so many scans."""
        return self.many if scans >= self.many_from else self.one

    def proves(self, model: Model, engine: str) -> bool:
        """Return whether a model gave its known answers on an engine here, and all is as it was then."""
        wanted = engine, model.precision, model.file
        right = (each.golden and not each.problem for each in self.tried if _name_of(each) == wanted)
        return any(right) and not self.differs()

    def differs(self) -> str:
        """Return what is not as it was when the pack was prepared, in words; nothing where all is."""
        here, now = this_machine(), engine_versions()
        changed = [name for name in {**self.versions, **now} if self.versions.get(name) != now.get(name)]
        if changed:
            return f"prepared with another version of {', '.join(changed)}"
        return "" if here == self.machine else "prepared on another machine, GPU, driver or power mode"


def _name_of(tried: Tried) -> tuple[str, str, str]:
    return tried.engine, tried.precision, tried.file


def write_record(record: Record) -> Path:
    """Write a record in the place of an earlier one, and return where.

    Raises
    ------
    edge.errors.OutputError
        ``W800`` or ``W801``; the earlier one is still there.
    """
    path = record_path(record.pack_sha256)
    with mapped(path):
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, json.dumps(dump(record), indent=1, ensure_ascii=False).encode() + b"\n")
    return path


def read_record(pack_sha256: str) -> Record | str | None:
    """Return a pack's record; in words what is wrong with it; or None where there is none.

    One that others could have written would let them say that an engine, which no gate has seen, is right here.
    """
    try:
        record = parse(Record, json.loads(read_own(record_path(pack_sha256))))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        return f"the record of its preparation is not to be trusted: {error.strerror or error}"
    except (OSError, ValueError, RecursionError):  # JSON, UTF-8 and TypedError are ValueErrors
        return "the record of its preparation cannot be read"
    return record if record.pack_sha256 == pack_sha256 else "the record of its preparation is another pack's"
