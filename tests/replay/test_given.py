"""A report that was kept is believed only as it was written, with the very files and pack that it was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import CodedError
from edge.options import Options
from edge.pipeline import Request, run
from edge.replay.given import given, read_report, sources_in
from edge.write.report import content_sha256


@pytest.fixture
def scan(examples: Path, tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return Path(shutil.copy(examples / "chest-pneumonia-0000.dcm", tmp_path / "scans"))


@pytest.fixture
def kept(scan: Path, tmp_path: Path) -> Path:
    """The folder of a finished study."""
    (report,) = run(Request(paths=(scan,), out=tmp_path / "out", pack="chest-pneumonia"))
    return tmp_path / "out" / report.folder


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(CodedError) as raised:
        action()
    return raised.value.reason.code


def changed(kept: Path, key: str, value: object, *, sealed: bool = False) -> None:
    path = kept / "report.json"
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    document[key] = value
    if sealed:
        document["content_sha256"] = content_sha256(document)
    path.write_text(json.dumps(document), "utf-8")


def test_a_report_is_read_from_its_file_or_its_folder(kept: Path) -> None:
    assert read_report(kept) == read_report(kept / "report.json")


def test_a_report_remembers_what_was_asked(kept: Path, scan: Path) -> None:
    report = read_report(kept)
    assert report.options is not None
    assert list(sources_in(report.results)) == [str(scan)]
    assert given(report).places == {str(scan): scan}


def test_a_changed_word_is_noticed(kept: Path) -> None:
    changed(kept, "summary", "No finding.")
    assert code_of(lambda: read_report(kept)) == "R346"


def test_the_time_is_no_part_of_what_is_sealed(kept: Path) -> None:
    changed(kept, "run", {"finished_utc": "2020-01-01T00:00:00+00:00", "seconds": {}})
    assert read_report(kept).run.finished_utc.startswith("2020")


def test_a_changed_picture_is_noticed(kept: Path) -> None:
    with (kept / "overlay.png").open("ab") as file:
        file.write(b"\0")
    assert code_of(lambda: read_report(kept)) == "R347"


def test_a_missing_picture_is_noticed(kept: Path) -> None:
    (kept / "overlay.png").unlink()
    assert code_of(lambda: read_report(kept)) == "R347"


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"format": "edgerun-pack"}', "[" * 100_000])
def test_what_is_no_report_is_told_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    assert code_of(lambda: read_report(tmp_path)) == "R345"


def test_nothing_there_is_told_so(tmp_path: Path) -> None:
    assert code_of(lambda: read_report(tmp_path / "gone.json")) == "R345"


def test_a_source_that_is_gone_is_named(kept: Path, scan: Path) -> None:
    scan.unlink()
    with pytest.raises(CodedError, match="chest-pneumonia-0000") as raised:
        given(read_report(kept))
    assert raised.value.reason.code == "R348"


def test_another_file_in_its_place_is_noticed(kept: Path, scan: Path) -> None:
    scan.write_bytes(scan.read_bytes() + b"\0\0")
    assert code_of(lambda: given(read_report(kept))) == "R349"


def test_a_source_that_was_moved_is_found_by_its_contents(kept: Path, scan: Path, tmp_path: Path) -> None:
    deep = tmp_path / "stick" / "a" / "b"
    deep.mkdir(parents=True)
    (deep.parent / scan.name).write_bytes(b"another scan of the same name")
    moved = Path(shutil.move(scan, deep))
    assert given(read_report(kept), scans=tmp_path / "stick").places == {str(scan): moved}


def test_scans_of_a_folder_that_has_a_role_keep_it_when_they_are_moved(kept: Path, tmp_path: Path) -> None:
    ask = given(read_report(kept))
    scans, stick = tmp_path / "scans", tmp_path / "stick"
    options = Options(roles={str(scans / "deep"): "t2", str(scans): "t1", str(scans / "c.nii"): "flair"})
    ask = replace(ask, report=replace(ask.report, options=options))
    names = ("a.nii", "deep/b.nii", "c.nii")
    there = replace(ask, places={str(scans / name): scans / name for name in names})
    assert there.options == options
    moved = replace(ask, places={str(scans / name): stick / Path(name).name for name in names}).options.roles
    assert [moved[str(stick / name)] for name in ("a.nii", "b.nii", "c.nii")] == ["t1", "t2", "flair"]


def test_another_version_of_the_pack_is_not_taken(kept: Path) -> None:
    report = read_report(kept)
    (result,) = report.results
    assert result.pack is not None
    document = json.loads((kept / "report.json").read_text("utf-8"))
    document["results"][0]["pack"]["sha256"] = "ab" * 32
    changed(kept, "results", document["results"], sealed=True)
    with pytest.raises(CodedError, match=r"abababababab.*found chest-pneumonia") as raised:
        given(read_report(kept))
    assert raised.value.reason.code == "P400"
