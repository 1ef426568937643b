"""What single looks add up to, over recorded files that change between them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.bench.nvidia import GpuLook, Nvml
from edge.bench.watch import Record, Watch
from tests.bench.test_procfs import process
from tests.bench.test_sysfs import write

RAPL = "sys/class/powercap/intel-rapl:0"
RAIL = "sys/class/hwmon/hwmon0"
THROTTLED = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
COOLED = "sys/class/thermal/cooling_device0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    process(tmp_path, 100, 1, rss=300, pss=200)
    return tmp_path


class Gpus(Nvml):
    """GPUs that were looked at before."""

    def __init__(self, *looks: GpuLook) -> None:
        self.looks = list(looks)
        self.asked: list[set[int]] = []

    def look(self, pids: object) -> GpuLook:
        self.asked.append(set(pids))  # type: ignore[call-overload]
        return self.looks.pop(0)


def test_the_peak_is_that_of_all_processes_at_one_time(root: Path) -> None:
    record = Record(100, root)
    record.look(0.0)
    process(root, 101, 100, rss=900, pss=800)
    record.look(1.0)
    for file in (root / "proc" / "101").iterdir():
        file.unlink()
    record.look(2.0)
    memory = record.result().memory
    assert memory is not None
    assert (memory.kind, memory.peak_bytes) == ("pss", 1000 * 1024)
    assert memory.at_most_bytes == (350 + 950) * 1024
    assert memory.gpu_bytes is None


def test_what_the_machine_does_not_tell_is_missing_and_no_zero(root: Path) -> None:
    record = Record(100, root)
    record.look(0.0)
    record.look(4.0)
    seen = record.result()
    assert (seen.seconds, seen.mhz, seen.throttled, seen.load) == (4.0, None, None, None)
    assert (dict(seen.celsius), dict(seen.joules)) == ({}, {})


def test_a_counter_of_energy_is_added_up_over_its_new_beginnings(root: Path) -> None:
    write(root, f"{RAPL}/name", "package-0")
    write(root, f"{RAPL}/max_energy_range_uj", 10_000_000)
    record = Record(100, root)
    for second, microjoules in enumerate((9_000_000, 3_000_000, 8_000_000, 2_000_000)):
        write(root, f"{RAPL}/energy_uj", microjoules)
        record.look(float(second))
    assert record.result().joules == {"package-0": pytest.approx(4.0 + 5.0 + 4.0)}


def test_power_is_added_up_over_time(root: Path) -> None:
    write(root, f"{RAIL}/name", "ina238")
    record = Record(100, root)
    for second, microwatts in ((0.0, 4_000_000), (2.0, 6_000_000), (3.0, 6_000_000)):
        write(root, f"{RAIL}/power1_input", microwatts)
        record.look(second)
    assert record.result().joules == {"ina238": pytest.approx(2 * 5.0 + 6.0)}


def test_a_rail_that_was_silent_once_has_no_energy(root: Path) -> None:
    write(root, f"{RAIL}/name", "ina238")
    write(root, f"{RAIL}/power1_input", 4_000_000)
    record = Record(100, root)
    record.look(0.0)
    (root / RAIL / "power1_input").unlink()
    record.look(1.0)
    assert record.result().joules == {}


def test_throttling_is_the_growth_of_a_counter_and_the_height_of_a_state(root: Path) -> None:
    write(root, THROTTLED, 7)
    write(root, f"{COOLED}/type", "cpufreq-cpu0")
    write(root, f"{COOLED}/cur_state", 0)
    record = Record(100, root)
    record.look(0.0)
    record.look(0.5)
    assert record.result().throttled == {}
    write(root, THROTTLED, 9)
    write(root, f"{COOLED}/cur_state", 2)
    record.look(1.0)
    assert record.result().throttled == {"cpu0 core_throttle_count": 2, "cpufreq-cpu0 (cooling_device0)": 2}


def test_heat_is_the_greatest_and_clocks_are_spread(root: Path) -> None:
    write(root, "sys/class/thermal/thermal_zone0/type", "cpu")
    record = Record(100, root)
    for degrees, kilohertz in ((50_000, 3_000_000), (70_000, 1_000_000), (60_000, 2_000_000)):
        write(root, "sys/class/thermal/thermal_zone0/temp", degrees)
        write(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", kilohertz)
        record.look(0.0)
    seen = record.result()
    assert (seen.celsius, seen.mhz) == ({"cpu": 70.0}, (1000.0, 2000.0, 3000.0))


def test_a_gpu_adds_its_memory_heat_energy_and_throttling(root: Path) -> None:
    gpus = Gpus(
        GpuLook(bytes=500, used_bytes=900, celsius={"GPU 0": 40.0}, joules={"GPU 0": 10.0}, slowed={"GPU 0": 0}),
        GpuLook(bytes=None, used_bytes=800, celsius={"GPU 0": 55.0}, joules={"GPU 0": 25.0}, slowed={"GPU 0": 1}),
    )
    record = Record(100, root, gpus)
    record.look(0.0)
    record.look(1.0)
    seen = record.result()
    assert gpus.asked == [{100}, {100}]
    assert seen.memory is not None
    assert seen.memory.gpu_bytes == 800
    assert (seen.celsius, seen.joules, seen.throttled) == ({"GPU 0": 55.0}, {"GPU 0": 15.0}, {"GPU 0": 1})


def test_a_process_that_has_ended_leaves_what_was_seen_of_it(root: Path) -> None:
    record = Record(100, root)
    record.look(0.0)
    for file in (root / "proc" / "100").iterdir():
        file.unlink()
    record.look(1.0)
    memory = record.result().memory
    assert memory is not None
    assert memory.peak_bytes == 200 * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone has /proc")
def test_a_watch_looks_at_this_process_from_its_start_to_its_end() -> None:
    with Watch(seconds=60.0) as watch:
        kept = bytearray(20_000_000)
        assert watch.resident_bytes is not None
    seen = watch.result()
    assert len(kept) == 20_000_000
    assert seen.memory is not None
    assert seen.memory.at_most_bytes > 20_000_000
    assert seen.seconds > 0
    assert (seen.load is None) == (not hasattr(os, "getloadavg"))
