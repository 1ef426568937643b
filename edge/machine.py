"""What this machine is, for a technician: on the screen in plain words, and as a document for programs."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.device import has_nvidia_gpu, machine_name, versions
from edge.engines import ENGINES
from edge.gpu import Gpu, find_gpu
from edge.jetson import SYSTEM, Clock, Jetson, read_jetson

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The system's memory in units of 2**20 bytes; a Jetson's GPU takes its own from the same.

    Parameters
    ----------
    total_mb : int
    available_mb : int
        What a program can have without swapping.
    swap_mb, swap_free_mb : int
    """

    total_mb: int
    available_mb: int
    swap_mb: int
    swap_free_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What `edgerun device` tells.

    Parameters
    ----------
    name : str
        What the processor or the board calls itself, and how many cores may be used.
    system : str
        Operating system and kind of processor.
    nvidia_gpu : bool
        Whether the system shows one.
    gpu : Gpu or None
        What its driver says of it; None where it does not answer.
    memory : Memory or None
        None: this system does not tell it as Linux does.
    jetson : Jetson or None
        None: it is no Jetson.
    engines : mapping of str to str
        By name as in `edge.engines.ENGINES`: what it lacks, empty where it can be tried.
    versions : mapping
        As `edge.device.versions` gives them.
    """

    name: str
    system: str
    nvidia_gpu: bool
    gpu: Gpu | None
    memory: Memory | None
    jetson: Jetson | None
    engines: Mapping[str, str]
    versions: Mapping[str, str]


def read_machine(root: Path = SYSTEM) -> Machine:
    """Return what this machine is.

    Parameters
    ----------
    root : Path
        Where the system's own files are: ``/``, or the top of a recorded copy of a Jetson's.
    """
    return Machine(
        name=machine_name(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        nvidia_gpu=has_nvidia_gpu(),
        gpu=find_gpu(),
        memory=read_memory(root),
        jetson=read_jetson(root),
        engines={name: ", ".join(entry.missing()) for name, entry in ENGINES.items()},
        versions=versions(),
    )


def read_memory(root: Path = SYSTEM) -> Memory | None:
    """Return how much memory there is, from ``/proc/meminfo``; None where that is not there or says something else."""
    sizes = {}
    with contextlib.suppress(OSError), (root / "proc/meminfo").open(encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, size = line.partition(":")
            number, _, unit = size.strip().partition(" ")
            if number.isdecimal() and unit == "kB":
                sizes[name] = (int(number) << 10) // _MIB
    if not {"MemTotal", "MemAvailable"} <= set(sizes):
        return None
    return Memory(
        total_mb=sizes["MemTotal"],
        available_mb=sizes["MemAvailable"],
        swap_mb=sizes.get("SwapTotal", 0),
        swap_free_mb=sizes.get("SwapFree", 0),
    )


def describe(machine: Machine) -> list[str]:
    """Return the machine in words: a line for each thing, what it is called first.

    Parameters
    ----------
    machine : Machine
    """
    return [f"{name:13} {words}" for name, words in _lines(machine)]


def _lines(machine: Machine) -> Iterator[tuple[str, str]]:
    jetson, memory = machine.jetson, machine.memory
    yield "Machine", machine.name if jetson is None or not jetson.model else jetson.model
    yield "System", f"{machine.system}, Python {machine.versions['python']}, edgerun {machine.versions['edgerun']}"
    if memory:
        swap = f"; swap {memory.swap_mb / 1024:.1f} GiB" if memory.swap_mb else "; no swap"
        yield "Memory", f"{memory.total_mb / 1024:.1f} GiB, {memory.available_mb / 1024:.1f} GiB of it free{swap}"
    yield "GPU", _gpu_words(machine)
    if jetson:
        yield from _jetson_lines(jetson)
    for name, lacks in machine.engines.items():
        yield "Engine", f"{name}: {f'not here, lacks {lacks}' if lacks else 'can be used'}"


def _gpu_words(machine: Machine) -> str:
    if machine.gpu:
        return f"{machine.gpu.name}, capability {machine.gpu.capability}, driver {machine.gpu.driver}"
    return "NVIDIA's driver is there, but no GPU answers" if machine.nvidia_gpu else "no NVIDIA GPU shows itself"


def _jetson_lines(jetson: Jetson) -> Iterator[tuple[str, str]]:
    jetpack = f"JetPack {jetson.jetpack}" if jetson.jetpack else "JetPack not known"
    yield "Jetson", f"{jetpack}, Jetson Linux {jetson.release or 'not known'}, chip {jetson.chip or 'not known'}"
    mode = jetson.power_mode
    yield "Power mode", f"{mode.name} (number {mode.number})" if mode else "not known; sudo nvpmodel -q tells it"
    for clock in jetson.clocks:
        yield "Clock", _clock_words(clock)
    if jetson.zones:
        hottest = max(jetson.zones, key=lambda zone: zone.celsius)
        yield "Temperature", f"{hottest.celsius:.0f} C at the hottest place ({hottest.name})"
    for rail in jetson.rails:
        yield "Power", f"{rail.milliwatts / 1000:.1f} W on {rail.name}"


def _clock_words(clock: Clock) -> str:
    now = f"{clock.megahertz:.0f} MHz" if clock.megahertz is not None else "not readable without root"
    return f"{clock.name}: {now}" + (f", at most {clock.most_megahertz:.0f} MHz" if clock.most_megahertz else "")
