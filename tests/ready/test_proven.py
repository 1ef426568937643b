"""A finished result that warns that nobody looked is made again once somebody did, and never without need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.options import Options
from edge.pack.store import Pack
from edge.pipeline import Request, run
from edge.ready.record import write_record
from edge.reasons import GOLDEN_NOT_RUN
from edge.write.report import StudyReport
from tests.pack.test_check import picture
from tests.ready.found import chosen, model, pack_with, record_of, tried


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return pack_with(tmp_path, model("fp32", "onnxruntime"))


def result(pack: Pack, options: Options | None = None) -> StudyReport:
    folder = Path(pack.path).parent
    scan = folder / "scan.png"
    scan.write_bytes(picture())
    (report,) = run(Request(paths=(scan,), out=folder / "out", pack=pack.path, options=options or Options()))
    return report


def warned(report: StudyReport) -> bool:
    return any(note.code == GOLDEN_NOT_RUN.code for item in report.results for note in item.warnings)


def test_after_the_preparation_the_warning_is_gone_and_the_result_is_kept(pack: Pack) -> None:
    first = result(pack)
    assert warned(first)
    assert result(pack).run == first.run
    write_record(record_of(pack, chosen("onnxruntime")))
    second = result(pack)
    assert not warned(second)
    assert result(pack).run == second.run


def test_a_preparation_that_proved_nothing_or_elsewhere_changes_nothing(pack: Pack) -> None:
    first = result(pack)
    record = record_of(pack, chosen("onnxruntime"))
    unproven = replace(tried(chosen("onnxruntime")), golden=())
    for other in (replace(record, tried=(unproven,)), replace(record, versions={"onnxruntime": "0.1"})):
        write_record(other)
        assert result(pack).run == first.run


def test_an_engine_that_was_asked_for_is_not_proven_by_another(pack: Pack) -> None:
    asked = Options(engine="onnxruntime")
    first = result(pack, asked)
    write_record(record_of(pack, chosen("openvino")))
    assert result(pack, asked).run == first.run
    write_record(record_of(pack, chosen("onnxruntime")))
    assert not warned(result(pack, asked))
