"""Memory of a tree of processes, from recorded files of /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.bench.procfs import KILOBYTE, family, held_by


def process(root: Path, pid: int, parent: int, *, name: str = "python", rss: int = 0, pss: int | None = None) -> None:
    """One process as Linux shows it: sizes in kB."""
    folder = root / "proc" / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194560 1 0 0\n", encoding="utf-8")
    (folder / "status").write_text(
        f"Name:\t{name}\nVmPeak:\t  99999 kB\nVmHWM:\t  {rss + 50} kB\nVmRSS:\t  {rss} kB\n", encoding="utf-8"
    )
    if pss is not None:
        text = f"55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  {rss} kB\nPss:  {pss} kB\nPss_Anon: 1 kB\n"
        (folder / "smaps_rollup").write_text(text, encoding="utf-8")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A command (100) with a reader (101), whose own child is 102; 7 and 1 have nothing to do with it."""
    process(tmp_path, 1, 0, name="init", rss=5, pss=5)
    process(tmp_path, 7, 1, name="other", rss=1000, pss=900)
    process(tmp_path, 100, 1, rss=300, pss=200)
    process(tmp_path, 101, 100, name="a) b (c", rss=120, pss=60)
    process(tmp_path, 102, 101, rss=80, pss=30)
    (tmp_path / "proc" / "uptime").write_text("1 1\n", encoding="utf-8")
    (tmp_path / "proc" / "self").mkdir()
    return tmp_path


def test_a_family_is_a_process_and_all_that_descend_from_it(recorded: Path) -> None:
    assert family(100, recorded) == (100, 101, 102)
    assert family(101, recorded) == (101, 102)
    assert family(1, recorded) == (1, 7, 100, 101, 102)


def test_a_name_with_brackets_does_not_hide_a_parent(recorded: Path) -> None:
    assert 101 in family(100, recorded)


def test_shared_pages_are_counted_once_where_the_system_tells(recorded: Path) -> None:
    held = held_by(100, recorded)
    assert held is not None
    assert (held.kind, held.bytes) == ("pss", (200 + 60 + 30) * KILOBYTE)
    assert held.resident_bytes == (300 + 120 + 80) * KILOBYTE
    assert held.most_bytes == {100: 350 * KILOBYTE, 101: 170 * KILOBYTE, 102: 130 * KILOBYTE}


def test_resident_pages_are_counted_where_one_process_does_not_tell(recorded: Path) -> None:
    (recorded / "proc" / "102" / "smaps_rollup").unlink()
    held = held_by(100, recorded)
    assert held is not None
    assert (held.kind, held.bytes) == ("rss", (300 + 120 + 80) * KILOBYTE)


def test_a_stranger_that_shared_pages_and_is_gone_is_no_growth(recorded: Path) -> None:
    """Its end leaves the shared pages to those that stay: their proportional share grows, what is resident does not."""
    before = held_by(100, recorded)
    text = (recorded / "proc" / "100" / "smaps_rollup").read_text(encoding="utf-8").replace("Pss:  200", "Pss:  290")
    (recorded / "proc" / "100" / "smaps_rollup").write_text(text, encoding="utf-8")
    after = held_by(100, recorded)
    assert before is not None
    assert after is not None
    assert after.bytes > before.bytes
    assert after.resident_bytes == before.resident_bytes


def test_a_process_that_ended_between_two_looks_is_left_out(recorded: Path) -> None:
    for file in (recorded / "proc" / "102").iterdir():
        file.unlink()
    held = held_by(100, recorded)
    assert held is not None
    assert set(held.most_bytes) == {100, 101}


def test_nothing_is_known_of_a_process_that_is_gone_or_of_a_system_without_proc(recorded: Path, tmp_path: Path) -> None:
    assert held_by(4711, recorded) is None
    assert held_by(1, tmp_path / "nowhere") is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone has /proc")
def test_a_real_child_is_found_with_what_it_holds() -> None:
    program = "data = bytearray(30_000_000); print('here', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in family(os.getpid())
        held = held_by(child.pid)
        child.communicate("\n")
    assert held is not None
    assert held.bytes > 30_000_000
    assert held.most_bytes[child.pid] > 30_000_000
