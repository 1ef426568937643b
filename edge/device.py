"""What this machine is and can run."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PACKAGES = (
    "edgerun",
    "numpy",
    "pydicom",
    "imagecodecs",
    "nibabel",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
)
"""Distributions that a result can depend on."""

ACCELERATORS = (
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx",
    "tensorrt-rtx-cu13-libs",
    "cuda-python",
    "cuda-bindings",
    "pycuda",
)
"""Distributions that a result can depend on where they are; most machines have none, and are not told that."""

NVIDIA_NODES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu/igpu0/as", "/dev/dxg")
"""What NVIDIA's driver shows: on a PC, on a Jetson with the older and the newer driver, under Windows' Linux."""

DRM, NODES, INTEL = Path("/sys/class/drm"), Path("/dev/dri"), "8086"
"""Where Linux tells of what draws and computes, where it gives it, and Intel's number among makers of PCI devices."""


def has_nvidia_gpu() -> bool:
    """Return whether the system shows a GPU with NVIDIA's driver. No library is asked, so it may still fail."""
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll").is_file()
    return any(Path(node).exists() for node in NVIDIA_NODES)


def intel_gpu(drm: Path = DRM, nodes: Path = NODES) -> str | None:
    """Return the PCI name of the first Intel GPU that Linux shows, such as ``8086:9a49``; None: there is none.

    Only what has a render node counts, which a container may not have: without one nothing can compute on it. The
    driver for computing may still lack.
    """
    there = (device for device in sorted(drm.glob("renderD*/device")) if (nodes / device.parent.name).exists())
    for device in there:
        with contextlib.suppress(OSError):
            vendor, kind = ((device / name).read_text(encoding="ascii").strip()[2:] for name in ("vendor", "device"))
            if vendor == INTEL:
                return f"{vendor}:{kind}"
    return None


def has_intel_gpu() -> bool:
    """Return whether the system shows an Intel GPU. No library is asked, so it may still fail."""
    return intel_gpu() is not None


NVIDIA = "NVIDIA GPU"

DEVICES: Mapping[str, Callable[[], bool]] = {NVIDIA: has_nvidia_gpu, "Intel GPU": has_intel_gpu}
"""What an engine can need of a machine, and how it is looked for."""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_name() -> str:
    """Return what the processor calls itself, else the board, and how many cores this process may use."""
    name = _board() or platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    return f"{name}, {usable_cores()} cores"


def _board() -> str:
    """What the device tree calls the board; processors made by ARM's design have no name of their own in Linux."""
    with contextlib.suppress(OSError):
        return Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace").rstrip("\0\n")
    return ""


def versions() -> dict[str, str]:
    """Return the versions of all that takes part in a result.

    Those of `PACKAGES` always, those of `ACCELERATORS` where they are installed. They are read from the names of the
    folders that installers write (PEP 427); to parse the files in those takes longer than many an inference.
    """
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    installed = _installed()
    found |= {package: installed.get(_folder(package), "not installed") for package in PACKAGES}
    return found | {package: installed[_folder(package)] for package in ACCELERATORS if _folder(package) in installed}


def _folder(package: str) -> str:
    return package.replace("-", "_")


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution that is installed, by whatever name installers know it; else None."""
    return _installed().get(distribution.replace("-", "_").lower())


@functools.cache
def _installed() -> dict[str, str]:
    """Version by distribution, first on the path first."""
    found: dict[str, str] = {}
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(folder or ".")):  # noqa: PTH208 - names are asked for, not paths
                if entry.endswith(".dist-info"):
                    name, _, version = entry.removesuffix(".dist-info").partition("-")
                    found.setdefault(name.lower(), version)
    return found
