"""Clocks, temperatures, throttling, power mode and energy, as Linux tells them in files; what is not told is left out.

Sources: the kernel's documentation of cpufreq, thermal zones, hwmon, and power capping (RAPL); the counters of
throttling are Intel's, below ``cpu*/thermal_throttle``. Rails and domains of power contain one another, so no two of
them are ever added.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.jetson import power_mode as jetson_mode
from edge.jetson import three_rails
from edge.kernel_files import number_in, text_of

ROOT = Path("/")
CPU = "sys/devices/system/cpu"
COOLED = ("cpufreq", "gpu", "processor", "throttle")
"""Words in the names of cooling devices that slow a chip down; a fan does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Energy that a domain has taken since some time: microjoules, and after how many it begins again from 0."""

    microjoules: int
    wraps_at: int


def clocks_mhz(root: Path = ROOT) -> tuple[float, ...]:
    """Return the clock of each core in MHz: of cpufreq, else of ``/proc/cpuinfo``; empty where neither tells."""
    found = [number_in(path) for path in sorted((root / CPU).glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))]
    if told := tuple(kilohertz / 1e3 for kilohertz in found if kilohertz is not None):
        return told
    with contextlib.suppress(OSError, ValueError):
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return tuple(float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz"))
    return ()


def temperatures_c(root: Path = ROOT) -> dict[str, float]:
    """Return degrees Celsius by sensor: thermal zones, and hwmon's where a chip has no zone."""
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        degrees = number_in(zone / "temp")
        if degrees is not None and degrees > -100_000:  # a zone that is switched off says -256 degrees
            found[text_of(zone / "type") or zone.name] = degrees / 1e3
    for sensor in sorted((root / "sys/class/hwmon").glob("hwmon*/temp*_input")):
        degrees = number_in(sensor)
        if degrees is not None:
            label = text_of(sensor.with_name(sensor.name.replace("_input", "_label")))
            found[" ".join(filter(None, (text_of(sensor.parent / "name"), label or sensor.stem)))] = degrees / 1e3
    return found


def throttling(root: Path = ROOT) -> dict[str, int] | None:
    """Return counters and states that grow as the machine slows itself down; None where it tells of none.

    By name: how often a core or package was throttled so far, and how far a cooling device is in.
    """
    found = {}
    for path in sorted((root / CPU).glob("cpu[0-9]*/thermal_throttle/*_throttle_count")):
        found[f"{path.parent.parent.name} {path.stem}"] = number_in(path)
    for device in sorted((root / "sys/class/thermal").glob("cooling_device*")):
        kind = text_of(device / "type")
        if any(word in kind.lower() for word in COOLED):
            found[f"{kind} ({device.name})"] = number_in(device / "cur_state")
    told = {name: value for name, value in found.items() if value is not None}
    return told or None


def power_mode(root: Path = ROOT) -> str:
    """Return how the machine is set to trade speed for power, in the system's words; empty where it does not tell."""
    parts = {
        "Jetson mode": jetson_mode(root),
        "governor": _said(root, f"{CPU}/cpu0/cpufreq/scaling_governor"),
        "preference": _said(root, f"{CPU}/cpu0/cpufreq/energy_performance_preference"),
        "profile": _said(root, "sys/firmware/acpi/platform_profile"),
        "turbo": {"0": "on", "1": "off"}.get(_said(root, f"{CPU}/intel_pstate/no_turbo"), ""),
        "mains": {"0": "no", "1": "yes"}.get(_mains(root), ""),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def energy_counters(root: Path = ROOT) -> dict[str, Counter]:
    """Return the energy counters (RAPL) that this user may read, by name of their domain.

    Since CVE-2020-8694 most systems let only root read them.
    """
    found = {}
    for folder in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
        energy, wraps_at = number_in(folder / "energy_uj"), number_in(folder / "max_energy_range_uj")
        if energy is not None and wraps_at:
            found[_domain(folder)] = Counter(microjoules=energy, wraps_at=wraps_at)
    return found


def watts(root: Path = ROOT) -> dict[str, float]:
    """Return the power of each supply rail that a sensor measures (INA3221, INA238 and other hwmon chips)."""
    return dict(_watts(root))


def joules_between(before: Mapping[str, Counter], after: Mapping[str, Counter]) -> dict[str, float]:
    """Return what each domain took between two looks, of which a counter may have begun anew once.

    Examples
    --------
    >>> before, after = (Counter(microjoules=count, wraps_at=1000) for count in (900, 100))
    >>> joules_between({"cpu": before}, {"cpu": after})
    {'cpu': 0.0002}
    """
    return {
        name: ((last.microjoules - before[name].microjoules) % last.wraps_at) / 1e6
        for name, last in after.items()
        if name in before
    }


def _domain(folder: Path) -> str:
    """Its own name, and that of the package that it is a part of."""
    parent = folder.parent / folder.name.rpartition(":")[0]
    outer = f"{text_of(parent / 'name')} " if folder.name.count(":") > 1 else ""
    return outer + (text_of(folder / "name") or folder.name)


def _watts(root: Path) -> Iterator[tuple[str, float]]:
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        kind = text_of(chip / "name")
        for power in sorted({*chip.glob("power*_input"), *chip.glob("power*_average")}):
            microwatts = number_in(power)
            if microwatts is not None:
                yield text_of(chip / f"{power.stem.partition('_')[0]}_label") or kind, microwatts / 1e6
        for rail in three_rails(chip) if kind == "ina3221" else ():
            yield rail.name, rail.milliwatts / 1e3


def _mains(root: Path) -> str:
    supplies = sorted((root / "sys/class/power_supply").glob("*"))
    return next((text_of(path / "online") for path in supplies if text_of(path / "type") == "Mains"), "")


def _said(root: Path, path: str) -> str:
    return text_of(root / path)
