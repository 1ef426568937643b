"""The NVIDIA GPU that a process would use, by the word of its driver: name, number, versions. Nothing runs on it."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.device import has_nvidia_gpu

DRIVER_FILES = ("/sys/module/nvidia/version", "/sys/module/nvgpu/version")
"""Where Linux tells the version of NVIDIA's driver."""

_NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76
"""CUDA's numbers (``CUdevice_attribute``) for the two parts of the compute capability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU.

    Parameters
    ----------
    name : str
        As the driver calls it.
    uuid : str
        Its own number; another card of the same make has another.
    capability : str
        Compute capability, such as ``9.0``.
    driver : str
        Version of the driver where the system tells it, and the newest CUDA that it serves.
    """

    name: str
    uuid: str
    capability: str
    driver: str


def find_gpu() -> Gpu | None:
    """Return the first GPU that this process may see (``CUDA_VISIBLE_DEVICES``); None where none answers.

    The CUDA driver API is asked (``cuInit``, ``cuDeviceGet*``), which creates no context and takes no memory of it.
    """
    if not has_nvidia_gpu():
        return None
    try:
        return _ask(_library())
    except (OSError, AttributeError, _NoAnswerError):  # no library, one that is too old, an error of the driver
        return None


class _NoAnswerError(Exception):
    """The driver gave an error."""


def _library() -> Any:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def _ask(cuda: Any) -> Gpu:
    device, number = ctypes.c_int(), ctypes.c_int()
    name, own = ctypes.create_string_buffer(_NAME_BYTES), (ctypes.c_ubyte * 16)()

    def call(function: str, *arguments: Any) -> None:
        if getattr(cuda, function)(*arguments) != 0:
            raise _NoAnswerError(function)

    def attribute(which: int) -> int:
        call("cuDeviceGetAttribute", ctypes.byref(number), which, device)
        return number.value

    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDeviceGetName", name, _NAME_BYTES, device)
    call("cuDeviceGetUuid", ctypes.byref(own), device)
    call("cuDriverGetVersion", ctypes.byref(number))
    newest = f"CUDA {number.value // 1000}.{number.value % 1000 // 10}"
    return Gpu(
        name=name.value.decode("utf-8", "replace"),
        uuid=f"GPU-{uuid.UUID(bytes=bytes(own))}",
        capability=f"{attribute(_MAJOR)}.{attribute(_MINOR)}",
        driver=", ".join(filter(None, (_driver_version(), newest))),
    )


def _driver_version() -> str:
    for file in DRIVER_FILES:
        with contextlib.suppress(OSError):
            return Path(file).read_text(encoding="utf-8", errors="replace").strip()
    return ""
