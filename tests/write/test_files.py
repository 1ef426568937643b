"""Files are whole or absent, whatever happens in the middle."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.errors import OutputError
from edge.write.files import UNFINISHED, make_folder, write_whole


def failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_holds_exactly_what_was_written(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"first")
    write_whole(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_other_users_of_the_machine_can_read_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "fdopen", "replace", "chmod"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_failure_in_the_middle_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    write_whole(tmp_path / "a", b"old")
    with monkeypatch.context() as patch:
        if step in ("replace", "chmod"):
            patch.setattr(Path, step, failing(number))
        else:
            patch.setattr(os, step, failing(number))
        with pytest.raises(OutputError):
            write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_interruption_in_the_middle_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "W801"),
        (errno.EDQUOT, "W801"),
        (errno.EROFS, "W800"),
        (errno.EACCES, "W800"),
        (errno.EIO, "W800"),
    ],
)
def test_why_a_file_could_not_be_written_has_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(OutputError, match=os.strerror(number)) as caught:
        write_whole(tmp_path / "a", b"")
    assert caught.value.reason.code == code
    assert str(tmp_path / "a") in caught.value.message
    assert caught.value.exit_code == 8


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "W801"), (errno.EROFS, "W800"), (errno.EACCES, "W800")])
def test_why_a_folder_could_not_be_made_has_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    monkeypatch.setattr(Path, "mkdir", failing(number))
    with pytest.raises(OutputError) as caught:
        make_folder(tmp_path / "a")
    assert caught.value.reason.code == code


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(OutputError, match="Writing") as caught:
            make_folder(path)
        assert caught.value.reason.code == "W800"
    with pytest.raises(OutputError):
        write_whole(tmp_path / "a" / "file", b"")


def test_a_folder_in_the_way_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError):
        write_whole(tmp_path / "a", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_an_earlier_run_left_unfinished_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED}abc").write_bytes(b"half")
    (tmp_path / "report.json").write_bytes(b"whole")
    make_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_stick_that_refuses_permissions_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", failing(errno.EPERM))
    write_whole(tmp_path / "a", b"data")
    assert (tmp_path / "a").read_bytes() == b"data"


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_system_that_cannot_flush_a_folder_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fails: bool
) -> None:
    flush = os.fsync

    def flush_files_only(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(number, os.strerror(number))
        flush(handle)

    monkeypatch.setattr(os, "fsync", flush_files_only)
    if fails:
        with pytest.raises(OutputError):
            write_whole(tmp_path / "a", b"data")
    else:
        write_whole(tmp_path / "a", b"data")
    assert (tmp_path / "a").read_bytes() == b"data"


def limit_files() -> None:
    """Let no file grow beyond 1000 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_a_file_that_really_cannot_grow_leaves_the_old_one(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"old")
    code = (
        "import signal; from pathlib import Path; from edge.write.files import write_whole; from edge.errors import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"try: write_whole(Path({str(tmp_path / 'a')!r}), bytes(5000))\n"
        "except OutputError as error: print(error.reason.code)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True, preexec_fn=limit_files
    )
    assert ran.stdout.strip() == "W800"
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
