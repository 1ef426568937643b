"""What a Jetson tells of itself in files: board, release, power mode, temperatures, rails, clocks.

Nothing is run and nothing is written, so it works in a container, without root, and on a recorded copy of the files.
The files are those of NVIDIA's Jetson Linux 36 (JetPack 6), 38 and 39 (JetPack 7) and of the kernel's interfaces for
device trees, thermal zones, hwmon (INA3221, INA238) and devfreq. What a board or a user may not read is left out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.kernel_files import number_in, text_of

SYSTEM = Path("/")

JETPACKS: Mapping[str, str] = {
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.5": "6.2.2",
    "38.2": "7.0",
    "38.4": "7.1",
    "39.2": "7.2",
}
"""The JetPack that a release of Jetson Linux belongs to; the package nvidia-jetpack, where installed, knows better."""

_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")
_MODE = re.compile(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", re.MULTILINE)
_GPU = re.compile(r"\.(gpu|ga10b|gv11b)$|^gpu-")
_OFF_CELSIUS = -100.0
"""Below it a zone is not cold but switched off: older releases say -256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerMode:
    """The mode that ``nvpmodel`` has set: its number, and its name, which boards choose freely."""

    number: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The temperature of one part of the chip, in degrees Celsius; ``tj`` is the hottest of all."""

    name: str
    celsius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rail:
    """The power that one supply rail gives, in milliwatts. Rails feed each other, so their sum means nothing."""

    name: str
    milliwatts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A clock in megahertz: as it is now, and the most that the power mode allows; None where it cannot be read."""

    name: str
    megahertz: float | None
    most_megahertz: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jetson:
    """What one board says of itself.

    Parameters
    ----------
    model : str
        The device tree's words; empty in a container, which does not see it.
    chip : str
        As the device tree names it: ``tegra234`` is Orin, ``tegra264`` Thor.
    release : str
        Of Jetson Linux, such as ``36.4.3``.
    jetpack : str
        From the package nvidia-jetpack, else from `JETPACKS`; empty where neither knows.
    power_mode : PowerMode or None
    zones, rails, clocks : tuple
        In the kernel's order.
    """

    model: str
    chip: str
    release: str
    jetpack: str
    power_mode: PowerMode | None
    zones: tuple[Zone, ...]
    rails: tuple[Rail, ...]
    clocks: tuple[Clock, ...]


def read_jetson(root: Path = SYSTEM) -> Jetson | None:
    """Return what the Jetson whose files lie below `root` says of itself, or None where it is no Jetson.

    Parameters
    ----------
    root : Path
        ``/``, or the top of a recorded copy.
    """
    chip, release = _chip(root), _release(root)
    if not chip and not release:
        return None
    return Jetson(
        model=_strings(root / "proc/device-tree/model")[0],
        chip=chip,
        release=release,
        jetpack=_installed_jetpack(root) or _jetpack_of(release),
        power_mode=_power_mode(root),
        zones=tuple(_zones(root)),
        rails=tuple(_rails(root)),
        clocks=(*_gpu_clocks(root), *_memory_clock(root)),
    )


def power_mode(root: Path = SYSTEM) -> str:
    """Return a Jetson's power mode as ``NAME (number)``, for a key to what was compiled under it; else empty.

    An engine that was tuned under one mode is slow under another, and modes switch parts of the GPU off.
    """
    mode = _power_mode(root)
    return f"{mode.name} ({mode.number})" if mode else ""


def gpu_id(root: Path = SYSTEM) -> str:
    """Return what tells this Jetson's GPU from every other: chip, device, serial number of the board; else empty.

    The GPUs of Jetsons have no UUID. Where a container hides the device tree, the chip and the serial number are
    missing, so that what was compiled outside is compiled again inside.
    """
    if not (_chip(root) or _release(root)):
        return ""
    devices = "+".join(folder.name for folder in _gpu_folders(root))
    return "/".join((_chip(root), devices, _strings(root / "proc/device-tree/serial-number")[0]))


def _chip(root: Path) -> str:
    compatible = _strings(root / "proc/device-tree/compatible")
    return next((name.partition(",")[2] for name in compatible if name.startswith("nvidia,tegra")), "")


def _release(root: Path) -> str:
    found = _RELEASE.search(text_of(root / "etc/nv_tegra_release"))
    return f"{found[1]}.{found[2]}" if found else ""


def _installed_jetpack(root: Path) -> str:
    """The version of the package nvidia-jetpack, as dpkg wrote it down (deb822, stanza by stanza)."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), (root / "var/lib/dpkg/status").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip():
                found = {}
            key, _, value = line.partition(": ")
            found[key] = value.strip()
            if found.get("Package") == "nvidia-jetpack" and key == "Version":
                installed = found.get("Status", "").endswith(" installed")
                return re.split(r"[+-]", found[key])[0] if installed else ""
    return ""


def _jetpack_of(release: str) -> str:
    return JETPACKS.get(release, JETPACKS.get(".".join(release.split(".")[:2]), ""))


def _power_mode(root: Path) -> PowerMode | None:
    status = re.search(r"pmode:\s*(\d+)", text_of(root / "var/lib/nvpmodel/status"))
    if not status:
        return None
    number = int(status[1])
    names = {int(mode[1]): mode[2] for mode in _MODE.finditer(text_of(root / "etc/nvpmodel.conf"))}
    return PowerMode(number=number, name=names.get(number, "unnamed"))


def _zones(root: Path) -> Iterator[Zone]:
    for folder in _numbered(root / "sys/class/thermal", "thermal_zone"):
        degrees = number_in(folder / "temp")
        if degrees is not None and degrees / 1000 > _OFF_CELSIUS:
            yield Zone(name=text_of(folder / "type").removesuffix("-thermal"), celsius=degrees / 1000)


def _rails(root: Path) -> Iterator[Rail]:
    for folder in _numbered(root / "sys/class/hwmon", "hwmon"):
        kind = text_of(folder / "name")
        if kind == "ina3221":
            yield from three_rails(folder)
        elif kind == "ina238" and (microwatts := number_in(folder / "power1_input")) is not None:
            yield Rail(name=text_of(folder / "label") or "VIN", milliwatts=microwatts / 1000)


def three_rails(folder: Path) -> Iterator[Rail]:
    """Yield what an INA3221 measures: voltage in mV and current in mA of three channels; NC stands for unconnected."""
    for channel in (1, 2, 3):
        name = text_of(folder / f"in{channel}_label")
        millivolts, milliamperes = number_in(folder / f"in{channel}_input"), number_in(folder / f"curr{channel}_input")
        if name and name != "NC" and millivolts is not None and milliamperes is not None:
            yield Rail(name=name, milliwatts=millivolts * milliamperes / 1000)


def _gpu_folders(root: Path) -> list[Path]:
    return [folder for folder in _listed(root / "sys/class/devfreq") if _GPU.search(folder.name)]


def _gpu_clocks(root: Path) -> Iterator[Clock]:
    for folder in _gpu_folders(root):
        now, most = number_in(folder / "cur_freq"), number_in(folder / "max_freq")
        yield Clock(name=folder.name, megahertz=_mega(now), most_megahertz=_mega(most))


def _memory_clock(root: Path) -> Iterator[Clock]:
    """The memory controller's (EMC): only root may read how fast it runs; what the power mode allows, anybody."""
    now = number_in(root / "sys/kernel/debug/bpmp/debug/clk/emc/rate")
    most = number_in(root / "sys/kernel/nvpmodel_clk_cap/emc")
    if now is not None or most is not None:
        yield Clock(name="emc", megahertz=_mega(now), most_megahertz=_mega(most))


def _mega(hertz: int | None) -> float | None:
    return None if hertz is None else hertz / 1e6


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _numbered(folder: Path, prefix: str) -> list[Path]:
    """The folders that are a prefix and a number, by number: 2 before 10."""
    named = [(entry.name.removeprefix(prefix), entry) for entry in _listed(folder) if entry.name.startswith(prefix)]
    return [entry for _, entry in sorted((int(number), entry) for number, entry in named if number.isdecimal())]


def _strings(path: Path) -> list[str]:
    """The strings of a device tree's property: each ends with a zero byte. At least one, which may be empty."""
    return text_of(path).rstrip("\0").split("\0")
