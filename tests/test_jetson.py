"""What a Jetson's files say, read from composed copies of three boards' files."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from edge.jetson import Clock, Jetson, PowerMode, gpu_id, power_mode, read_jetson
from tests.conftest import ROOT

BOARDS = ROOT / "tests" / "device"
NANO, ORIN, THOR = "orin-nano-jetpack-6.2", "agx-orin-jetpack-7.2", "agx-thor-jetpack-7.1"


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """A copy of one board's files, to be changed."""
    return shutil.copytree(BOARDS / NANO, tmp_path / NANO)


def board(name: str) -> Jetson:
    jetson = read_jetson(BOARDS / name)
    assert jetson is not None
    return jetson


@pytest.mark.parametrize(
    ("name", "model", "chip", "release"),
    [
        (NANO, "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "tegra234", "36.4.3"),
        (ORIN, "NVIDIA Jetson AGX Orin Developer Kit", "tegra234", "39.2.0"),
        (THOR, "NVIDIA Jetson AGX Thor Developer Kit", "tegra264", "38.4.0"),
    ],
)
def test_board_chip_and_release_are_told(name: str, model: str, chip: str, release: str) -> None:
    jetson = board(name)
    assert (jetson.model, jetson.chip, jetson.release) == (model, chip, release)


def test_the_installed_package_tells_the_jetpack(nano: Path) -> None:
    status = nano / "var/lib/dpkg/status"
    status.write_text(status.read_text(encoding="utf-8").replace("6.2+b77", "6.2.1+b38"), encoding="utf-8")
    jetson = read_jetson(nano)
    assert jetson is not None
    assert jetson.jetpack == "6.2.1"


@pytest.mark.parametrize(("name", "jetpack"), [(ORIN, "7.2"), (THOR, "7.1")])
def test_where_the_package_is_removed_or_was_never_there_the_release_tells_the_jetpack(name: str, jetpack: str) -> None:
    assert board(name).jetpack == jetpack


def test_a_release_that_nobody_listed_has_no_jetpack(nano: Path) -> None:
    (nano / "var/lib/dpkg/status").unlink()
    (nano / "etc/nv_tegra_release").write_text("# R41 (release), REVISION: 3.1, GCID: 1\n", encoding="utf-8")
    jetson = read_jetson(nano)
    assert jetson is not None
    assert (jetson.release, jetson.jetpack) == ("41.3.1", "")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (NANO, PowerMode(number=2, name="MAXN_SUPER")),
        (ORIN, PowerMode(number=3, name="MODE_50W")),
        (THOR, PowerMode(number=1, name="120W")),
    ],
)
def test_the_power_mode_has_the_boards_own_name(name: str, mode: PowerMode) -> None:
    assert board(name).power_mode == mode
    assert power_mode(BOARDS / name) == f"{mode.name} ({mode.number})"


def test_a_mode_in_a_remark_is_none(nano: Path) -> None:
    (nano / "var/lib/nvpmodel/status").write_text("pmode:0009", encoding="utf-8")
    assert power_mode(nano) == "unnamed (9)"


def test_without_nvpmodels_note_no_mode_is_guessed(nano: Path) -> None:
    (nano / "var/lib/nvpmodel/status").unlink()
    jetson = read_jetson(nano)
    assert jetson is not None
    assert jetson.power_mode is None
    assert power_mode(nano) == ""


def test_zones_that_are_switched_off_are_left_out() -> None:
    zones = {zone.name: zone.celsius for zone in board(NANO).zones}
    assert zones == {"cpu": 49.687, "gpu": 48.468, "soc0": 48.843, "soc1": 50.093, "soc2": 48.5, "tj": 50.093}
    assert "gpu" not in {zone.name for zone in board(THOR).zones}


def test_a_zone_that_says_minus_256_is_switched_off(nano: Path) -> None:
    (nano / "sys/class/thermal/thermal_zone1/temp").write_text("-256000\n", encoding="utf-8")
    jetson = read_jetson(nano)
    assert jetson is not None
    assert "gpu" not in {zone.name for zone in jetson.zones}


def test_a_zone_that_answers_eagain_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """So do zones whose part of the chip has no power, under every release since 36."""
    opened: dict[int, str] = {}
    real_open, real_read = os.open, os.read

    def noted(path: Path, flags: int) -> int:
        handle = real_open(path, flags)
        opened[handle] = str(path)
        return handle

    def read(handle: int, size: int) -> bytes:
        if opened[handle].endswith("thermal_zone1/temp"):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return real_read(handle, size)

    monkeypatch.setattr(os, "open", noted)
    monkeypatch.setattr(os, "read", read)
    assert [zone.name for zone in board(NANO).zones] == ["cpu", "soc0", "soc1", "soc2", "tj"]


def test_rails_are_volts_times_amperes() -> None:
    rails = {rail.name: rail.milliwatts for rail in board(NANO).rails}
    assert rails == pytest.approx({"VDD_IN": 7551.36, "VDD_CPU_GPU_CV": 1904.64, "VDD_SOC": 1468.16})


def test_rails_come_in_the_order_of_the_sensors_and_unconnected_ones_do_not() -> None:
    assert [rail.name for rail in board(ORIN).rails] == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"]


def test_the_sum_of_the_shunts_is_no_rail() -> None:
    assert not any("sum" in rail.name for name in (NANO, ORIN, THOR) for rail in board(name).rails)


def test_thors_input_is_measured_in_microwatts() -> None:
    rails = {rail.name: rail.milliwatts for rail in board(THOR).rails}
    assert rails["VIN"] == 16802
    assert rails["VDD_GPU"] == 0


def test_the_gpus_clock_is_told_and_the_video_engines_is_not() -> None:
    (gpu, emc) = board(NANO).clocks
    assert gpu == Clock(name="17000000.gpu", megahertz=306, most_megahertz=1020)
    assert emc.name == "emc"


def test_the_memorys_clock_is_root_to_read_and_its_limit_anybodys() -> None:
    assert board(NANO).clocks[-1] == Clock(name="emc", megahertz=None, most_megahertz=3199)
    assert board(ORIN).clocks[-1] == Clock(name="emc", megahertz=2133, most_megahertz=3199)


def test_thor_has_a_clock_for_each_part_of_its_gpu() -> None:
    assert [clock.name for clock in board(THOR).clocks] == ["gpu-gpc-0", "gpu-nvd-0"]


def test_gpus_of_two_boards_differ_and_one_boards_gpu_is_the_same_in_every_mode(nano: Path) -> None:
    assert len({gpu_id(BOARDS / name) for name in (NANO, ORIN, THOR)}) == 3
    (nano / "var/lib/nvpmodel/status").write_text("pmode:0000", encoding="utf-8")
    assert gpu_id(nano) == gpu_id(BOARDS / NANO) == "tegra234/17000000.gpu/1420000000001"


def test_two_boards_of_one_kind_differ_by_their_serial_number(nano: Path) -> None:
    (nano / "proc/device-tree/serial-number").write_bytes(b"1420000000009\0")
    assert gpu_id(nano) != gpu_id(BOARDS / NANO)


def test_a_container_that_hides_the_device_tree_still_tells_the_rest(nano: Path) -> None:
    shutil.rmtree(nano / "proc/device-tree")
    jetson = read_jetson(nano)
    assert jetson is not None
    assert (jetson.model, jetson.chip, jetson.release) == ("", "", "36.4.3")
    assert len(jetson.rails) == 3
    assert gpu_id(nano) == "/17000000.gpu/"


def test_a_machine_that_is_no_jetson_is_none(tmp_path: Path) -> None:
    assert read_jetson(tmp_path) is None
    assert gpu_id(tmp_path) == power_mode(tmp_path) == ""


def test_another_makers_board_is_no_jetson(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_bytes(b"raspberrypi,5-model-b\0brcm,bcm2712\0")
    assert read_jetson(tmp_path) is None


@pytest.mark.parametrize(
    "path",
    [path.relative_to(BOARDS / NANO).as_posix() for path in sorted((BOARDS / NANO).rglob("*")) if path.is_file()],
)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00garbage\x00", b"12 34\n"])
def test_no_single_broken_file_stops_the_rest(nano: Path, path: str, content: bytes) -> None:
    (nano / path).write_bytes(content)
    jetson = read_jetson(nano)
    assert jetson is not None
    assert len(jetson.zones) >= 5
    assert len(jetson.rails) >= 2 or path.endswith("hwmon1/name")
