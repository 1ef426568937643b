"""Everything at a path is returned or listed as left out, in a stable order, and nothing is opened."""

from __future__ import annotations

import errno
import os
import socket  # noqa: TID251 -- a file of that kind is what is tested
import sys
from pathlib import Path

import pytest

from edge.errors import ReadError
from edge.read.find import find_files
from edge.reasons import BAD_NAME, DAMAGED, NOT_AN_IMAGE, NOT_READABLE, NOTHING_THERE, Reason

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def names(found: tuple[str, ...], root: Path) -> list[str]:
    return [str(Path(path).relative_to(root)) for path in found]


def left(path: Path) -> dict[str, Reason]:
    return {Path(out.paths[0]).name: out.reason for out in find_files(path)[1]}


def test_a_file_is_itself(tmp_path: Path) -> None:
    assert find_files(touch(tmp_path / "a")) == ((str(tmp_path / "a"),), ())


def test_folders_are_walked_to_any_depth_in_a_stable_order(tmp_path: Path) -> None:
    deep = "/".join("d" * 60)
    for name in ("b", "a/z", "a.x", deep + "/c", ".hidden"):
        touch(tmp_path / name)
    expected = sorted(str(tmp_path / name) for name in ("b", "a/z", "a.x", deep + "/c", ".hidden"))
    assert list(find_files(str(tmp_path))[0]) == expected


def test_files_that_are_given_twice_or_lie_in_a_given_folder_are_found_once(tmp_path: Path) -> None:
    touch(tmp_path / "d/a")
    found, _ = find_files([tmp_path / "d/a", tmp_path, tmp_path / "d", str(tmp_path / "d/a")])
    assert names(found, tmp_path) == ["d/a"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    assert find_files("a")[0] == (str(tmp_path / "a"),)


@posix
def test_a_file_behind_links_is_found_once_under_its_first_name(tmp_path: Path) -> None:
    touch(tmp_path / "m")
    (tmp_path / "a").symlink_to(tmp_path / "m")
    (tmp_path / "z").hardlink_to(tmp_path / "m")
    found, left_out = find_files(tmp_path)
    assert names(found, tmp_path) == ["a"]
    assert left_out == ()


@posix
def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "a/x")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to(tmp_path / "a/self")
    found, left_out = find_files(tmp_path)
    assert names(found, tmp_path) == ["a/x"]
    assert [out.reason for out in left_out] == [NOT_READABLE]


@posix
def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "archive/x")
    (tmp_path / "given").mkdir()
    (tmp_path / "given/link").symlink_to(tmp_path / "archive")
    assert names(find_files(tmp_path / "given")[0], tmp_path) == ["given/link/x"]


@posix
def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name may not be long
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        Path("null").symlink_to("/dev/null")
        assert left(tmp_path) == dict.fromkeys(("pipe", "socket", "null"), NOT_AN_IMAGE)


def test_an_empty_file_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").touch()
    assert left(tmp_path) == {"empty.dcm": DAMAGED}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_no_text_is_listed_in_a_form_that_can_be_written(tmp_path: Path) -> None:
    touch(tmp_path / os.fsdecode(b"scan-\xff"))
    touch(tmp_path / os.fsdecode(b"folder-\xe4") / "a")
    out, other = find_files(tmp_path)[1]
    assert (Path(out.paths[0]).name, Path(other.paths[0]).name) == (r"folder-\xe4", r"scan-\xff")
    assert out.reason is other.reason is BAD_NAME


@posix
def test_a_link_to_nowhere_is_listed(tmp_path: Path) -> None:
    touch(tmp_path / "a")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert left(tmp_path) == {"gone": NOTHING_THERE}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_listed(tmp_path: Path) -> None:
    touch(tmp_path / "a")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    try:
        assert left(tmp_path) == {"locked": NOT_READABLE}
    finally:
        locked.chmod(0o700)


def test_a_folder_that_the_system_refuses_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a")
    (tmp_path / "locked").mkdir()
    real = os.listdir

    def refuse(path: str) -> list[str]:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert left(tmp_path) == {"locked": NOT_READABLE}


def test_litter_of_operating_systems_is_passed_over(tmp_path: Path) -> None:
    litter = [".DS_Store", "Thumbs.db", "desktop.ini", "._a", "$RECYCLE.BIN/old", ".Trashes/501/old"]
    for name in ["a", "._alone", *litter]:
        touch(tmp_path / name)
    found, left_out = find_files(tmp_path)
    assert names(found, tmp_path) == ["._alone", "a"]
    assert left_out == ()


def test_litter_that_is_named_itself_is_found(tmp_path: Path) -> None:
    assert names(find_files(touch(tmp_path / "Thumbs.db"))[0], tmp_path) == ["Thumbs.db"]


@pytest.mark.parametrize("given", ["nowhere", "folder", [], ["nowhere", "folder"]])
def test_nothing_at_all_is_an_error(tmp_path: Path, given: str | list[str]) -> None:
    (tmp_path / "folder/of/folders").mkdir(parents=True)
    paths = [tmp_path / name for name in ([given] if isinstance(given, str) else given)]
    with pytest.raises(ReadError) as caught:
        find_files(paths)
    assert caught.value.reason is NOTHING_THERE


def test_one_missing_path_among_several_is_listed(tmp_path: Path) -> None:
    found, left_out = find_files([touch(tmp_path / "a"), tmp_path / "b"])
    assert names(found, tmp_path) == ["a"]
    assert [(out.paths, out.reason) for out in left_out] == [((str(tmp_path / "b"),), NOTHING_THERE)]


def test_results_of_an_earlier_run_are_no_scans(tmp_path: Path) -> None:
    touch(tmp_path / "scan.png")
    touch(tmp_path / "edgerun-results" / "0123456789abcdef-chest-pneumonia" / "overlay.png")
    touch(tmp_path / "edgerun-results" / "0123456789abcdef-chest-pneumonia" / "report.json")
    touch(tmp_path / "0123456789abcdef-not-a-result" / "scan.png")
    assert names(find_files(tmp_path)[0], tmp_path) == ["0123456789abcdef-not-a-result/scan.png", "scan.png"]


def test_a_folder_of_results_that_may_not_be_looked_into_ends_no_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0123456789abcdef-chest").mkdir()
    (tmp_path / "scan").write_bytes(b"x")

    def refused(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)
    files, _ = find_files(tmp_path)
    assert files == (str(tmp_path / "scan"),)
