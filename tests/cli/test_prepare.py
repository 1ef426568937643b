"""`edgerun prepare`, and how `edgerun infer` obeys what it found."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.engines import ENGINES
from edge.pack.store import Pack, open_pack
from edge.ready.record import read_record, write_record
from edge.ready.trial import Visit
from edge.testing import tiny_manifest, write_tiny_pack
from tests.cli.test_infer import picture
from tests.conftest import Edgerun
from tests.ready.found import (
    CUDA,
    MadeUpTrial,
    chosen,
    model,
    no_gpu,
    pack_with,
    record_of,
    right,
    tried,
    visit,
    with_gpu,
)

VISITS: Mapping[str, Visit | str] = {
    "fp32 on onnxruntime": visit(0.4, 0.04),
    "fp32 on openvino": visit(1.0, 0.04),
    "int8 on openvino": visit(0.5, 0.01),
}
needs_openvino = pytest.mark.skipif(bool(ENGINES["openvino"].missing()), reason="openvino is not installed")


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return pack_with(tmp_path, model("fp32", "onnxruntime", "openvino"), model("int8", "openvino"))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUpTrial:
    """Nothing is measured: the seconds are those above."""
    trial = MadeUpTrial(VISITS)
    monkeypatch.setattr("edge.ready.prepare.TrialApart", lambda _, **__: trial)
    return trial


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures."""
    place = tmp_path / "scans"
    place.mkdir()
    for level in (60, 120, 180, 240):
        picture(place / f"{level}.png", level)
    return place


def engines_of(reports: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (result["engine"]["name"], result["engine"]["precision"]) for report in reports for result in report["results"]
    }


def codes(reports: list[dict[str, Any]]) -> set[str]:
    return {warning["code"] for report in reports for result in report["results"] for warning in result["warnings"]}


# prepare --------------------------------------------------------------------------------------------------


@needs_openvino
@pytest.mark.usefixtures("made_up")
def test_a_record_is_written_and_told(edgerun: Edgerun, pack: Pack) -> None:
    ran = edgerun("prepare", pack.path)
    assert ran.code == 0
    assert "tiny: int8 on openvino: round 5 of 5" in ran.err
    assert "  one scan     fp32 on onnxruntime: 440 ms to the first result" in ran.out
    assert "from 4 scans on" in ran.out
    assert read_record(pack.sha256) is not None


@needs_openvino
@pytest.mark.usefixtures("made_up")
def test_a_program_reads_one_document_a_pack(edgerun: Edgerun, pack: Pack) -> None:
    (document,) = edgerun("prepare", pack.path, "--json").reports
    assert (document["format"], document["pack_sha256"]) == ("edgerun-prepared", pack.sha256)
    assert (document["one"]["engine"], document["many"]["engine"], document["many_from"]) == (
        "onnxruntime",
        "openvino",
        4,
    )


@needs_openvino
def test_the_fastest_that_answers_wrongly_is_told_and_the_next_one_taken(
    edgerun: Edgerun, pack: Pack, made_up: MadeUpTrial
) -> None:
    made_up.golden = {"int8 on openvino": right(0.5)}
    ran = edgerun("prepare", pack.path)
    assert "  any scans    fp32 on onnxruntime" in ran.out
    assert "  not          int8 on openvino: P408: It does not give the known answers: case by 0.5000" in ran.out


def test_all_that_is_installed_is_prepared_and_one_that_fails_ends_no_other(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed-packs"
    good = open_pack(write_tiny_pack(installed / "good", tiny_manifest(name="good")))
    write_tiny_pack(installed / "bad", tiny_manifest(name="bad"))
    monkeypatch.setattr("edge.pack.store.EMBEDDED", tmp_path / "none")

    def trial(pack: Pack, **_: object) -> MadeUpTrial:
        died = "it was ended by signal SIGKILL"
        return MadeUpTrial({"fp32 on onnxruntime": died if pack.manifest.name == "bad" else visit(0.1, 0.1)})

    monkeypatch.setattr("edge.ready.prepare.TrialApart", trial)
    ran = edgerun("prepare")
    assert ran.code == 6
    assert "bad: E500" in ran.err
    assert "SIGKILL" in ran.err
    assert read_record(good.sha256) is not None


def test_one_that_fails_alone_has_the_exit_code_of_its_kind(edgerun: Edgerun, pack: Pack, made_up: MadeUpTrial) -> None:
    made_up.visits = dict.fromkeys(VISITS, "it died")
    assert edgerun("prepare", pack.path).code == 5
    assert edgerun("prepare", "no-such-pack").code == 4
    assert edgerun("prepare", pack.path, "--engine", "openvno").code == 2


def test_an_interrupt_says_so_and_leaves_no_record(
    edgerun: Edgerun, pack: Pack, made_up: MadeUpTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(made_up, "visit", interrupt)
    ran = edgerun("prepare", pack.path)
    assert ran.code == 130
    said = "edgerun: Preparing tiny: it was interrupted (fp32 on onnxruntime: round 1 of 5). Nothing half-made stays"
    assert said in ran.err.replace("openvino", "onnxruntime").replace("int8", "fp32")  # the order is drawn
    assert read_record(pack.sha256) is None


def test_an_interrupt_ends_all_that_was_to_follow_and_keeps_what_was_done(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed-packs"
    packs = {name: open_pack(write_tiny_pack(installed / name, tiny_manifest(name=name))) for name in ("a", "b", "c")}
    monkeypatch.setattr("edge.pack.store.EMBEDDED", tmp_path / "none")

    def trial(pack: Pack, **_: object) -> MadeUpTrial:
        if pack.manifest.name == "b":
            raise KeyboardInterrupt
        return MadeUpTrial({"fp32 on onnxruntime": visit(0.1, 0.1)})

    monkeypatch.setattr("edge.ready.prepare.TrialApart", trial)
    monkeypatch.setattr("edge.ready.prepare.available_engines", lambda: ("onnxruntime",))
    ran = edgerun("prepare")
    assert ran.code == 130
    assert "Preparing b: it was interrupted (looking for engines)" in ran.err
    assert "Give the command again for this pack." in ran.err
    assert [read_record(packs[name].sha256) is not None for name in "abc"] == [True, False, False]


# infer ----------------------------------------------------------------------------------------------------


@needs_openvino
def test_one_scan_and_a_folder_run_on_the_engine_that_is_the_fastest_for_each(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path
) -> None:
    write_record(record_of(pack, chosen("onnxruntime"), chosen("openvino", "int8"), many_from=3))
    asked = ("--pack", pack.path, "--json", "--out")
    one = edgerun("infer", folder / "60.png", *asked, tmp_path / "one")
    many = edgerun("infer", folder, *asked, tmp_path / "many")
    assert engines_of(one.reports) == {("onnxruntime", "fp32")}
    assert engines_of(many.reports) == {("openvino", "int8")}
    assert "note" not in one.err + many.err


@needs_openvino
def test_an_engine_that_is_asked_for_runs_whatever_was_found(edgerun: Edgerun, pack: Pack, folder: Path) -> None:
    write_record(record_of(pack, chosen("openvino", "int8")))
    asked = ("--pack", pack.path, "--json", "--out", folder.parent / "out")
    ran = edgerun("infer", folder / "60.png", *asked, "--engine", "onnxruntime")
    assert engines_of(ran.reports) == {("onnxruntime", "fp32")}


@needs_openvino
def test_what_is_finished_stays_when_another_engine_is_found_and_what_is_missing_is_done_by_it(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path
) -> None:
    asked = ("--pack", pack.path, "--json", "--out", tmp_path / "out")
    write_record(record_of(pack, chosen("onnxruntime")))
    before = edgerun("infer", folder / "60.png", *asked).reports
    write_record(record_of(pack, chosen("openvino", "int8")))
    after = edgerun("infer", folder, *asked).reports
    (same,) = [report for report in after if report["folder"] == before[0]["folder"]]
    assert same == before[0]
    assert engines_of(after) == {("onnxruntime", "fp32"), ("openvino", "int8")}


def test_a_record_of_another_version_is_told_once_and_the_usual_engine_runs(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path
) -> None:
    record = record_of(pack, chosen("openvino", "int8"))
    write_record(replace(record, versions={**record.versions, "onnxruntime": "1.0"}))
    ran = edgerun("infer", folder, "--pack", pack.path, "--json", "--out", tmp_path / "out")
    assert ran.code == 0
    assert ran.err.count("prepared with another version of onnxruntime; run `edgerun prepare`") == 1
    assert engines_of(ran.reports) == {("onnxruntime", "fp32")}


def test_a_gpu_that_no_gate_saw_warns_with_every_result(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen(CUDA, judged=False)))
    ran = edgerun("infer", folder, "--pack", pack.path, "--json", "--out", tmp_path / "out")
    assert ran.code == 0
    assert len(ran.reports) == 4
    assert engines_of(ran.reports) == {(CUDA, "fp32")}
    for report in ran.reports:
        assert "P411" in codes([report])


@pytest.mark.parametrize("wrong", [CUDA, "openvino"])
def test_what_is_finished_is_done_again_where_its_engine_was_since_found_wrong(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen(CUDA, judged=False)))
    asked = ("infer", folder / "60.png", "--pack", pack.path, "--json", "--out", tmp_path / "out")
    assert engines_of(edgerun(*asked).reports) == {(CUDA, "fp32")}
    right_one = chosen("onnxruntime")
    told = (tried(right_one), tried(chosen(wrong, judged=False), "P408: It does not give the known answers."))
    write_record(record_of(pack, right_one, tried=told))
    assert engines_of(edgerun(*asked).reports) == {("onnxruntime" if wrong == CUDA else CUDA, "fp32")}


def test_a_gpu_that_is_gone_ends_the_run_unless_a_slower_engine_is_allowed(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    write_record(record_of(pack, chosen(CUDA, judged=False)))
    no_gpu(monkeypatch)
    asked = ("infer", folder, "--pack", pack.path, "--json", "--out", tmp_path / "out")
    ran = edgerun(*asked)
    assert (ran.code, ran.out) == (5, "")
    assert "E504" in ran.err
    assert "--allow-slower" in ran.err
    ran = edgerun(*asked, "--allow-slower")
    assert ran.code == 0
    assert engines_of(ran.reports) == {("onnxruntime", "fp32")}
    assert codes(ran.reports) >= {"E504"}
    assert "P411" not in codes(ran.reports)


def test_a_refused_scan_has_run_on_no_engine_and_warns_of_none(
    edgerun: Edgerun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    pack = pack_with(tmp_path, model("fp32", "onnxruntime"), status="architecture-only")
    write_record(record_of(pack, chosen(CUDA, judged=False)))
    scan = picture(tmp_path / "a.png")
    ran = edgerun("infer", scan, "--pack", pack.path, "--json", "--out", tmp_path / "out")
    assert ran.code == 7
    assert "P411" not in codes(ran.reports)


def test_inference_with_a_record_loads_no_engine_but_its_own(
    edgerun: Edgerun, pack: Pack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    write_record(record_of(pack, chosen("onnxruntime")))
    assert edgerun("infer", folder / "60.png", "--pack", pack.path, "--out", tmp_path / "out").code == 0
    assert "openvino" not in sys.modules
