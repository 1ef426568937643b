"""Lines of `tegrastats`, as the releases of Jetson Linux print them."""

from __future__ import annotations

import pytest

from edge.tegrastats import Core, Stats, parse_line

R32 = (
    "RAM 1402/3964MB (lfb 21x4MB) SWAP 12/1982MB (cached 1MB) IRAM 0/252kB(lfb 252kB) "
    "CPU [13%@1479,off,7%@1479,4%@1479] EMC_FREQ 6%@1600 GR3D_FREQ 41%@921 APE 25 PLL@38C CPU@41.5C PMIC@100C "
    "GPU@39C AO@47.5C thermal@40.25C POM_5V_IN 3010/2981 POM_5V_GPU 360/341 POM_5V_CPU 880/861"
)
R34 = (
    "RAM 5120/30536MB (lfb 4098x4MB) SWAP 0/15268MB (cached 0MB) CPU [4%@729,0%@729,off,off] EMC_FREQ 0%@2133 "
    "GR3D_FREQ 0%@[0,0] VIC_FREQ 729 APE 174 CV0@-256C CPU@44.562C Tboard@32C SOC2@40.093C tj@44.343C CV2@-256C "
    "VDD_GPU_SOC 2340mW/2340mW VDD_CPU_CV 390mW/391mW VIN_SYS_5V0 4025mW/4026mW NC 0mW/0mW "
    "VDDQ_VDD2_1V8AO 301mW/302mW NC 0mW/0mW"
)
R36 = (
    "01-14-2026 09:12:45 RAM 2274/7620MB (lfb 4x4MB) SWAP 221/3810MB (cached 0MB) "
    "CPU [3%@1728,0%@1036,1%@729,0%@729,2%@729,0%@729] GR3D_FREQ 37% cpu@54.937C soc2@55.562C soc0@56.156C "
    "gpu@55.468C tj@56.656C soc1@56.625C VDD_IN 4673mW/4671mW VDD_CPU_GPU_CV 527mW/525mW VDD_SOC 1339mW/1337mW"
)
R36_ROOT = (
    "01-14-2026 09:12:46 RAM 2274/7620MB (lfb 4x4MB) SWAP 221/3810MB (cached 0MB) CPU [3%@1728,off] "
    "EMC_FREQ 2%@3199 GR3D_FREQ 37%@[918] NVDEC off NVJPG off VIC off OFA off APE 200 cpu@54.937C tj@56.656C "
    "VDD_IN 4673mW/4671mW"
)
R38_THOR = (
    "05-17-2026 10:00:32 RAM 4210/125773MB (lfb 31x4MB) SWAP 0/2048MB (cached 0MB) CPU [1%@972,0%@972] "
    "EMC_FREQ 3%@665 GR3D_FREQ @[314,315,316] NVENC0_FREQ @1556 VIC off PVA0_FREQ off APE 300 cpu@34.468C tj@34.5C "
    "soc012@33.781C soc345@34.531C VDD_GPU 0mW/0mW VDD_CPU_SOC_MSS 4165mW/4167mW VIN_SYS_5V0 4126mW/4128mW "
    "VIN 16802mW/16800mW"
)
R39 = (
    "07-23-2026 15:29:26 RAM 3103/7607MB (lfb 2x4MB) SWAP 0/3804MB (cached 0MB) CPU [72%@1728,75%@1728] "
    "GR3D_FREQ 33% cpu@50C/51.5C gpu@48.75C/49C tj@50.25C/51.75C VDD_IN 9761mW/8012mW/9984mW "
    "VDD_CPU_GPU_CV 4238mW/3300mW/4410mW VDD_SOC 1825mW/1810mW/1844mW"
)
LINES = {"32": R32, "34": R34, "36": R36, "36 by root": R36_ROOT, "38": R38_THOR, "39": R39}


@pytest.mark.parametrize(
    ("release", "ram", "swap"),
    [
        ("32", (1402, 3964), (12, 1982)),
        ("34", (5120, 30536), (0, 15268)),
        ("36", (2274, 7620), (221, 3810)),
        ("38", (4210, 125773), (0, 2048)),
        ("39", (3103, 7607), (0, 3804)),
    ],
)
def test_memory_and_swap_of_every_release(release: str, ram: tuple[int, int], swap: tuple[int, int]) -> None:
    stats = parse_line(LINES[release])
    assert (stats.ram_used_mb, stats.ram_total_mb) == ram
    assert (stats.swap_used_mb, stats.swap_total_mb) == swap


def test_a_core_that_is_off_is_none_and_keeps_its_place() -> None:
    assert parse_line(R32).cores == (
        Core(percent=13, megahertz=1479),
        None,
        Core(percent=7, megahertz=1479),
        Core(percent=4, megahertz=1479),
    )
    assert len(parse_line(R36).cores) == 6


def test_cores_may_share_one_clock() -> None:
    assert parse_line("CPU [0%,5%,off]@2601").cores == (
        Core(percent=0, megahertz=2601),
        Core(percent=5, megahertz=2601),
        None,
    )


@pytest.mark.parametrize(
    ("release", "percent", "megahertz"),
    [
        ("32", 41, (921,)),
        ("34", 0, (0, 0)),
        ("36", 37, ()),
        ("36 by root", 37, (918,)),
        ("38", None, (314, 315, 316)),
        ("39", 33, ()),
    ],
)
def test_the_gpus_load_and_clocks_where_they_are_told(
    release: str, percent: int | None, megahertz: tuple[int, ...]
) -> None:
    stats = parse_line(LINES[release])
    assert (stats.gpu_percent, stats.gpu_megahertz) == (percent, megahertz)


@pytest.mark.parametrize(("release", "emc"), [("32", (6, 1600)), ("36", (None, None)), ("38", (3, 665))])
def test_the_memory_controllers_load_and_clock(release: str, emc: tuple[int | None, int | None]) -> None:
    stats = parse_line(LINES[release])
    assert (stats.emc_percent, stats.emc_megahertz) == emc


def test_zones_have_one_name_over_all_releases_and_are_left_out_when_off() -> None:
    assert parse_line(R34).celsius == {"cpu": 44.562, "tboard": 32, "soc2": 40.093, "tj": 44.343}
    assert parse_line(R32).celsius["gpu"] == 39


def test_the_present_temperature_is_taken_and_not_the_hottest_so_far() -> None:
    assert parse_line(R39).celsius == {"cpu": 50, "gpu": 48.75, "tj": 50.25}


def test_power_is_that_of_this_moment_not_the_mean_and_not_the_highest() -> None:
    assert parse_line(R36).milliwatts == {"VDD_IN": 4673, "VDD_CPU_GPU_CV": 527, "VDD_SOC": 1339}
    assert parse_line(R39).milliwatts == {"VDD_IN": 9761, "VDD_CPU_GPU_CV": 4238, "VDD_SOC": 1825}


def test_power_without_a_unit_is_in_milliwatts() -> None:
    assert parse_line(R32).milliwatts == {"POM_5V_IN": 3010, "POM_5V_GPU": 360, "POM_5V_CPU": 880}


def test_rails_that_are_not_connected_are_left_out() -> None:
    rails = parse_line(R34).milliwatts
    assert rails == {"VDD_GPU_SOC": 2340, "VDD_CPU_CV": 390, "VIN_SYS_5V0": 4025, "VDDQ_VDD2_1V8AO": 301}


def test_thors_rails() -> None:
    rails = parse_line(R38_THOR).milliwatts
    assert rails == {"VDD_GPU": 0, "VDD_CPU_SOC_MSS": 4165, "VIN_SYS_5V0": 4126, "VIN": 16802}


@pytest.mark.parametrize("line", ["", "sensor unavailable", "GR3D_FREQ off EMC_FREQ off CPU []"])
def test_a_line_that_says_nothing_gives_no_numbers(line: str) -> None:
    stats = parse_line(line)
    assert stats == Stats(
        ram_used_mb=None,
        ram_total_mb=None,
        swap_used_mb=None,
        swap_total_mb=None,
        cores=stats.cores,
        gpu_percent=None,
        gpu_megahertz=(),
        emc_percent=None,
        emc_megahertz=None,
        celsius={},
        milliwatts={},
    )
    assert not any(stats.cores)
