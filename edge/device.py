"""What this machine is and can run."""

from __future__ import annotations

import os
import platform
from importlib import metadata


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Return the versions of all that takes part in a result."""
    packages = ("edgerun", "numpy", "pydicom", "imagecodecs", "nibabel", "opencv-python-headless", "onnxruntime")
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    return found | {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
