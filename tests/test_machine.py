"""What a machine is, in words and as a document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.engines import ENGINES
from edge.gpu import Gpu
from edge.machine import Memory, describe, read_machine, read_memory
from edge.typed import dump
from tests.conftest import ROOT

BOARDS = sorted(path for path in (ROOT / "tests" / "device").iterdir() if path.is_dir())


def words(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in describe(read_machine(root)):
        found.setdefault(line[:13].strip(), []).append(line[14:])
    return found


def test_memory_is_told_in_mebibytes() -> None:
    memory = read_memory(ROOT / "tests/device/orin-nano-jetpack-6.2")
    assert memory == Memory(total_mb=7619, available_mb=5108, swap_mb=3809, swap_free_mb=3809)


@pytest.mark.parametrize("text", ["", "MemTotal: many kB\n", "MemTotal: 100 MB\nMemAvailable: 50 MB\n"])
def test_memory_that_is_told_otherwise_is_not_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(text, encoding="ascii")
    assert read_memory(tmp_path) is None


def test_a_machine_without_any_of_these_files_is_described(tmp_path: Path) -> None:
    told = words(tmp_path)
    assert "Memory" not in told
    assert not {"Jetson", "Power mode", "Clock", "Temperature", "Power"} & set(told)
    assert len(told["Engine"]) == len(ENGINES)


def test_a_jetson_is_told_in_words_that_can_be_read_over_a_phone() -> None:
    told = words(ROOT / "tests/device/orin-nano-jetpack-6.2")
    assert told["Machine"] == ["NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"]
    assert told["Jetson"] == ["JetPack 6.2, Jetson Linux 36.4.3, chip tegra234"]
    assert told["Memory"] == ["7.4 GiB, 5.0 GiB of it free; swap 3.7 GiB"]
    assert told["Power mode"] == ["MAXN_SUPER (number 2)"]
    assert told["Clock"] == [
        "17000000.gpu: 306 MHz, at most 1020 MHz",
        "emc: not readable without root, at most 3199 MHz",
    ]
    assert told["Temperature"] == ["50 C at the hottest place (soc1)"]
    assert told["Power"] == ["7.6 W on VDD_IN", "1.9 W on VDD_CPU_GPU_CV", "1.5 W on VDD_SOC"]


def test_what_a_jetson_does_not_tell_is_said(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_bytes(b"nvidia,tegra234\0")
    told = words(tmp_path)
    assert told["Jetson"] == ["JetPack not known, Jetson Linux not known, chip tegra234"]
    assert told["Power mode"] == ["not known; sudo nvpmodel -q tells it"]


@pytest.mark.parametrize("root", BOARDS, ids=lambda path: path.name)
def test_every_board_becomes_a_document_of_plain_numbers(root: Path) -> None:
    document = dump(read_machine(root))
    assert document["jetson"]["release"]
    assert all(isinstance(rail["milliwatts"], (int, float)) for rail in document["jetson"]["rails"])
    assert set(document["engines"]) == set(ENGINES)


@pytest.mark.parametrize(
    ("shown", "gpu", "said"),
    [
        (False, None, "no NVIDIA GPU shows itself"),
        (True, None, "NVIDIA's driver is there, but no GPU answers"),
        (True, Gpu(name="Orin", uuid="u", capability="8.7", driver="540.4.0"), "Orin, capability 8.7, driver 540.4.0"),
    ],
)
def test_the_gpu_is_told_as_far_as_it_answers(tmp_path: Path, shown: bool, gpu: Gpu | None, said: str) -> None:
    machine = replace(read_machine(tmp_path), nvidia_gpu=shown, gpu=gpu)
    assert f"{'GPU':13} {said}" in describe(machine)


def test_an_engine_says_what_it_lacks() -> None:
    machine = read_machine()
    lines = words(Path("/"))["Engine"]
    for name, lacks in machine.engines.items():
        assert f"{name}: {f'not here, lacks {lacks}' if lacks else 'can be used'}" in lines
    assert machine.engines["onnxruntime"] == ""
