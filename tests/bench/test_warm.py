"""The warm way: the same answers as the pipeline's, and nothing that was refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.bench.answered import RefusedError, check_report, engine_of, error_of
from edge.bench.cases import copied, given
from edge.bench.warm import Target, Warm
from edge.errors import EdgerunError, EngineError, ExitCode, OutputError, PackError, ReadError
from edge.pipeline import Request, run
from edge.reasons import REASONS
from edge.roles import absolute
from edge.testing import tiny_manifest, write_tiny_pack
from edge.write.report import StudyReport
from tests.bench.scans import picture, write_pack_of_two


def answer(scan: Path, pack: Path | str, out: Path) -> StudyReport:
    """What `edgerun infer` says."""
    (report,) = run(Request(paths=(scan,), out=out, pack=str(pack)))
    return report


def test_the_warm_way_says_byte_for_byte_what_the_pipeline_says(examples: Path, tmp_path: Path) -> None:
    paths = [examples / "chest-normal-0234.dcm", examples / "chest-pneumonia-0000.dcm"]
    with Warm(Target(pack="chest-pneumonia")) as warm:
        _, reports = warm.ask(given(paths, {}, {}).cases, tmp_path / "warm")
    expected = [answer(path, "chest-pneumonia", tmp_path / "run") for path in paths]
    assert sorted(report.content_sha256 for report in reports) == sorted(item.content_sha256 for item in expected)
    for report in expected:
        ours, theirs = (tmp_path / name / report.folder for name in ("warm", "run"))
        names = sorted(path.name for path in ours.iterdir())
        assert names == sorted(path.name for path in theirs.iterdir())
        for name in names:
            assert name == "report.json" or (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_every_second_of_a_query_is_in_a_stage_or_left_over(examples: Path, tmp_path: Path) -> None:
    cases = given([examples / "chest-normal-0234.dcm"], {}, {}).cases
    with Warm(Target(pack="chest-pneumonia")) as warm:
        query, _ = warm.ask(cases, tmp_path)
    assert set(query.stages) == {"index", "choose", "open", "read", "check", "prepare", "infer", "conclude", "write"}
    assert 0 < sum(query.stages.values()) <= query.seconds
    assert query.engine is not None
    assert query.engine.precision == "fp32"


def test_several_scans_at_once_are_one_query(tmp_path: Path, tiny_pack: Path) -> None:
    cases = given([picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 90)], {}, {})
    with Warm(Target(pack=str(tiny_pack))) as warm:
        query, reports = warm.ask(copied(cases, 4, tmp_path / "copies"), tmp_path / "out")
    assert query.scans == len(reports) == 4


def test_scans_named_for_several_patients_are_not_mixed(tmp_path: Path) -> None:
    pack = write_pack_of_two(tmp_path / "two")
    files = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 90)]
    cases = given(files, absolute([("first", files[0]), ("second", files[1])]), {})
    with Warm(Target(pack=str(pack))) as warm:
        query, reports = warm.ask(copied(cases, 2, tmp_path / "copies"), tmp_path / "out")
        scans = warm.scans_of(cases.cases[0])
    assert (query.scans, len(reports)) == (2, 2)
    assert [set(group) for group in scans] == [{"first", "second"}]


def test_a_scan_that_the_pack_refuses_ends_it_with_its_code(tmp_path: Path) -> None:
    cases = given([picture(tmp_path / "a.png")], {}, {}).cases
    with Warm(Target(pack="chest-pneumonia")) as warm, pytest.raises(RefusedError) as raised:
        warm.ask(cases, tmp_path / "out")
    assert raised.value.reason is not None
    assert raised.value.reason.code.startswith("C7")
    assert raised.value.exit_code == ExitCode.REFUSED
    assert "cannot be measured" in str(raised.value)


def test_a_word_of_a_person_lets_it_through(tmp_path: Path) -> None:
    manifest = tiny_manifest()
    (item,) = manifest.inputs
    asking = replace(manifest, inputs=(replace(item, accepts=replace(item.accepts, modality=("XC",))),))
    pack = write_tiny_pack(tmp_path / "pack", asking)
    cases = given([picture(tmp_path / "a.png")], {}, {}).cases
    with Warm(Target(pack=str(pack), confirmed={"modality": "XC"})) as warm:
        _, (report,) = warm.ask(cases, tmp_path / "out")
    assert report.results[0].confirmed == {"modality": "XC"}


def test_an_untrained_pack_counts_as_examined_and_says_no_engine(tmp_path: Path) -> None:
    pack = write_tiny_pack(tmp_path / "pack", replace(tiny_manifest(), status="architecture-only"))
    cases = given([picture(tmp_path / "a.png")], {}, {}).cases
    with Warm(Target(pack=str(pack))) as warm:
        query, reports = warm.ask(cases, tmp_path / "out")
    assert (query.scans, reports[0].state) == (1, "not-analysed")
    assert engine_of(reports) is None


def test_a_report_without_any_result_is_no_answer(tmp_path: Path, tiny_pack: Path) -> None:
    report = answer(picture(tmp_path / "a.png"), tiny_pack, tmp_path / "out")
    assert check_report(report) == 1
    with pytest.raises(RefusedError):
        check_report(replace(report, results=()))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("R304", ReadError),
        ("R310", RefusedError),
        ("C703", RefusedError),
        ("P403", PackError),
        ("E502", EngineError),
        ("W800", OutputError),
    ],
)
def test_every_kind_of_code_becomes_its_own_error(code: str, kind: type[EdgerunError]) -> None:
    error = error_of(REASONS[code], "found this")
    assert type(error) is kind
    assert code in str(error)
    assert "found this" in str(error)


def test_an_engine_that_is_not_there_leaves_no_process_behind() -> None:
    with pytest.raises(EdgerunError), Warm(Target(pack="chest-pneumonia", engine="no-such-engine")):
        pass
