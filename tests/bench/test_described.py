"""What is said of the pack, the scans and the machine, and of what could not be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bench import sysfs
from edge.bench.cases import given
from edge.bench.described import described_machine, described_pack, described_scans, not_measured
from edge.bench.report import KnownAnswer
from edge.bench.watch import Memory
from edge.device import usable_cores, versions
from edge.pack.store import find_pack
from tests.bench.reports import QUIET, UNTOLD, scenario


def test_a_machine_that_tells_all_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysfs, "power_mode", lambda: "governor performance")
    held = Memory(kind="pss", peak_bytes=1, at_most_bytes=1, gpu_bytes=1)
    assert not_measured([scenario(memory=held, conditions=QUIET)], "") == {}


def test_everything_that_is_missing_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysfs, "power_mode", lambda: "")
    missing = not_measured([scenario(memory=None, energy=(), conditions=UNTOLD)], "the package pynvml is not installed")
    assert set(missing) == {
        "memory",
        "memory of the GPU",
        "energy",
        "clocks",
        "temperatures",
        "throttling",
        "power mode",
    }
    assert missing["memory of the GPU"] == "the package pynvml is not installed"
    assert "only root" in missing["energy"]


def test_a_machine_that_was_never_throttled_was_measured_all_the_same() -> None:
    assert QUIET.throttled == {}
    assert "throttling" not in not_measured([scenario(conditions=QUIET)], "")


def test_what_one_scenario_has_is_not_missing() -> None:
    bare = scenario("cold-start", energy=(), conditions=UNTOLD)
    assert "energy" not in not_measured([bare, scenario()], "")


def test_only_the_model_that_ran_is_said_to_have_run() -> None:
    pack = find_pack("chest-pneumonia")
    ran = pack.manifest.models[2]
    known = (KnownAnswer(name="case", largest_difference=0.0, tolerance=0.1),)
    told = described_pack(pack, ran, known)
    assert [model.ran for model in told.models] == [model is ran for model in pack.manifest.models]
    assert [model.sha256 for model in told.models] == [model.sha256 for model in pack.manifest.models]
    assert (told.sha256, told.known_answers, told.thresholds) == (pack.sha256, known, ran.thresholds)
    assert told.evidence == pack.manifest.evidence


def test_scans_are_told_by_their_hashes_and_never_by_their_names(tmp_path: Path, examples: Path) -> None:
    path = tmp_path / "Mustermann-Erika.dcm"
    path.write_bytes((examples / "chest-normal-0234.dcm").read_bytes())
    (told,) = described_scans(given([path], {}, {}))
    assert (told.name, told.files, told.bytes) == ("scan 1", 1, path.stat().st_size)
    assert len(told.sha256) == 64
    assert "Mustermann" not in repr(told)


def test_the_machine_is_told_with_every_version_that_a_result_depends_on() -> None:
    told = described_machine(None)
    assert told.cores == usable_cores()
    assert told.software == versions()
    assert told.gpus == ()
    assert told.power_mode != ""
