"""`edgerun calibrate`: what it sets decides every later result, says so, and is dropped as soon as it does not fit."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.site.place import site_path
from edge.testing import tiny_manifest, write_tiny_pack
from tests.conftest import ROOT, Edgerun, Ran
from tests.site.pictures import labelled, picture

SCHEMA = ROOT / "edge" / "write" / "report.schema.json"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty bright and thirty dark pictures."""
    return labelled(tmp_path_factory.mktemp("scans"), 30, 30)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where their results lie: those that one test finished, the next one finds."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A picture below the pack's threshold, and above what the site will set."""
    return picture(tmp_path / "new.png", 124)


@pytest.fixture
def calibrated(edgerun: Edgerun, tiny_pack: Path, table: Path, out: Path) -> dict[str, Any]:
    """What was set for the tiny pack."""
    ran = edgerun("calibrate", tiny_pack, table, "--out", out, "--by", "Dr A", "--yes", "--json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert document["set"]
    return dict(document)


def result_of(ran: Ran) -> dict[str, Any]:
    (report,) = ran.reports
    jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))
    (result,) = report["results"]
    return dict(result)


def test_every_later_result_obeys_and_names_it(
    edgerun: Edgerun, tiny_pack: Path, scan: Path, tmp_path: Path, table: Path, out: Path
) -> None:
    infer = ("infer", scan, "--pack", tiny_pack, "--json", "--out", tmp_path / "results")
    before = edgerun(*infer)
    assert result_of(before)["state"] == "no-finding"
    assert result_of(before)["site"] is None
    ran = edgerun("calibrate", tiny_pack, table, "--out", out, "--yes", "--json")
    label = json.loads(ran.out)["decided"]["labels"]["bright"]
    assert label["sensitivity"]["n"] == label["specificity"]["n"] == 30
    assert "now (the pack's)" in ran.err
    after = edgerun(*infer)
    result = result_of(after)
    assert before.reports[0]["request_sha256"] != after.reports[0]["request_sha256"]
    assert before.reports[0]["folder"] != after.reports[0]["folder"]
    assert result["state"] == "finding"
    assert result["findings"]["labels"][0]["threshold"] == label["threshold"]
    assert result["findings"]["labels"][0]["probability"] is not None
    assert result["site"]["labels"]["bright"]["threshold"] == label["threshold"]
    assert result["site"]["file_sha256"] == json.loads(ran.out)["sha256"]
    assert "(site threshold" in after.err
    assert "was set at this site on" in after.err
    assert edgerun("calibrate", tiny_pack, "--remove").code == 0
    again = edgerun(*infer)
    assert again.reports == before.reports  # the finished one, as it was


def test_what_was_calibrated_is_shown(edgerun: Edgerun, tiny_pack: Path, calibrated: dict[str, Any]) -> None:
    ran = edgerun("calibrate", tiny_pack, "--show", "--json")
    assert json.loads(ran.out)["sha256"] == calibrated["sha256"]
    assert "by Dr A, from 60 scans (0 refused, 0 failed)" in ran.err
    assert str(site_path("tiny")) in ran.err


def test_the_pack_stays_as_its_maker_signed_it(tiny_pack: Path, calibrated: dict[str, Any]) -> None:
    assert {path.name for path in tiny_pack.iterdir()} == {"manifest.json", "model.onnx"}
    assert calibrated["decided"]["precision"] == "fp32"


def test_for_another_version_of_the_pack_it_is_not_used_and_that_is_said(
    edgerun: Edgerun, tiny_pack: Path, scan: Path, tmp_path: Path, calibrated: dict[str, Any]
) -> None:
    write_tiny_pack(tiny_pack, replace(tiny_manifest(), version="1.0.1"))
    ran = edgerun("infer", scan, "--pack", tiny_pack, "--json", "--out", tmp_path / "results")
    result = result_of(ran)
    assert (result["state"], result["site"]) == ("no-finding", None)
    (warning,) = (each for each in result["warnings"] if each["code"] == "P413")
    assert calibrated["decided"]["pack_sha256"][:8] in warning["detail"]
    assert "P413" in ran.err


def test_a_file_that_was_changed_stops_the_run(
    edgerun: Edgerun, tiny_pack: Path, scan: Path, tmp_path: Path, calibrated: dict[str, Any]
) -> None:
    path, limit = site_path("tiny"), str(calibrated["decided"]["labels"]["bright"]["threshold"])
    path.write_text(path.read_text(encoding="utf-8").replace(limit, "0.99"), encoding="utf-8")
    ran = edgerun("infer", scan, "--pack", tiny_pack, "--json", "--out", tmp_path / "results")
    assert ran.code == 4
    assert "P414" in ran.err
    assert ran.out == ""
    assert edgerun("calibrate", tiny_pack, "--show").code == 4
    assert edgerun("calibrate", tiny_pack, "--remove").code == 0
    assert edgerun("infer", scan, "--pack", tiny_pack, "--out", tmp_path / "results").code == 0


class Asked(io.StringIO):
    """A terminal with an answer."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "is_set"), [("y\n", True), ("n\n", False), ("\n", False), (None, False)])
def test_nothing_is_set_without_a_yes(
    edgerun: Edgerun,
    tiny_pack: Path,
    table: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    *,
    is_set: bool,
) -> None:
    stdin = io.StringIO() if answer is None else Asked(answer)
    monkeypatch.setattr("sys.stdin", stdin)
    ran = edgerun("calibrate", tiny_pack, table, "--out", out, "--json")
    assert ran.code == 0
    assert json.loads(ran.out.splitlines()[-1])["set"] is is_set
    assert site_path("tiny").exists() is is_set
    assert ("Not set. The command with --yes sets it." in ran.err) is not is_set


def test_too_few_scans_set_nothing(edgerun: Edgerun, tiny_pack: Path, table: Path, out: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    few = table.with_name("few.csv")
    few.write_text("\n".join([lines[0], *lines[1:7], *lines[-6:]]), encoding="utf-8")
    ran = edgerun("calibrate", tiny_pack, few, "--out", out, "--yes")
    assert ran.code == 4
    assert "P412" in ran.err
    assert "found 6 patients with it and 6 without" in ran.err
    assert not site_path("tiny").exists()


def test_where_nothing_is_set_that_is_said(edgerun: Edgerun, tiny_pack: Path) -> None:
    assert "nothing is set at this site" in edgerun("calibrate", tiny_pack, "--show").err
    ran = edgerun("calibrate", tiny_pack, "--remove", "--json")
    assert "nothing was set" in ran.err
    assert json.loads(ran.out) == {"removed": False}


@pytest.mark.parametrize("words", [(), ("--show", "--remove"), ("labels.csv", "--show")])
def test_a_command_that_makes_no_sense_is_refused(edgerun: Edgerun, tiny_pack: Path, words: tuple[str, ...]) -> None:
    assert edgerun("calibrate", tiny_pack, *words).code == 2
