"""The very request is made again, so that what holds its number is the same; only where need be, what ran is named."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edge.engines import EngineFacts
from edge.errors import EngineError
from edge.options import Options
from edge.pipeline import Request, run
from edge.reasons import GPU_LOST
from edge.replay import again
from edge.replay.compare import compare
from edge.replay.given import Given, given, read_report
from edge.replay.words import told
from edge.wanted import Wanted
from edge.write.report import StudyReport


@pytest.fixture
def scan(examples: Path, tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return Path(shutil.copy(examples / "chest-pneumonia-0000.dcm", tmp_path / "scans"))


@pytest.fixture
def kept(scan: Path, tmp_path: Path) -> Path:
    """The folder of a finished study, with a view that holds the result's number; no engine was named."""
    options = Options(wanted=Wanted(views=("overlay", "fhir")))
    (report,) = run(Request(paths=(scan,), out=tmp_path / "out", pack="chest-pneumonia", options=options))
    return tmp_path / "out" / report.folder


def asked_of(given: Given, monkeypatch: pytest.MonkeyPatch, answers: Sequence[StudyReport | EngineError]) -> list[str]:
    """What the replay asks for, engine by engine, where these are its answers."""
    asked, waiting = [], list(answers)

    def answer(_given: Given, options: Options, _watcher: object) -> StudyReport:
        asked.append(f"{options.engine} {options.precision}")
        found = waiting.pop(0)
        if isinstance(found, EngineError):
            raise found
        return found

    monkeypatch.setattr(again, "_again", answer)
    again.replay(given)
    return asked


def by(report: StudyReport, engine: str) -> StudyReport:
    facts = EngineFacts(name=engine, version="1", provider="p", precision="fp32", threads=1)
    return replace(report, results=tuple(replace(result, engine=facts) for result in report.results))


def test_a_view_that_holds_the_number_of_the_result_is_made_again_byte_for_byte(kept: Path) -> None:
    found = again.replay(given(read_report(kept)))
    assert (found.same, found.exact, found.not_compared) == (True, True, ())


def test_under_another_number_such_a_view_is_not_compared_and_named(kept: Path) -> None:
    """The engine is named, and so it is another request."""
    report = read_report(kept)
    ran = report.results[0].engine
    assert ran is not None
    found = again.replay(given(report), engine=ran.name)
    assert (found.same, found.exact, found.not_compared) == (True, True, ("fhir.json",))
    assert "but fhir.json: there stands the number" in told(found)[-1]


def test_of_a_scan_that_was_moved_the_result_is_the_same(kept: Path, scan: Path, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    shutil.move(scan, tmp_path / "stick")
    found = again.replay(given(read_report(kept), scans=tmp_path / "stick"))
    assert (found.same, found.exact) == (True, True)


def test_what_was_left_out_is_left_out_again_where_it_was_moved_with_the_scan(scan: Path, tmp_path: Path) -> None:
    shutil.copy(scan, scan.parent / "twin.dcm")
    options = Options(wanted=Wanted(views=("overlay",)))
    (report,) = run(Request(paths=(scan.parent,), out=tmp_path / "out", pack="chest-pneumonia", options=options))
    assert [Path(path).name for item in report.left_out for path in item.paths] == ["twin.dcm"]
    moved = Path(shutil.move(scan.parent, tmp_path / "stick"))
    found = again.replay(given(report, scans=moved))
    assert (found.same, found.gone) == (True, ())
    (moved / "twin.dcm").unlink()
    found = again.replay(given(report, scans=moved))
    assert (found.same, len(found.gone)) == (True, 1)
    assert told(found)[0].endswith("not here any more: 1.")


def test_such_a_view_is_compared_where_the_number_is_the_same(kept: Path) -> None:
    report = read_report(kept)
    (result,) = report.results
    files = tuple(replace(file, sha256="0" * 64) if file.role == "fhir" else file for file in result.files)
    other = replace(report, results=(replace(result, files=files),))
    (difference,) = compare(report, other, given(report).pack.manifest).differences
    assert difference.path == "$.results[0].files[1].sha256"


def test_what_ran_is_named_only_where_something_else_would_run_now(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = given(read_report(kept))
    report = by(ask.report, "onnxruntime")
    ask = replace(ask, report=report)
    assert asked_of(ask, monkeypatch, [report]) == ["None auto"]
    assert asked_of(ask, monkeypatch, [by(report, "openvino"), report]) == ["None auto", "onnxruntime fp32"]
    lost = EngineError("Opening the GPU: it is gone.", GPU_LOST)
    assert asked_of(ask, monkeypatch, [lost, report]) == ["None auto", "onnxruntime fp32"]


def test_an_engine_that_is_named_is_asked_for_at_once(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = given(read_report(kept))
    asked: list[Options] = []

    def answer(_given: Given, options: Options, _watcher: object) -> StudyReport:
        asked.append(options)
        return ask.report

    monkeypatch.setattr(again, "_again", answer)
    again.replay(ask, engine="openvino")
    ran = ask.report.results[0].engine
    assert ran is not None
    assert [(one.engine, one.precision) for one in asked] == [("openvino", ran.precision)]
