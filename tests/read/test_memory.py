"""The memory that a container may use, on recorded trees of /proc and /sys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.prepare import memory as budget
from edge.read import memory, process
from edge.read.memory import group_bytes, memory_bytes

GIB = 1 << 30
NO_LIMIT_V1 = "9223372036854771712"
TREES: Mapping[str, tuple[Mapping[str, str], int | None]] = {
    "docker, version 2": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{GIB}\n"}, GIB),
    "docker without a limit, version 2": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None),
    "systemd, version 2": (
        {
            "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
            "sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/user-1000.slice/memory.max": f"{3 * GIB}\n",
            "sys/fs/cgroup/user.slice/memory.max": f"{4 * GIB}\n",
        },
        3 * GIB,
    ),
    "docker, version 1, whose own group is the root": (
        {
            "proc/self/cgroup": "12:memory:/docker/0a1b\n11:cpu,cpuacct:/docker/0a1b\n1:name=systemd:/docker/0a1b\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
        },
        2 * GIB,
    ),
    "version 1 without a limit": (
        {"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{NO_LIMIT_V1}\n"},
        None,
    ),
    "both versions, with memory in the first": (
        {
            "proc/self/cgroup": "9:name=systemd:/\n4:memory:/pods/x\n1:cpu:/\n0::/\n",
            "sys/fs/cgroup/memory/pods/x/memory.limit_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{NO_LIMIT_V1}\n",
        },
        GIB,
    ),
    "a group that was written by no kernel": (
        {"proc/self/cgroup": "0::/a\n\nx\n", "sys/fs/cgroup/a/memory.max": "12 GB\n", "sys/fs/cgroup/memory.max": "0"},
        None,
    ),
    "no groups at all": ({}, None),
}


def planted(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return root


@pytest.mark.parametrize("name", TREES)
def test_the_least_limit_of_all_groups_counts(tmp_path: Path, name: str) -> None:
    files, expected = TREES[name]
    assert group_bytes(planted(tmp_path, files)) == expected


def test_a_group_that_allows_more_than_there_is_allows_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_machine_bytes", lambda: 8 * GIB)
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": str(64 * GIB)}
    assert memory_bytes(planted(tmp_path, files)) == 8 * GIB
    assert memory_bytes(tmp_path / "elsewhere") == 8 * GIB


def test_a_group_is_the_word_where_the_machine_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_machine_bytes", lambda: None)
    assert memory_bytes(tmp_path) is None
    assert memory_bytes(planted(tmp_path, TREES["docker, version 2"][0])) == GIB


def test_budgets_follow_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGERUN_SCAN_BYTES", raising=False)
    monkeypatch.setattr(process, "memory_bytes", lambda: GIB)
    monkeypatch.setattr(budget, "memory_bytes", lambda: GIB)
    assert process.default_limit_bytes() == GIB // 2
    assert budget.budget_bytes() == GIB // 2
