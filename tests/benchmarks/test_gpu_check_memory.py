"""What the check of a GPU's memory says of one that is right, and of those that are wrong."""

from __future__ import annotations

from typing import Any

import pytest
from numpy.typing import NDArray

from benchmarks.gpu_check_memory import SIZES, SLACK_BYTES, check_memory
from edge.engines.tensorrt.memory import Room
from tests.engines.fake_gpu import FakeBlock, FakeMemory, FakeStream


def check_fake(memory: FakeMemory) -> dict[str, str]:
    return {check.name: check.verdict for check in check_memory(memory, sizes=(1, 4097), wear=3)}


def test_a_right_memory_passes_everything_and_leaves_nothing() -> None:
    memory = FakeMemory()
    found = check_fake(memory)
    assert set(found.values()) == {"passed", "measured"}
    assert found["speed of copies"] == "measured"
    assert not memory.live
    assert memory.captured > 0
    assert memory.launched > 0


def test_a_memory_without_graphs_is_not_said_to_replay_them() -> None:
    assert check_fake(FakeMemory(graphs=False))["a CUDA graph replays"] == "not run"


def test_a_lost_gpu_fails_every_check() -> None:
    memory = FakeMemory()
    memory.lost = True
    assert set(check_fake(memory).values()) == {"failed"}


def broken(monkeypatch: pytest.MonkeyPatch, method: str, replacement: Any) -> dict[str, str]:
    monkeypatch.setattr(FakeStream, method, replacement)
    return check_fake(FakeMemory())


def test_a_copy_that_lacks_its_last_byte_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FakeStream.download

    def short(self: FakeStream, host: NDArray[Any], address: int) -> None:
        whole(self, host[:-1], address)

    found = broken(monkeypatch, "download", short)
    assert found["copies through pinned memory on two streams are exact"] == "failed"
    assert found["two threads copy at once"] == "failed"
    assert found["a CUDA graph replays"] == "failed"


def test_a_stream_that_does_not_wait_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = broken(monkeypatch, "follow", lambda _self, _other: None)
    assert [name for name, verdict in found.items() if verdict == "failed"] == ["one stream waits for another"]


def test_waiting_that_does_not_wait_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = broken(monkeypatch, "synchronise", lambda _self: None)
    assert found["copies through pinned memory on two streams are exact"] == "failed"


def test_capturing_that_does_the_work_already_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    proper = FakeStream.capture

    def eager(self: FakeStream, work: Any) -> Any:
        work()
        return proper(self, work)

    assert broken(monkeypatch, "capture", eager)["a CUDA graph replays"] == "failed"


def test_memory_that_stays_behind_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = FakeMemory()
    rooms = iter([1 << 30, (1 << 30) - SLACK_BYTES - 1])
    monkeypatch.setattr(memory, "room", lambda: Room(free_bytes=next(rooms, 1 << 30), total_bytes=1 << 30))
    monkeypatch.setattr(FakeMemory, "allocate", _unchecked)
    assert check_fake(memory)["nothing stays allocated"] == "failed"


def _unchecked(memory: FakeMemory, size: int) -> Any:
    return FakeBlock(memory, size)


def test_the_memory_is_checked_with_bytes_that_are_no_multiple_of_anything() -> None:
    assert any(size % 2 for size in SIZES)
