"""One line of NVIDIA's ``tegrastats``, of any release of Jetson Linux from 32 on, as numbers.

The format is that of the Jetson Linux Developer Guide, appendix "tegrastats Utility"; what differs between releases is
said where it is read. A statistic that a line does not have is None or empty, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RAM = re.compile(r"\bRAM (\d+)/(\d+)MB")
_SWAP = re.compile(r"\bSWAP (\d+)/(\d+)MB")
# Up to release 27 one clock for all cores stood behind the bracket.
_CPU = re.compile(r"\bCPU \[([^\]]*)\](?:@(\d+))?")
_CORE = re.compile(r"(\d+)%(?:@(\d+))?")
_GPU = re.compile(r"\bGR3D_FREQ (?:(\d+)%)?(?:@\[?([\d,]+)\]?)?")
_EMC = re.compile(r"\bEMC_FREQ (?:(\d+)%)?(?:@(\d+))?")
# Since release 39 the hottest follows the present one: "cpu@50C/51.5C".
_TEMPERATURE = re.compile(r"\b([A-Za-z]\w*)@(-?\d+(?:\.\d+)?)C\b")
# Boards up to release 34 give no unit ("POM_5V_IN 2530/2530"); since 39 the highest follows the mean.
_POWER = re.compile(r"\b([A-Z]\w*) (\d+)(?:mW\b|/\d+(?=\s|$))")
_OFF_CELSIUS = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """How busy a processor core is, in percent, and its clock in megahertz."""

    percent: int
    megahertz: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What one line says.

    Parameters
    ----------
    ram_used_mb, ram_total_mb, swap_used_mb, swap_total_mb : int or None
        In units of 2**20 bytes.
    cores : tuple of Core or None
        None stands for a core that is switched off.
    gpu_percent, emc_percent : int or None
        How busy the GPU and the memory controller are; Thor does not tell it of its GPU.
    gpu_megahertz : tuple of int
        A clock for each part of the GPU, where the line tells it (it takes root).
    emc_megahertz : int or None
    celsius : mapping
        Degrees by zone, in small letters; zones that are switched off are left out.
    milliwatts : mapping
        Power at this moment by rail; rails that are not connected are left out.
    """

    ram_used_mb: int | None
    ram_total_mb: int | None
    swap_used_mb: int | None
    swap_total_mb: int | None
    cores: tuple[Core | None, ...]
    gpu_percent: int | None
    gpu_megahertz: tuple[int, ...]
    emc_percent: int | None
    emc_megahertz: int | None
    celsius: Mapping[str, float]
    milliwatts: Mapping[str, int]


def parse_line(line: str) -> Stats:
    """Return what one line of ``tegrastats`` says.

    Parameters
    ----------
    line : str
        As printed, with or without the time that releases since 34 put first.

    Examples
    --------
    >>> stats = parse_line("RAM 848/7620MB (lfb 3x4MB) CPU [2%@729,off] GR3D_FREQ 37% tj@46.5C VDD_IN 4408mW/4300mW")
    >>> stats.ram_used_mb, stats.cores[1], stats.gpu_percent, stats.celsius["tj"], stats.milliwatts["VDD_IN"]
    (848, None, 37, 46.5, 4408)
    """
    ram, swap, cpu, gpu, emc = (pattern.search(line) for pattern in (_RAM, _SWAP, _CPU, _GPU, _EMC))
    celsius = {found[1].lower(): float(found[2]) for found in _TEMPERATURE.finditer(line)}
    return Stats(
        ram_used_mb=_whole(ram, 1),
        ram_total_mb=_whole(ram, 2),
        swap_used_mb=_whole(swap, 1),
        swap_total_mb=_whole(swap, 2),
        cores=tuple(_core(word.strip(), _whole(cpu, 2)) for word in cpu[1].split(",")) if cpu else (),
        gpu_percent=_whole(gpu, 1),
        gpu_megahertz=tuple(int(word) for word in (gpu[2] or "").split(",") if word) if gpu else (),
        emc_percent=_whole(emc, 1),
        emc_megahertz=_whole(emc, 2),
        celsius={name: degrees for name, degrees in celsius.items() if degrees > _OFF_CELSIUS},
        milliwatts={found[1]: int(found[2]) for found in _POWER.finditer(line) if found[1] != "NC"},
    )


def _whole(found: re.Match[str] | None, group: int) -> int | None:
    return int(found[group]) if found and found[group] else None


def _core(word: str, shared_megahertz: int | None) -> Core | None:
    found = _CORE.fullmatch(word)
    return Core(percent=int(found[1]), megahertz=_whole(found, 2) or shared_megahertz) if found else None
