"""What was measured and where it ran, in the report's types."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence

from edge.bench import sysfs
from edge.bench.cases import Cases
from edge.bench.nvidia import Nvml
from edge.bench.report import BenchMachine, BenchPack, BenchScan, KnownAnswer, PackModel, Scenario
from edge.device import machine_name, usable_cores, versions
from edge.pack.manifest import Model
from edge.pack.store import Pack

NO_ENERGY = (
    "nothing here tells it: no RAPL counter that this user may read (most systems let only root), no INA3221 or other"
    " power sensor, no GPU that counts"
)


def described_pack(pack: Pack, ran: Model, known: Sequence[KnownAnswer]) -> BenchPack:
    """Return what the pack says of itself, and which of its models ran."""
    manifest = pack.manifest
    models = tuple(
        PackModel(
            precision=model.precision,
            file=model.file,
            sha256=model.sha256,
            engines=model.engines,
            verdict=model.verdict,
            ran=model == ran,
        )
        for model in manifest.models
    )
    return BenchPack(
        name=manifest.name,
        version=manifest.version,
        title=manifest.title,
        status=manifest.status,
        sha256=pack.sha256,
        intended_use=manifest.intended_use,
        models=models,
        thresholds=ran.thresholds,
        evidence=manifest.evidence,
        known_answers=tuple(known),
    )


def described_scans(cases: Cases) -> tuple[BenchScan, ...]:
    """Return what was examined, without any name of a file."""
    return tuple(
        BenchScan(name=case.name, sha256=case.sha256, bytes=case.bytes, files=len(case.files)) for case in cases.cases
    )


def described_machine(nvml: Nvml | None) -> BenchMachine:
    """Return where it runs."""
    return BenchMachine(
        name=machine_name(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=usable_cores(),
        memory_bytes=_memory_bytes(),
        gpus=nvml.names if nvml else (),
        power_mode=sysfs.power_mode() or None,
        software=versions(),
    )


def not_measured(found: Iterable[Scenario], no_gpu: str) -> dict[str, str]:
    """Return the figures that no scenario has, and why."""
    scenarios = list(found)
    conditions = [scenario.conditions for scenario in scenarios]
    missing = {
        "memory": ("the system has no /proc", any(scenario.memory for scenario in scenarios)),
        "memory of the GPU": (no_gpu or "no scenario was watched", not no_gpu and bool(scenarios)),
        "energy": (NO_ENERGY, any(scenario.energy for scenario in scenarios)),
        "clocks": ("the system tells no clock", any(each.mhz for each in conditions)),
        "temperatures": ("the system shows no sensor", any(each.celsius for each in conditions)),
        "throttling": ("the system counts none", any(each.throttled is not None for each in conditions)),
        "power mode": ("the system tells none", bool(sysfs.power_mode())),
    }
    return {name: why for name, (why, there) in missing.items() if not there}


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
