"""Which engines there are on this machine, what lacks for the others, and how to get it, with and without internet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.device import installed_version, intel_gpu, machine_name
from edge.engines import ENGINES
from edge.gpu import find_gpu
from edge.table import Entry

OFFLINE = "pip download --dest wheels"
"""On a machine with internet, of the same system and Python, before `INSTALL`."""
INSTALL = "pip install --no-index --find-links wheels"
"""On the machine without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an engine's packages come from.

    Parameters
    ----------
    distributions : tuple of str
        Those of which the first that is installed tells the engine's version.
    wheels : tuple of str
        What pip is asked for; with its dependencies that is all.
    first : str
        A command that must come before it.
    system : str
        Where the system brings it instead.
    driver : str
        What its device needs beside the packages.
    """

    distributions: tuple[str, ...]
    wheels: tuple[str, ...]
    first: str = ""
    system: str = ""
    driver: str = ""


SOURCES: Mapping[str, Source] = {
    "onnxruntime": Source(distributions=("onnxruntime", "onnxruntime-gpu"), wheels=("onnxruntime",)),
    "openvino": Source(distributions=("openvino",), wheels=("openvino",)),
    "onnxruntime-cuda": Source(
        distributions=("onnxruntime-gpu",),
        wheels=("onnxruntime-gpu[cuda,cudnn]",),
        first="pip uninstall --yes onnxruntime",  # both are the one package `onnxruntime` and write over each other
        system="on a Jetson, the wheel onnxruntime-gpu that NVIDIA publishes for its JetPack",
    ),
    "openvino-gpu": Source(
        distributions=("openvino",),
        wheels=("openvino",),
        driver="an Intel GPU, its driver for computing (Debian and Ubuntu: apt install intel-opencl-icd; without"
        " internet, the .deb files that Intel publishes with its compute-runtime), and a user of the group render",
    ),
    "tensorrt": Source(
        distributions=("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
        wheels=("tensorrt", "cuda-python"),
        system="on a Jetson: apt install python3-libnvinfer, and a virtual environment with --system-site-packages;"
        " elsewhere pip takes its libraries from NVIDIA's own index, pypi.nvidia.com",
    ),
    "tensorrt-rtx": Source(
        distributions=("tensorrt-rtx", "tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu13-bindings"),
        wheels=("tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu13-bindings", "cuda-python"),
    ),
}
"""By engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHere:
    """One engine on this machine.

    Parameters
    ----------
    version : str, optional
        Of its package; None where that is not installed.
    device : str
        What it would run on.
    missing : tuple of str
        Packages and devices that lack; empty where it can be used.
    get : tuple of str
        Commands that bring the packages that lack.
    offline : tuple of str
        The same for a machine without internet: the first line on one that has it.
    system : str
        What the system may bring instead.
    driver : str
        What lacks beside packages, where it can be told.
    """

    name: str
    version: str | None
    device: str
    missing: tuple[str, ...]
    get: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()
    system: str = ""
    driver: str = ""


def engines_here() -> tuple[EngineHere, ...]:
    """Return every engine that edgerun knows, importing none of them."""
    gpu, intel = find_gpu(), intel_gpu()
    devices = {
        "": machine_name(),
        "NVIDIA GPU": f"{gpu.name}, driver {gpu.driver}" if gpu else "no NVIDIA GPU answers",
        "Intel GPU": f"Intel GPU {intel}" if intel else "no Intel GPU shows itself",
    }
    return tuple(_engine(name, entry, devices[entry.device]) for name, entry in ENGINES.items())


def _engine(name: str, entry: Entry, device: str) -> EngineHere:
    source, missing = SOURCES[name], entry.missing()
    versions = (installed_version(item) for item in source.distributions)
    version = next((found for found in versions if found), None)
    driver = source.driver if entry.device in missing else ""
    if not set(missing) - {entry.device}:
        return EngineHere(name=name, version=version, device=device, missing=missing, driver=driver)
    wheels = " ".join(f'"{wheel}"' if "[" in wheel else wheel for wheel in source.wheels)
    before = (source.first,) if source.first else ()
    return EngineHere(
        name=name,
        version=None,
        device=device,
        missing=missing,
        get=(*before, f"pip install {wheels}"),
        offline=(f"{OFFLINE} {wheels}", *before, f"{INSTALL} {wheels}"),
        system=source.system,
        driver=driver,
    )


def describe_engines(found: tuple[EngineHere, ...]) -> list[str]:
    """Return the engines as a table, then how to get those whose packages lack."""
    widths = [max(len(item.name) for item in found), max(len(item.version or "-") for item in found)]
    lines = [
        f"{'missing' if item.missing else 'here':7}  {item.name:{widths[0]}}  {item.version or '-':{widths[1]}}  "
        + (f"needs {', '.join(item.missing)}" if item.missing else item.device)
        for item in found
    ]
    for item in found:
        if item.get or item.driver:
            lines += ["", f"To get {item.name}:"]
        lines += [f"  {item.driver}"] if item.driver else []
        if item.get:
            lines += [f"  {line}" for line in item.get]
            lines += [f"  or {item.system}"] if item.system else []
            lines += ["  without internet, the first line where there is some:"]
            lines += [f"    {line}" for line in item.offline]
    return lines
