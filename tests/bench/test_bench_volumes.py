"""`edgerun bench` of volumes: phantoms through windows, and studies of several series."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bench import ceiling, scenarios
from edge.bench.bench import measure
from tests.bench.scans import asked
from tests.test_systems import brats_pack, windowed_pack, write_four


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few starts of processes, small phantoms."""
    monkeypatch.setattr(scenarios, "COLD_STARTS", 2)
    monkeypatch.setattr("edge.bench.phantoms.VOLUME", (10, 12, 12))


@pytest.mark.parametrize("held_bytes", [0, 1 << 20])
def test_a_pack_of_volumes_in_windows_is_measured_with_phantoms(
    tmp_path: Path, held_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceiling, "MOST_HELD_BYTES", held_bytes)
    pack = windowed_pack(tmp_path / "pack")
    made = measure(asked(pack, names=("cold-start", "offline", "single-stream", "ceiling")), lambda _: None)
    assert made.origin == "phantom"
    assert [scenario.name for scenario in made.scenarios] == ["cold-start", "offline", "single-stream"]
    assert made.ceiling is not None
    assert 0 < made.ceiling.engine_ms < made.ceiling.whole_ms


def test_four_series_of_a_patient_are_one_scan_to_wait_for_and_can_be_copied(tmp_path: Path) -> None:
    write_four(tmp_path / "study")
    pack = brats_pack(tmp_path / "pack")
    request = asked(pack, tmp_path / "study", names=("folder", "multi-stream"))
    made = measure(request, lambda _: None)
    assert made.left_out == {}
    (scan,) = made.scans
    assert scan.files > 4
    folder, several = made.scenarios
    assert (folder.scans, several.scans_a_query) == (scenarios.FEWEST_FOLDER, 2)
