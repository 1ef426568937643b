"""What measured times are bound to: the processor, the GPU and its driver, the packages."""

from __future__ import annotations

from dataclasses import dataclass

from edge.device import ACCELERATORS, intel_gpu, machine_name, usable_cores, versions
from edge.gpu import find_gpu
from edge.jetson import read_jetson

SPEAKING = ("python", "machine", "edgerun", "numpy", "onnxruntime", "openvino", *ACCELERATORS)
"""Of `edge.device.versions`: those that an engine's speed and answers depend on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine, as an engine sees it.

    Parameters
    ----------
    processor : str
    cores : int
        As many as the process may use.
    gpu, gpu_uuid, driver : str, optional
        Of the GPU that the process would use; None where none answers.
    power_mode : str, optional
        A Jetson's, which sets its clocks.
    intel_gpu : str, optional
        PCI name of the Intel GPU; None where there is none.
    """

    processor: str
    cores: int
    gpu: str | None = None
    gpu_uuid: str | None = None
    driver: str | None = None
    power_mode: str | None = None
    intel_gpu: str | None = None


def this_machine() -> Machine:
    """Return what this machine is now."""
    gpu, jetson = find_gpu(), read_jetson()
    return Machine(
        processor=machine_name().rpartition(", ")[0],
        cores=usable_cores(),
        gpu=gpu.name if gpu else None,
        gpu_uuid=gpu.uuid if gpu else None,
        driver=gpu.driver if gpu else None,
        power_mode=jetson.power_mode.name if jetson and jetson.power_mode else None,
        intel_gpu=intel_gpu(),
    )


def engine_versions() -> dict[str, str]:
    """Return the versions of everything that an engine's speed and answers depend on."""
    return {name: version for name, version in versions().items() if name in SPEAKING}
