"""What this machine is and can run."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import sys

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


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_name() -> str:
    """Return what the processor calls itself, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    return f"{name}, {usable_cores()} cores"


def versions() -> dict[str, str]:
    """Return the versions of all that takes part in a result.

    They are read from the names of the folders that installers write (PEP 427); to parse the files in those takes
    longer than many an inference.
    """
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    installed = _installed()
    return found | {package: installed.get(package.replace("-", "_"), "not installed") for package in PACKAGES}


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
