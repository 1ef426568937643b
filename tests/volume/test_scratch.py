"""Temporary files: zeros, reserved, gone afterwards."""

from __future__ import annotations

import errno
import gc
import os
from pathlib import Path

import numpy as np
import pytest

from edge.errors import OutputError
from edge.volume.scratch import scratch_array, scratch_file

OPEN = Path("/proc/self/fd")


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_new_array_is_all_zeros_and_can_be_written(tmp_path: Path, on_disk: bool) -> None:
    array = scratch_array((3, 4, 5), np.uint16, tmp_path if on_disk else None)
    assert array.dtype == np.uint16
    assert (array.shape, int(array.sum())) == ((3, 4, 5), 0)
    array[1, 2, 3] = 7
    assert int(array.sum()) == 7
    assert isinstance(array, np.memmap) == on_disk


def test_a_file_has_its_size_and_no_name(tmp_path: Path) -> None:
    with scratch_file(12345, tmp_path) as file:
        assert os.fstat(file.fileno()).st_size == 12345
        assert list(tmp_path.iterdir()) == []


def test_the_blocks_of_a_file_are_reserved(tmp_path: Path) -> None:
    with scratch_file(1 << 20, tmp_path) as file:
        assert os.fstat(file.fileno()).st_blocks * 512 >= 1 << 20


def open_files() -> int:
    return sum(1 for _ in OPEN.iterdir())


@pytest.mark.skipif(not OPEN.exists(), reason="no list of open files")
def test_an_array_that_is_let_go_lets_go_of_its_file(tmp_path: Path) -> None:
    gc.collect()
    before = open_files()
    array = scratch_array((3, 4, 5), np.uint8, tmp_path)
    assert open_files() == before + 1
    del array
    gc.collect()
    assert open_files() == before


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "W801"), (errno.EROFS, "W800")])
def test_a_disk_without_room_is_refused_with_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=rf"{code}: .* temporary file of 2\.00 GB") as caught:
        scratch_file(2_000_000_000, tmp_path)
    assert caught.value.reason.code == code
    gc.collect()  # a file that was left open would warn here


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="W800"):
        scratch_array((3,), np.uint8, tmp_path / "nowhere")
