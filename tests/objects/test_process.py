"""DICOM objects are made in a process of their own: what goes wrong there ends one view and nothing else."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from edge.errors import OutputError, ReadError
from edge.objects import objects_apart, process
from edge.objects.process import MAKER, ObjectMaker
from edge.objects.unfit import UnfitError
from edge.options import Options
from edge.pipeline import Request, run
from edge.reasons import DAMAGED, OBJECT_NOT_MADE, VIEW_NOT_INSTALLED, WRONG_PLACE
from edge.scan import Scan
from edge.table import Entry
from edge.testing import phantom_scan
from edge.wanted import Wanted
from edge.write import WRITERS
from edge.write.made import made
from tests.conftest import ROOT
from tests.objects.builders import SECRET
from tests.objects.cases import blob, complete, files_of, outlined, request_of, result_of, scan_of
from tests.read.dicom_files import canonical_grid, phantom, series
from tests.test_boundaries import loaded_by

pytest.importorskip("highdicom")

SHAPE = (3, 8, 9)
TABLES = "tests.objects.builders:{}"
FILMS = ("chest-normal-0234.dcm", "chest-pneumonia-0000.dcm")


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return scan_of(complete(series(phantom(SHAPE), canonical_grid(SHAPE))), tmp_path / "SECRET^NAME")


@pytest.fixture
def maker(request: pytest.FixtureRequest) -> Iterator[ObjectMaker]:
    made = ObjectMaker(table=TABLES.format(request.param), limit_bytes=1 << 28, seconds=2.0)
    yield made
    made.close()


def asked(maker: ObjectMaker, scan: Scan, view: str = "seg") -> dict[str, bytes]:
    """What a maker makes of a scan with outlines."""
    return maker.make(*request_of(view, scan, outlined(blob(SHAPE), scan.grid)))


def test_what_is_made_apart_is_what_is_made_here(scan: Scan) -> None:
    maker = ObjectMaker()
    try:
        assert asked(maker, scan) == files_of("seg", scan, outlined(blob(SHAPE), scan.grid))
    finally:
        maker.close()
        maker.close()
    assert maker.pid is None


def test_a_child_serves_many_and_is_replaced_when_it_is_killed(scan: Scan) -> None:
    maker = ObjectMaker()
    try:
        first, pid = asked(maker, scan), maker.pid
        assert asked(maker, scan) == first
        assert maker.pid == pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(OutputError, match=r"Making seg\.dcm: it was ended by signal SIGKILL") as caught:
            asked(maker, scan)
        assert caught.value.reason is OBJECT_NOT_MADE
        assert asked(maker, scan) == first
        assert maker.pid != pid
    finally:
        maker.close()


def test_threads_take_turns(scan: Scan) -> None:
    maker = ObjectMaker()
    found: list[dict[str, bytes]] = []
    threads = [threading.Thread(target=lambda: found.append(asked(maker, scan))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    maker.close()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("maker", ["DYING"], indirect=True)
def test_a_builder_that_dies_is_told_by_its_exit_code(maker: ObjectMaker, scan: Scan) -> None:
    with pytest.raises(OutputError, match="it ended with exit code 3") as caught:
        asked(maker, scan)
    assert caught.value.reason is OBJECT_NOT_MADE


@pytest.mark.parametrize("maker", ["HANGING"], indirect=True)
def test_a_builder_that_hangs_is_ended(maker: ObjectMaker, scan: Scan) -> None:
    with pytest.raises(OutputError, match="no answer for 2 s and was ended") as caught:
        asked(maker, scan)
    assert caught.value.reason is OBJECT_NOT_MADE
    assert maker.pid is None


@pytest.mark.parametrize("maker", ["QUOTING"], indirect=True)
def test_nothing_that_a_library_says_of_the_patient_comes_back(
    maker: ObjectMaker, scan: Scan, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutputError, match=r"found something malformed \(ValueError") as caught:
        asked(maker, scan)
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize("maker", ["GREEDY"], indirect=True)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by the system on Linux alone")
def test_a_builder_that_takes_too_much_memory_is_told_so(maker: ObjectMaker, scan: Scan) -> None:
    with pytest.raises(OutputError, match="it takes more memory than it may") as caught:
        asked(maker, scan)
    assert caught.value.reason is OBJECT_NOT_MADE


@pytest.mark.parametrize("maker", ["UNFIT"], indirect=True)
def test_what_does_not_fit_is_no_failure(maker: ObjectMaker, scan: Scan) -> None:
    with pytest.raises(UnfitError, match=r"^there is nothing to show$"):
        asked(maker, scan)


@pytest.mark.parametrize("maker", ["MISPLACED"], indirect=True)
def test_what_lies_elsewhere_keeps_its_code(maker: ObjectMaker, scan: Scan) -> None:
    with pytest.raises(OutputError, match="it lies elsewhere") as caught:
        asked(maker, scan)
    assert caught.value.reason is WRONG_PLACE


def test_a_source_that_changed_since_it_was_examined_is_named(scan: Scan) -> None:
    with Path(scan.sources[1].path).open("ab") as file:
        file.write(b"\0")
    maker = ObjectMaker()
    try:
        with pytest.raises(ReadError, match=r"'001\.dcm' again: it is not the file") as caught:
            asked(maker, scan)
    finally:
        maker.close()
    assert caught.value.reason is DAMAGED
    assert SECRET not in caught.value.message


def test_a_child_is_started_only_for_a_view_that_needs_one() -> None:
    with objects_apart(("overlay", "masks")):
        assert MAKER.pid is None
    with objects_apart(("overlay", "sc")):
        assert MAKER.pid is not None
    assert MAKER.pid is None


def films(folder: Path) -> tuple[Path, ...]:
    """Two films, each of a study of its own."""
    folder.mkdir()
    return tuple(Path(shutil.copy(ROOT / "examples" / name, folder)) for name in FILMS)


def request_for(tmp_path: Path, *views: str) -> Request:
    return Request(paths=films(tmp_path / "in"), out=tmp_path / "out", options=Options(wanted=Wanted(views=views)))


def test_a_run_writes_a_capture_for_each_study_and_another_run_of_copies_the_same_bytes(tmp_path: Path) -> None:
    request = request_for(tmp_path, "overlay", "sc")
    moved = films(tmp_path / "elsewhere")
    made = []
    for out, paths in ((tmp_path / "first", request.paths), (tmp_path / "second", moved)):
        reports = list(run(replace(request, out=out, paths=paths)))
        assert [[file.name for file in report.results[0].files] for report in reports] == [
            ["overlay.png", "sc.dcm"]
        ] * 2
        assert MAKER.pid is None
        made.append([(out / report.folder / "sc.dcm").read_bytes() for report in reports])
    assert made[0] == made[1]
    assert made[0][0] != made[0][1]


def test_a_child_that_dies_fails_its_result_and_no_other_view_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MAKER", ObjectMaker(table=TABLES.format("DYING")))
    monkeypatch.setattr("edge.write.objects.MAKER", process.MAKER)
    request = request_for(tmp_path, "overlay", "masks", "sc")
    reports = list(run(request))
    assert [report.state for report in reports] == ["failed"] * 2
    for report in reports:
        (result,) = report.results
        assert result.failure is not None
        assert (result.failure.code, result.findings, result.engine) == (OBJECT_NOT_MADE.code, None, None)
        assert {path.name for path in (request.out / report.folder).iterdir()} == {"report.json", "overlay.png"}


def test_a_view_whose_package_is_missing_ends_the_run_before_any_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Entry("edge.write.objects:sc", needs=("no_such_package",), extra="objects")
    monkeypatch.setitem(WRITERS, "sc", missing)
    request = request_for(tmp_path, "sc")
    with pytest.raises(
        OutputError, match=r"no_such_package is not installed\. It comes with edgerun\[objects\]"
    ) as caught:
        list(run(request))
    assert caught.value.reason is VIEW_NOT_INSTALLED
    assert not request.out.exists()


def test_the_command_never_loads_what_parses_files(tmp_path: Path) -> None:
    loaded = loaded_by(f"infer examples/{FILMS[0]} --write sc,seg,sr --out {tmp_path}")
    assert loaded & {"pydicom", "highdicom", "imagecodecs", "nibabel"} == set()
    assert list(tmp_path.glob("*/sc.dcm"))


@pytest.mark.parametrize("view", ["sr", "seg", "sc"])
def test_a_scan_that_is_no_dicom_gets_a_note_and_no_child(view: str) -> None:
    scan = phantom_scan((1, 8, 8))
    findings = outlined(np.ones((1, 8, 8), np.uint8), scan.grid)
    result, files = made(result_of(scan, findings), scan, findings, Wanted(views=(view,)), WRITERS)
    assert result.notes[-1] == f"{view} not written: the scan did not come from DICOM files"
    assert files == ()
    assert MAKER.pid is None


def test_an_object_is_a_file_that_pydicom_reads_without_being_forced(scan: Scan) -> None:
    (data,) = files_of("seg", scan, outlined(blob(SHAPE), scan.grid)).values()
    assert dcmread(io.BytesIO(data)).file_meta.ImplementationVersionName == "EDGERUN"
