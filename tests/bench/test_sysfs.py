"""Clocks, heat, throttling, power mode and energy, from recorded files of /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bench import sysfs
from edge.bench.sysfs import Counter


def write(root: Path, path: str, value: object) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{value}\n", encoding="utf-8")


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """Two cores, a package and its parts under RAPL, a zone and a chip that measure heat."""
    cpu, rapl = "sys/devices/system/cpu", "sys/class/powercap"
    told = {
        f"{cpu}/cpu0/cpufreq/scaling_cur_freq": 2_400_000,
        f"{cpu}/cpu1/cpufreq/scaling_cur_freq": 800_000,
        f"{cpu}/cpu0/cpufreq/scaling_governor": "powersave",
        f"{cpu}/cpu0/cpufreq/energy_performance_preference": "balance_power",
        f"{cpu}/intel_pstate/no_turbo": 0,
        f"{cpu}/cpu0/thermal_throttle/core_throttle_count": 3,
        f"{cpu}/cpu0/thermal_throttle/package_throttle_count": 5,
        "sys/firmware/acpi/platform_profile": "balanced",
        "sys/class/power_supply/AC/type": "Mains",
        "sys/class/power_supply/AC/online": 0,
        "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp",
        "sys/class/thermal/thermal_zone0/temp": 61_000,
        "sys/class/thermal/cooling_device0/type": "Fan",
        "sys/class/thermal/cooling_device0/cur_state": 2,
        "sys/class/thermal/cooling_device1/type": "Processor",
        "sys/class/thermal/cooling_device1/cur_state": 0,
        "sys/class/hwmon/hwmon0/name": "nvme",
        "sys/class/hwmon/hwmon0/temp1_label": "Composite",
        "sys/class/hwmon/hwmon0/temp1_input": 38_850,
        f"{rapl}/intel-rapl:0/name": "package-0",
        f"{rapl}/intel-rapl:0/energy_uj": 1_000_000,
        f"{rapl}/intel-rapl:0/max_energy_range_uj": 262_143_328_850,
        f"{rapl}/intel-rapl:0:0/name": "core",
        f"{rapl}/intel-rapl:0:0/energy_uj": 400_000,
        f"{rapl}/intel-rapl:0:0/max_energy_range_uj": 262_143_328_850,
    }
    for path, value in told.items():
        write(tmp_path, path, value)
    return tmp_path


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    """An Orin's sensor of three rails, one of which is not connected, and a zone that is switched off."""
    rail = "sys/class/hwmon/hwmon3"
    told = {
        f"{rail}/name": "ina3221",
        f"{rail}/in1_label": "VDD_IN",
        f"{rail}/in1_input": 5000,
        f"{rail}/curr1_input": 1200,
        f"{rail}/in2_label": "VDD_CPU_GPU_CV",
        f"{rail}/in2_input": 5000,
        f"{rail}/curr2_input": 400,
        f"{rail}/in3_label": "NC",
        f"{rail}/in3_input": 0,
        f"{rail}/curr3_input": 0,
        "sys/class/hwmon/hwmon4/name": "ina238",
        "sys/class/hwmon/hwmon4/power1_input": 7_500_000,
        "sys/class/thermal/thermal_zone0/type": "gpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": -256_000,
        "var/lib/nvpmodel/status": "pmode:0002",
    }
    for path, value in told.items():
        write(tmp_path, path, value)
    return tmp_path


def test_clocks_are_cpufreqs_in_mhz(laptop: Path) -> None:
    assert sysfs.clocks_mhz(laptop) == (2400.0, 800.0)


def test_clocks_are_those_of_cpuinfo_where_there_is_no_cpufreq(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", "processor : 0\ncpu MHz\t\t: 2596.122\n\nprocessor : 1\ncpu MHz\t\t: 1200.5")
    assert sysfs.clocks_mhz(tmp_path) == (2596.122, 1200.5)


def test_temperatures_are_those_of_zones_and_chips(laptop: Path) -> None:
    assert sysfs.temperatures_c(laptop) == {"x86_pkg_temp": 61.0, "nvme Composite": 38.85}


def test_a_zone_that_is_switched_off_is_not_cold(jetson: Path) -> None:
    assert sysfs.temperatures_c(jetson) == {}


def test_throttling_is_counted_by_core_and_package_and_a_fan_does_not_slow_anything(laptop: Path) -> None:
    assert sysfs.throttling(laptop) == {
        "cpu0 core_throttle_count": 3,
        "cpu0 package_throttle_count": 5,
        "Processor (cooling_device1)": 0,
    }


def test_the_power_mode_is_told_in_the_systems_words(laptop: Path) -> None:
    words = "governor powersave, preference balance_power, profile balanced, turbo on, mains no"
    assert sysfs.power_mode(laptop) == words


def test_a_jetsons_power_mode_is_its_own(jetson: Path) -> None:
    assert sysfs.power_mode(jetson) == "Jetson mode unnamed (2)"


def test_a_part_of_a_package_is_named_with_it(laptop: Path) -> None:
    counters = sysfs.energy_counters(laptop)
    assert {name: counter.microjoules for name, counter in counters.items()} == {
        "package-0": 1_000_000,
        "package-0 core": 400_000,
    }


def test_a_counter_that_may_not_be_read_is_no_zero(laptop: Path) -> None:
    (laptop / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    assert set(sysfs.energy_counters(laptop)) == {"package-0 core"}


def test_a_counter_that_began_anew_is_counted_on() -> None:
    before, after = Counter(microjoules=900_000, wraps_at=1_000_000), Counter(microjoules=400_000, wraps_at=1_000_000)
    assert sysfs.joules_between({"a": before}, {"a": after, "b": after}) == {"a": 0.5}


def test_rails_are_volts_times_amperes_and_what_is_not_connected_is_left_out(jetson: Path) -> None:
    assert sysfs.watts(jetson) == {"VDD_IN": 6.0, "VDD_CPU_GPU_CV": 2.0, "ina238": 7.5}


def test_a_machine_that_tells_nothing_gives_nothing(tmp_path: Path) -> None:
    assert sysfs.clocks_mhz(tmp_path) == ()
    assert sysfs.temperatures_c(tmp_path) == {}
    assert sysfs.throttling(tmp_path) is None
    assert sysfs.power_mode(tmp_path) == ""
    assert sysfs.energy_counters(tmp_path) == {}
    assert sysfs.watts(tmp_path) == {}


def test_a_file_with_no_number_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "none")
    assert sysfs.temperatures_c(tmp_path) == {}
