"""What the benchmarks make of their numbers; nothing here is timed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from benchmarks import conversion
from benchmarks.engines import (
    BASE,
    BY_HAND,
    FASTER,
    HANDS,
    LARGEST_ERROR,
    SMALLER,
    Contender,
    Report,
    Row,
    contenders,
    figures_of,
    lines_of,
    overheads_of,
    rows_of,
    verdicts_of,
)
from benchmarks.nets import LOWERING, NETS, Net, manifest_of, relative_error
from benchmarks.paired import Paired
from benchmarks.peers.by_hand import open_by_hand
from convert.sources import RECIPES
from edge.engines import ENGINES, open_engine
from edge.testing import tiny_model

NET = Net(
    name="unet2d",
    fp32=b"f" * 4000,
    fp16=b"h" * 2000,
    signed=b"s" * 1100,
    lowered=dict.fromkeys(ENGINES, b"u" * 1000),
    feeds=(),
)
INT8 = Row(
    name="INT8 on openvino",
    precision="int8",
    packed=True,
    median_ms=10.0,
    faster=4.0,
    low=3.9,
    high=4.1,
    file_bytes=1000,
    smaller=4.0,
    error=0.03,
    peak_bytes=150_000_000,
)


def contender(name: str, *, precision: str = "fp32", file_bytes: int | None = 4000) -> Contender:
    return Contender(name=name, engine="onnxruntime", precision=precision, model=b"", file_bytes=file_bytes)


def rows(seconds: dict[str, list[float]], items: list[Contender]) -> tuple[Row, ...]:
    zero = dict.fromkeys(seconds, 0.0)
    return rows_of(items, Paired(seconds=seconds), zero, dict.fromkeys(seconds))


def report(*found: Row, net: str = "unet2d", notes: tuple[str, ...] = ()) -> Report:
    return Report(
        net=net,
        rounds=3,
        rows=found,
        verdicts=verdicts_of(net, found),
        overheads={"openvino": (1.01, 0.99, 1.03)},
        notes=notes,
        load=(0.5, 1.25),
    )


def test_a_contender_of_half_the_time_is_twice_as_fast() -> None:
    items = [contender(BASE), contender("half")]
    base, half = rows({BASE: [0.2, 0.4, 0.6], "half": [0.1, 0.2, 0.3]}, items)
    assert (half.faster, half.low, half.high) == pytest.approx((2, 2, 2))
    assert (half.median_ms, base.median_ms) == pytest.approx((200, 400))


def test_ratios_are_taken_within_a_round_not_of_the_medians() -> None:
    """The machine slowed down threefold in the second round, for both; in the third for one alone."""
    items = [contender(BASE), contender("other")]
    _, other = rows({BASE: [0.2, 0.6, 0.2], "other": [0.1, 0.3, 0.3]}, items)
    assert other.faster == pytest.approx(2)
    assert other.low < 1 < other.high


def test_the_base_is_as_fast_and_as_large_as_itself() -> None:
    (base,) = rows({BASE: [0.2, 0.3]}, [contender(BASE)])
    assert (base.faster, base.low, base.high, base.smaller) == (1, 1, 1, 1)


def test_a_file_of_a_quarter_is_four_times_as_small_and_a_peer_has_no_file() -> None:
    items = [contender(BASE), contender("quarter", file_bytes=1000), contender("peer", file_bytes=None)]
    _, quarter, peer = rows({item.name: [0.1] for item in items}, items)
    assert quarter.smaller == 4
    assert peer.smaller is None


def test_rows_stand_in_the_order_of_the_contenders() -> None:
    items = [contender("late"), contender(BASE), contender("early")]
    assert [row.name for row in rows({BASE: [1.0], "early": [1.0], "late": [1.0]}, items)] == ["late", BASE, "early"]


def test_the_fastest_int8_is_held_against_both_aims() -> None:
    slow = replace(INT8, name="INT8 on onnxruntime", faster=1.5, low=1.4, high=1.6)
    fast, small = verdicts_of("unet2d", [slow, INT8])
    assert (fast.by, fast.aim, fast.outcome) == (INT8.name, FASTER["unet2d"], "met")
    assert (small.by, small.aim, small.outcome) == (INT8.name, SMALLER, "met")


def test_what_no_pack_holds_meets_no_aim() -> None:
    signed = replace(INT8, name="INT8 signed on openvino", packed=False, faster=9.0, low=9.0, high=9.0)
    slow = replace(INT8, faster=2.0, low=1.9, high=2.1)
    assert verdicts_of("unet2d", [signed, slow])[0].outcome == "missed"
    assert verdicts_of("unet2d", [signed]) == ()


def test_fp16_is_information_not_an_aim() -> None:
    assert verdicts_of("unet2d", [replace(INT8, precision="fp16")]) == ()


def test_a_file_that_is_too_large_misses_its_aim() -> None:
    verdicts = verdicts_of("unet2d", [replace(INT8, smaller=3.4)])
    assert [item.outcome for item in verdicts] == ["met", "missed"]


def test_a_net_without_an_aim_of_speed_has_one_of_size() -> None:
    assert [item.what for item in verdicts_of("retinopathy-cnn", [INT8])] == ["times as small"]


def test_every_aim_is_that_of_a_net_that_is_measured() -> None:
    assert set(FASTER) <= set(NETS) <= set(RECIPES)


def test_every_engine_with_an_int8_of_its_own_has_a_lowering() -> None:
    """An NVIDIA GPU takes the signed graph as it is (TensorRT), or has no INT8 (ONNX Runtime's CUDA)."""
    assert set(LOWERING) == {name for name, entry in ENGINES.items() if not entry.device}


def test_an_engine_without_a_lowering_is_not_given_the_int8_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.engines.available_engines", lambda: ("onnxruntime", "onnxruntime-cuda"))
    net = replace(NET, lowered={"onnxruntime": b"u" * 1000})
    found = [item for item in contenders(net) if item.engine == "onnxruntime-cuda"]
    assert {item.opener for item in found} == {"edge.engines:open_prepared"}
    names = [item.name for item in found]
    assert names == ["FP32 on onnxruntime-cuda", "INT8 signed on onnxruntime-cuda", "FP16 on onnxruntime-cuda"]


def test_the_base_comes_first_and_no_name_twice() -> None:
    names = [item.name for item in contenders(NET)]
    assert names[0] == BASE
    assert len(names) == len(set(names))


def test_a_contender_runs_the_file_that_its_name_says() -> None:
    found = {item.name: item for item in contenders(NET)}
    assert found["FP32 on onnxruntime"].model == NET.fp32
    assert found["FP16 on onnxruntime"].model == NET.fp16
    assert found["INT8 on onnxruntime"].model == NET.lowered["onnxruntime"]
    assert all(item.file_bytes in (None, len(item.model)) for item in found.values())


def test_the_signed_graph_is_set_against_the_others_on_openvino_alone_and_is_not_packed() -> None:
    pytest.importorskip("openvino")
    signed = [item for item in contenders(NET) if item.model == NET.signed]
    assert [(item.engine, item.precision, item.packed) for item in signed] == [("openvino", "int8", False)]


def test_torch_is_a_peer_without_a_file() -> None:
    (peer,) = [item for item in contenders(NET) if item.engine == "torch"]
    assert (peer.file_bytes, peer.packed, peer.model) == (None, False, b"unet2d")


def test_equal_outputs_have_no_error() -> None:
    outputs = [{"y": np.arange(1.0, 5.0)}]
    assert relative_error(outputs, outputs) == 0


def test_the_error_is_that_of_the_worst_output() -> None:
    expected = [{"good": np.ones(4), "bad": np.ones(4)}]
    found = [{"good": np.ones(4), "bad": np.full(4, 1.5)}]
    assert relative_error(found, expected) == pytest.approx(0.5)


def test_the_error_is_taken_over_all_feeds_together() -> None:
    """A feed whose answer is near 0 does not decide alone."""
    expected = [{"y": np.array([1e-6])}, {"y": np.array([1.0])}]
    found = [{"y": np.array([2e-6])}, {"y": np.array([1.0])}]
    assert relative_error(found, expected) < 1e-5


def test_what_is_no_number_is_wrong_whatever_stands_beside_it() -> None:
    expected = [{"a": np.ones(2), "b": np.ones(2), "c": np.ones(2)}]
    found = [{"a": np.ones(2), "b": np.array([1.0, np.nan]), "c": np.full(2, 9.0)}]
    assert not relative_error(found, expected) < LARGEST_ERROR


def test_a_report_tells_numbers_aims_and_who_was_left_out() -> None:
    lines = lines_of(report(INT8, notes=("INT8 signed on openvino is not timed: its error of 0.184.",)))
    assert lines[0] == "U-Net 2-D (unet2d), 3 rounds, load 0.5 to 1.25"
    assert " ".join(lines[2].split()) == "INT8 on openvino 10.00 4.00 (3.90 to 4.10) 0.0 4.00 0.0300 150"
    assert "aim 3.5 times as fast: met, 4.00 by INT8 on openvino" in lines
    assert lines[-1].startswith("INT8 signed on openvino is not timed")


def test_columns_stand_under_their_heads() -> None:
    peer = replace(INT8, name="FP32 on torch, eager", file_bytes=None, smaller=None, peak_bytes=None)
    lines = lines_of(report(INT8, peer, net="retinopathy-cnn"))
    assert len({len(line) for line in lines[1:4]}) == 1
    assert lines[3].split()[-4:] == ["-", "-", "0.0300", "-"]


def test_the_fastest_int8_alone_has_the_aim_among_the_figures() -> None:
    slow = replace(INT8, name="INT8 on onnxruntime", faster=1.5, low=1.4, high=1.6)
    base = replace(INT8, name=BASE, precision="fp32", packed=True, faster=1.0)
    first, second, overhead = figures_of(report(base, slow, INT8))
    assert (first.at_least, second.at_least, second.found) == (None, FASTER["unet2d"], 4.0)
    assert second.what == f"U-Net 2-D: INT8 on openvino (10 ms) beside {BASE}"
    assert (overhead.found, overhead.low, overhead.high) == pytest.approx((1.0, -1.0, 3.0))
    assert overhead.outcome() == "met by the median, not by its interval"


def test_the_overhead_is_that_of_edgerun_over_the_loop_by_hand_of_the_same_engine() -> None:
    timed = Paired(seconds={BASE: [3.0], "FP32 on onnxruntime, by hand": [2.0], "FP32 on openvino": [1.0]})
    assert overheads_of(timed) == {"onnxruntime": (1.5, 1.5, 1.5)}


def test_a_loop_by_hand_runs_the_same_file_and_is_in_no_pack() -> None:
    hands = [item for item in contenders(NET) if item.name.endswith("by hand")]
    assert hands
    assert all((item.model, item.packed, item.opener) == (NET.fp32, False, BY_HAND) for item in hands)


@pytest.mark.parametrize("engine", HANDS)
def test_a_loop_by_hand_answers_as_edgerun_does(engine: str) -> None:
    pytest.importorskip(engine)
    onnx = tiny_model()
    feeds = {"image": np.ones((1, 1, 4, 4), np.float32)}
    with closing(open_by_hand(engine, onnx, precision="fp32", threads=1)) as hand:
        found = hand.infer(feeds)
        assert all(item.fits(feeds[item.name].shape) for item in hand.inputs)
    with closing(open_engine(engine, onnx, precision="fp32", threads=1)) as own:
        expected = own.infer(feeds)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_every_net_has_a_description_with_one_input(name: str) -> None:
    assert len(manifest_of(name).inputs) == 1


def cost(step: str, seconds: float, peak_bytes: int, file_bytes: int) -> conversion.Cost:
    return conversion.Cost(
        net="unet2d",
        step=step,
        process_seconds=seconds + 1,
        step_seconds=seconds,
        peak_bytes=peak_bytes,
        file_bytes=file_bytes,
    )


def test_conversions_are_told_by_median_seconds_largest_peak_and_size() -> None:
    runs = [cost("int8", seconds, peak, 10_000_000) for seconds, peak in ((2.0, 5), (9.0, 800_000_000), (3.0, 7))]
    lines = conversion.lines_of([cost("export", 8.0, 1_000_000_000, 40_000_000), *runs])
    assert " ".join(lines[1].split()) == "unet2d export 9.0 8.0 1000 40.0 1.00"
    assert " ".join(lines[2].split()) == "unet2d int8 4.0 3.0 800 10.0 4.00"


def test_conversions_are_measured_of_the_nets_whose_engines_are() -> None:
    assert tuple(NETS) == conversion.NETS
