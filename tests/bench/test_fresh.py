"""The command in a process of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.bench import fresh
from edge.bench.answered import RefusedError
from edge.bench.cases import Case, given
from edge.bench.fresh import Command, CommandError, call
from edge.bench.warm import Target
from edge.bench.watch import Watch
from edge.errors import ExitCode
from edge.testing import tiny_manifest, write_tiny_pack
from tests.bench.scans import picture


def case(path: Path) -> Case:
    return given([path], {}, {}).cases[0]


def test_a_call_takes_all_that_infer_takes() -> None:
    target = Target(pack="p", engine="openvino", precision="int8", confirmed={"modality": "MR"})
    command = Command(target=target, paths=(Path("a.nii"),), roles={"/b.nii": "t1"}, out=Path("out"))
    assert command.arguments == [
        "infer", "--pack", "p", "--out", "out", "--precision", "int8", "--engine", "openvino",
        "--confirm", "modality=MR", "--scan", "t1=/b.nii", "a.nii",
    ]  # fmt: skip


def test_a_case_with_roles_is_given_by_its_roles_alone() -> None:
    named = Case(name="x", files=(Path("/a"), Path("/b")), format="other", roles={"/a": "t1", "/b": "t2"})
    command = Command.of(Target(pack="p"), named, Path("out"))
    assert (command.paths, dict(command.roles)) == ((), {"/a": "t1", "/b": "t2"})


def test_a_call_is_timed_from_its_start_to_its_end_and_watched(tmp_path: Path, tiny_pack: Path) -> None:
    watches: list[Watch] = []

    def watched(pid: int) -> Watch:
        watches.append(Watch(pid, seconds=0.05))
        return watches[-1]

    command = Command.of(Target(pack=str(tiny_pack)), case(picture(tmp_path / "a.png")), tmp_path / "out")
    query = call(command, watched)
    assert query.scans == 1
    assert 0 < sum(query.stages.values()) < query.seconds
    assert query.engine is not None
    memory = watches[0].result().memory
    assert memory is not None
    assert memory.at_most_bytes > 10_000_000


def test_an_untrained_pack_ends_with_a_refusal_that_is_expected(tmp_path: Path) -> None:
    pack = write_tiny_pack(tmp_path / "pack", replace(tiny_manifest(), status="architecture-only"))
    query = call(Command.of(Target(pack=str(pack)), case(picture(tmp_path / "a.png")), tmp_path / "out"))
    assert (query.scans, query.engine) == (1, None)


def test_a_scan_that_is_refused_is_not_timed(tmp_path: Path) -> None:
    command = Command.of(Target(pack="chest-pneumonia"), case(picture(tmp_path / "a.png")), tmp_path / "out")
    with pytest.raises(RefusedError) as raised:
        call(command)
    assert raised.value.exit_code == ExitCode.REFUSED


def test_a_command_that_fails_says_what_it_said_and_keeps_its_code(tmp_path: Path) -> None:
    command = Command.of(Target(pack="no-such-pack"), case(picture(tmp_path / "a.png")), tmp_path / "out")
    with pytest.raises(CommandError, match="P400") as raised:
        call(command)
    assert raised.value.exit_code == ExitCode.PACK


def test_an_interrupt_ends_the_process(tmp_path: Path, tiny_pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = fresh._start

    def noting(*arguments: object) -> object:
        started.append(start(*arguments))  # type: ignore[arg-type]
        return started[-1]

    def interrupted(_: int) -> Watch:
        raise KeyboardInterrupt

    monkeypatch.setattr(fresh, "_start", noting)
    command = Command.of(Target(pack=str(tiny_pack)), case(picture(tmp_path / "a.png")), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        call(command, interrupted)
    assert started[0].poll() is not None
