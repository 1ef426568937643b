"""What a conversion has done already is kept under the hash of all that it was made from."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convert import work as module
from convert.work import Work, code_hash, own_code, tool_versions
from edge.errors import OutputError
from edge.write.files import UNFINISHED
from tests.conftest import ROOT

KEY = {"model": "a" * 64, "limits": [0.1, 0.5], "nested": {"b": 1, "a": 2}}


class Maker:
    """Counts how often it is asked to make something."""

    def __init__(self, made: bytes = b"made") -> None:
        self.asked, self.made = 0, made

    def __call__(self) -> bytes:
        self.asked += 1
        return self.made


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    first, second, maker = Work(tmp_path / "work"), Work(tmp_path / "work"), Maker()
    assert first.kept("step", KEY, maker) == b"made"
    assert second.kept("step", KEY, maker) == b"made"
    assert maker.asked == 1
    assert (first.found, second.found) == ([], ["step"])


def test_the_order_of_a_keys_names_does_not_matter(tmp_path: Path) -> None:
    maker, work = Maker(), Work(tmp_path)
    work.kept("step", {"a": 1, "b": 2}, maker)
    work.kept("step", {"b": 2, "a": 1}, maker)
    assert maker.asked == 1


@pytest.mark.parametrize(
    ("step", "key"),
    [("other", KEY), ("step", {**KEY, "model": "b" * 64}), ("step", {**KEY, "limits": [0.5, 0.1]}), ("step", {})],
)
def test_what_was_made_from_something_else_is_not_taken(tmp_path: Path, step: str, key: dict[str, object]) -> None:
    work = Work(tmp_path)
    work.kept("step", KEY, Maker(b"first"))
    assert work.kept(step, key, Maker(b"second")) == b"second"
    assert work.found == []


@pytest.mark.parametrize("name", ["machine_name", "tool_versions", "own_code"])
def test_another_machine_version_or_code_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Work(tmp_path).kept("step", KEY, Maker())
    monkeypatch.setattr(module, name, lambda: "another")
    maker, other = Maker(), Work(tmp_path)
    other.kept("step", KEY, maker)
    assert maker.asked == 1


def test_the_code_that_makes_results_is_known_by_its_hash(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("convert", "edge")}
    for place in ("convert/gate/judge.py", "convert/cli/build.py", "edge/prepare/values.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("one = 1\n")
    first = code_hash(folders)
    assert code_hash(folders) == first
    for place in ("convert/cli/build.py", "edge/prepare/notes.txt", "edge/prepare/values.pyc"):
        (tmp_path / place).write_text("two = 2\n")
    assert code_hash(folders) == first
    seen = {first}
    (tmp_path / "edge/prepare/values.py").write_text("one = 2\n")
    seen.add(code_hash(folders))
    (tmp_path / "edge/prepare/values.py").rename(tmp_path / "edge/prepare/others.py")
    seen.add(code_hash(folders))
    (tmp_path / "convert/gate/more.py").write_text("")
    seen.add(code_hash(folders))
    assert len(seen) == 4


def test_what_is_left_aside_is_there_and_the_rest_is_looked_at() -> None:
    assert [place for place in module.ASIDE if not (ROOT / place).exists()] == []
    needed = ("convert/gate/judge.py", "convert/candidates.py", "edge/prepare/values.py", "edge/engines/apart.py")
    assert all((ROOT / place).is_file() and not place.startswith(module.ASIDE) for place in needed)
    assert own_code.__wrapped__() == code_hash({name: ROOT / name for name in ("convert", "edge")})


def test_the_versions_are_those_of_all_that_takes_part() -> None:
    found = tool_versions()
    assert {"python", "numpy", "onnxruntime", "onnx", "scikit-learn", "torch"} <= set(found)
    assert found["onnx"][0].isdigit()


def test_what_is_not_installed_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOOLS", ("no-such-distribution-at-all",))
    assert tool_versions()["no-such-distribution-at-all"] == "not installed"


def test_without_a_folder_everything_is_made_every_time() -> None:
    work, maker = Work(None), Maker()
    work.kept("step", KEY, maker)
    work.kept("step", KEY, maker)
    work.drop()
    assert maker.asked == 2
    assert work.found == []


def test_no_folder_is_made_before_there_is_something_to_keep(tmp_path: Path) -> None:
    Work(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_what_failed_is_not_kept(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise KeyboardInterrupt

    work = Work(tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        work.kept("step", KEY, fail)
    assert work.kept("step", KEY, Maker(b"later")) == b"later"


def test_a_full_disk_keeps_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(OutputError) as caught:
            Work(tmp_path / "work").kept("step", KEY, Maker(b"half"))
    assert caught.value.reason.code == "W801"
    assert list((tmp_path / "work").iterdir()) == []
    assert Work(tmp_path / "work").kept("step", KEY, Maker(b"whole")) == b"whole"


def test_what_a_loss_of_power_left_half_written_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED}abc").write_bytes(b"half")
    work = Work(tmp_path)
    assert work.kept("step", KEY, Maker(b"whole")) == b"whole"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


def test_once_dropped_nothing_is_left_and_a_second_time_does_nothing(tmp_path: Path) -> None:
    work = Work(tmp_path / "work")
    work.kept("step", KEY, Maker())
    work.drop()
    work.drop()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_removed_is_an_error_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(tmp_path / "work")
    work.kept("step", KEY, Maker())
    monkeypatch.setattr("shutil.rmtree", failing(errno.EROFS))
    with pytest.raises(OutputError, match="W800"):
        work.drop()
