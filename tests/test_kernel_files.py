"""The small files of procfs and sysfs: what they hold, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.bench.sysfs import temperatures_c
from edge.kernel_files import number_in, text_of


def test_a_file_gives_its_text_and_its_number(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("45000\n", encoding="ascii")
    assert text_of(tmp_path / "temp") == "45000"
    assert number_in(tmp_path / "temp") == 45000


def test_what_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("off", encoding="ascii")
    assert text_of(tmp_path / "missing") == ""
    assert text_of(tmp_path) == ""
    assert number_in(tmp_path / "words") is None


def test_a_zone_that_answers_try_again_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("gpu-thermal", encoding="ascii")
    (zone / "temp").write_text("45000", encoding="ascii")
    assert temperatures_c(tmp_path) == {"gpu-thermal": 45.0}

    def again(*_: int) -> bytes:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "read", again)
    assert temperatures_c(tmp_path) == {}
