"""What NVIDIA's management library (NVML) tells of the GPUs, where the package ``pynvml`` is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

LIBRARY = "pynvml"
SLOWED = 0x04 | 0x08 | 0x20 | 0x40 | 0x80
"""nvml.h: the power cap, any slowdown by hardware, by software for heat, by hardware for heat, by the power brake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLook:
    """The GPUs at one moment, each by number and name.

    Parameters
    ----------
    bytes : int, optional
        Held on all GPUs by the processes that were asked for; None where the driver does not tell it by process, as
        in containers: then `used_bytes` is all there is.
    used_bytes : int
        Held on all GPUs by anybody.
    celsius : mapping
    joules : mapping
        Taken since the driver was loaded; without the GPUs that do not count.
    slowed : mapping
        1 where the GPU slows itself down for heat or for want of power.
    """

    bytes: int | None
    used_bytes: int
    celsius: Mapping[str, float]
    joules: Mapping[str, float]
    slowed: Mapping[str, int]


class Nvml:
    """An open NVML; a call that the driver does not answer leaves its figure out.

    Parameters
    ----------
    library : module
        ``pynvml``, initialised.
    """

    def __init__(self, library: Any) -> None:
        self._nvml = library
        self._handles = [library.nvmlDeviceGetHandleByIndex(n) for n in range(library.nvmlDeviceGetCount())]
        self.names = tuple(f"GPU {n} {self._name(handle)}" for n, handle in enumerate(self._handles))

    def look(self, pids: Collection[int]) -> GpuLook:
        """Return how the GPUs are now, and what the processes `pids` hold on them."""
        named = list(zip(self.names, self._handles, strict=True))
        own = [self._of_processes(handle, pids) for _, handle in named]
        energy = {name: self._ask("nvmlDeviceGetTotalEnergyConsumption", handle) for name, handle in named}
        heat = {name: self._ask("nvmlDeviceGetTemperature", handle, 0) for name, handle in named}
        reasons = {name: self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle) for name, handle in named}
        memory = [self._ask("nvmlDeviceGetMemoryInfo", handle) for _, handle in named]
        return GpuLook(
            bytes=None if None in own else sum(size for size in own if size is not None),
            used_bytes=sum(int(found.used) for found in memory if found is not None),
            celsius={name: float(value) for name, value in heat.items() if value is not None},
            joules={name: value / 1e3 for name, value in energy.items() if value is not None},
            slowed={name: int(bool(value & SLOWED)) for name, value in reasons.items() if value is not None},
        )

    def _of_processes(self, handle: Any, pids: Collection[int]) -> int | None:
        running = self._ask("nvmlDeviceGetComputeRunningProcesses", handle)
        if running is None or any(item.usedGpuMemory is None for item in running if item.pid in pids):
            return None
        return sum(int(item.usedGpuMemory) for item in running if item.pid in pids)

    def _ask(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, function)(*arguments)
        except (self._nvml.NVMLError, AttributeError):  # not of this GPU, or not in this version
            return None

    def _name(self, handle: Any) -> str:
        name = self._ask("nvmlDeviceGetName", handle) or "unknown"
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def open_nvml() -> Nvml | str:
    """Return the library, or in words why nothing is known of a GPU."""
    if importlib.util.find_spec(LIBRARY) is None:
        return f"the package {LIBRARY} is not installed"
    import pynvml  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: PLC0415 - few have it

    try:
        pynvml.nvmlInit()
        return Nvml(pynvml)
    except pynvml.NVMLError as error:
        return f"NVIDIA's driver gives no answer: {error}"
