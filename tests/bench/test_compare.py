"""One run beside an earlier one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.bench.compare import compare, compared
from edge.bench.report import Compared
from edge.errors import UsageError
from tests.bench.reports import ENGINE, machine, pack, report, scenario


def latencies(seed: int, scale: float = 1.0, n: int = 200) -> list[float]:
    """Of a scenario of about 100 ms times `scale`."""
    values: list[float] = (scale * np.random.default_rng(seed).normal(100.0, 5.0, n)).tolist()
    return values


def outcome(now: list[float], earlier: list[float]) -> Compared:
    return compared(scenario(latencies=now), scenario(latencies=earlier))


def test_the_same_again_is_within_the_noise() -> None:
    outcomes = [outcome(latencies(2 * seed), latencies(2 * seed + 1)).outcome for seed in range(30)]
    assert outcomes.count("within the noise") >= 27


@pytest.mark.parametrize(("scale", "word"), [(0.5, "faster"), (2.0, "slower"), (0.9, "faster"), (1.1, "slower")])
def test_a_difference_that_exceeds_the_noise_is_told(scale: float, word: str) -> None:
    found = outcome(latencies(0, scale), latencies(1))
    assert found.outcome == word
    assert found.ratio == pytest.approx(scale, rel=0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.ratio <= found.high


def test_a_run_whose_own_halves_differ_as_much_proves_nothing() -> None:
    drifting = latencies(0, 1.0, 100) + latencies(1, 1.3, 100)
    found = outcome(latencies(2, 1.2), drifting)
    assert found.noise == pytest.approx(1.3, rel=0.03)
    assert found.outcome == "within the noise"


def test_a_few_queries_are_too_few_to_tell() -> None:
    found = outcome([50.0] * 5, [100.0] * 500)
    assert (found.outcome, found.ratio, found.low, found.noise) == ("too few to tell", 0.5, None, None)


def test_folders_of_several_sizes_are_compared_by_the_time_for_one_scan() -> None:
    assert compared(scenario("folder", [8000.0], each=8), scenario("folder", [2000.0], each=4)).ratio == 2.0


def test_scenarios_are_paired_by_name_and_those_of_one_run_left_out() -> None:
    now = report(scenario("cold-start"), scenario("single-stream"))
    earlier = report(scenario("single-stream"), scenario("offline", [5.0]), finished_utc="2025")
    found = compare(now, earlier)
    assert [item.name for item in found.scenarios] == ["single-stream"]
    assert found.earlier_utc == "2025"


def test_another_pack_is_not_compared_with() -> None:
    with pytest.raises(UsageError, match="Only runs of one and the same pack"):
        compare(report(), report(pack=pack(sha256="d" * 64)))


def test_the_same_machine_and_scans_differ_in_nothing() -> None:
    assert compare(report(), report()).differs == ()


def test_what_differs_of_the_machine_the_engine_and_the_versions_is_told() -> None:
    earlier = report(
        machine=machine(name="Another, 4 cores", power_mode=None, software={"numpy": "1.9", "openvino": "1"}),
        engine=replace(ENGINE, threads=4, precision="int8"),
        scans=(),
    )
    differs = "\n".join(compare(report(), earlier).differs)
    for words in (
        "machine: A processor, 2 cores, earlier Another, 4 cores",
        "power mode: governor performance, earlier not told",
        "threads: 2, earlier 4",
        "precision: fp32, earlier int8",
        "version of numpy: 2.0, earlier 1.9",
        "version of openvino: not told, earlier 1",
        "scans: cccccccccccc, earlier not told",
    ):
        assert words in differs
