"""The distance of features: what is learnt, what the graph says of it in every precision, and where the limits lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from convert.build import Plan
from convert.candidates import LOWERED
from convert.familiar import (
    DIRECTIONS,
    LEAST_SCANS,
    OUTPUT,
    distances,
    familiar_nodes,
    find_features,
    has_distance,
    insert_distance,
    learn,
    read_features,
)
from convert.familiar_limits import alarms_of, conformal_limit, interval_of, limits_of, of_likeness, of_one, unlimited
from convert.familiar_rule import FamiliarRule
from convert.familiar_step import apart, with_familiar, with_undecided
from convert.half import to_fp16
from convert.labels import LabelledSet
from convert.measure import measure
from convert.measured import Candidate, Measured
from convert.optimise import optimise
from convert.quantise import calibrate, head_nodes, quantise
from convert.road import travel
from convert.tune import Labelled
from convert.work import Work
from edge.check.familiar import Likeness
from edge.engines import available_engines, open_engine
from edge.errors import UsageError
from edge.findings import Classification, Refusal
from edge.pack.manifest import ClassificationTask, Model, Precision
from edge.pack.onnx_file import inspect_onnx
from edge.pack.store import Pack, open_pack
from edge.pipeline import Examination, examine
from edge.testing import phantom_scan, tiny_manifest, tiny_model, tiny_segmentation
from tests.convert.graphs import Builder, Feed, graph_of, operators, residual_network, run, u_network
from tests.convert.scans import Bench, Heard, Pixels, bench, bright_rows, pictures, write_pictures
from tests.convert.tails import CHANNELS, LAYERS, OTHER_ENDS, POOLINGS, Net, tail

Array = NDArray[Any]
CPU = [name for name in available_engines() if name in ("onnxruntime", "openvino")]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


def typical(count: int = 200, seed: int = 1) -> list[Feed]:
    """Pictures such as the net learnt from: the first channel is bright, the second dark."""
    random = np.random.default_rng(seed)
    bright = random.normal(1.0, 0.1, (count, 2, 8, 8)) * np.array([1.0, 0.2]).reshape(1, 2, 1, 1)
    return [{"image": (picture + random.normal(0, 0.1))[np.newaxis].astype(np.float32)} for picture in bright]


def strange(count: int = 20) -> list[Feed]:
    """The same with the channels swapped."""
    return [{"image": np.ascontiguousarray(feed["image"][:, ::-1])} for feed in typical(count, seed=2)]


@pytest.fixture(scope="module")
def plain() -> bytes:
    return optimise(residual_network())


@pytest.fixture(scope="module")
def told(plain: bytes) -> bytes:
    """A network that tells the distance from typical pictures."""
    features = find_features(plain, "logit", scores=True)
    return insert_distance(plain, features, learn(read_features(plain, features, typical())))


@pytest.fixture(scope="module")
def made(told: bytes) -> dict[Precision, bytes]:
    kept = (*head_nodes(told, ["logit", "cam"]), *familiar_nodes(told))
    int8 = quantise(calibrate(told, typical(32), method="minmax"), keep_float=kept)
    return {"fp32": told, "fp16": to_fp16(told, keep_float=familiar_nodes(told)), "int8": int8}


def said(model: bytes, feeds: list[Feed], engine: str, precision: Precision) -> Array:
    if precision == "int8":
        model = LOWERED[engine](model)
    opened = open_engine(engine, model, precision=precision, threads=1)
    try:
        return np.array([float(opened.infer(feed)[OUTPUT][0, 0]) for feed in feeds])
    finally:
        opened.close()


# What is learnt ------------------------------------------------------------------------------------------------


def features(count: int = 300, channels: int = 6, seed: int = 0) -> Array:
    """Features of one direction, as those of a net are, with noise about it."""
    random = np.random.default_rng(seed)
    return 5 + random.normal(0, np.linspace(0.1, 0.5, channels), (count, channels))


@pytest.mark.parametrize("channels", [6, DIRECTIONS, DIRECTIONS + 16])
def test_of_scans_like_those_that_were_learnt_from_the_distance_is_about_1(channels: int) -> None:
    learnt = learn(features(2000, channels))
    assert np.sqrt((distances(features(500, channels, seed=9), learnt) ** 2).mean()) == pytest.approx(1.0, abs=0.1)


def test_the_distance_is_that_of_mahalanobis_of_features_of_length_1() -> None:
    """Of very many scans nothing is shrunk, so that it is that of their own mean and covariance."""
    seen = features(50_000, 4)
    unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
    off = unit[:50] - unit.mean(axis=0)
    inverse = np.linalg.pinv(np.cov(unit.T))
    kept = np.sqrt(np.einsum("ni,ij,nj->n", off, inverse, off) / 4)
    assert distances(seen[:50], learn(seen)) == pytest.approx(kept, rel=0.15)


def test_the_strength_of_features_does_not_count() -> None:
    learnt = learn(features())
    some = features(20, seed=3)
    assert distances(7.5 * some, learnt) == pytest.approx(distances(some, learnt))


def test_a_feature_that_was_always_there_and_is_missing_is_far_away() -> None:
    seen = features()
    without = seen[:20].copy()
    without[:, 2] = 0
    assert distances(without, learn(seen)).min() > 3 * distances(seen, learn(seen)).max()


def test_what_lies_beyond_the_principal_directions_counts_too() -> None:
    """Scans vary along 4 of 90 features: what changes any other one is strange."""
    random = np.random.default_rng(4)
    seen = np.full((400, 90), 5.0) + random.normal(0, 0.01, (400, 90))
    seen[:, :4] += random.normal(0, 1.0, (400, 4))
    learnt = learn(seen)
    other = seen[:10].copy()
    other[:, 80] += 0.5
    assert learnt.directions.shape == (90, DIRECTIONS)
    assert distances(other, learnt).min() > 2 * distances(seen, learnt).max()


def test_features_that_are_all_zero_have_a_distance() -> None:
    assert np.isfinite(distances(np.zeros((1, 6)), learn(features()))).all()


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (features(LEAST_SCANS - 1), "expected at least"),
        (np.full((60, 3), np.nan), "no numbers"),
        (np.ones((60, 3)), "the same features"),
    ],
    ids=["few", "not numbers", "constant"],
)
def test_nothing_is_learnt_from_scans_that_tell_nothing(seen: Array, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        learn(seen)


# The features of a net -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_of_every_end_the_features_are_what_the_last_layer_reads(pooling: str, layer: str) -> None:
    net = tail(pooling, layer)
    model = optimise(net.built())
    found = read_features(model, find_features(model, "logit", scores=True), [net.images()])
    assert found.shape == (6, CHANNELS)


def test_features_in_volumes_are_averaged_over_space() -> None:
    net = tail("GlobalAveragePool", "Gemm", rank=3)
    model = optimise(net.built())
    name = find_features(model, "logit", scores=True)
    learnt = learn(read_features(model, name, [net.images(LEAST_SCANS)]))
    assert run(insert_distance(model, name, learnt), net.images())[OUTPUT].shape == (6, 1)


def test_of_a_net_that_widens_again_the_features_are_its_bottleneck() -> None:
    model = optimise(u_network())
    found = read_features(model, find_features(model, "mask", scores=False), typical(3))
    assert found.shape == (3, 16)


def test_a_net_without_a_layer_with_weights_goes_without() -> None:
    with pytest.raises(UsageError, match="goes without"):
        find_features(optimise(tiny_model()), "scores", scores=True)


@pytest.mark.parametrize("end", ["attention", "two layers", "two layers in a row", "flattened", "quarters", "padded"])
def test_nets_that_have_no_map_have_features_all_the_same(end: str) -> None:
    net = Net()
    OTHER_ENDS[end](net)
    model = optimise(net.built())
    found = read_features(model, find_features(model, "logit", scores=True), [net.images()])
    assert found.shape[0] == 6
    assert found.std(axis=0).max() > 0


# The graph -----------------------------------------------------------------------------------------------------


def test_the_graph_says_what_was_computed_here(plain: bytes, told: bytes) -> None:
    name = find_features(plain, "logit", scores=True)
    learnt = learn(read_features(plain, name, typical()))
    both = [*typical(10, seed=8), *strange(10)]
    expected = distances(read_features(plain, name, both), learnt)
    assert said(told, both, "onnxruntime", "fp32") == pytest.approx(expected, rel=1e-3)


def test_the_graph_of_many_features_says_what_was_computed_here() -> None:
    """More than there are directions: what these leave over is in the graph, too."""
    net = Builder()
    mean = net.node("Flatten", net.node("GlobalAveragePool", net.node("Relu", net.conv("image", 2, 80))))
    net.node("Gemm", mean, net.weights(80, 1), output="logit")
    model = optimise(net.model({"logit": ["batch", 1]}))
    name = find_features(model, "logit", scores=True)
    learnt = learn(read_features(model, name, typical()))
    assert learnt.rest > 0
    found = said(insert_distance(model, name, learnt), strange(), "onnxruntime", "fp32")
    assert found == pytest.approx(distances(read_features(model, name, strange()), learnt), rel=1e-3)


def test_the_other_outputs_are_the_very_same(plain: bytes, told: bytes) -> None:
    feed = {"image": np.concatenate([feed["image"] for feed in strange(4)])}
    before, after = run(plain, feed), run(told, feed)
    assert all((before[name] == after[name]).all() for name in before)
    assert set(after) == {*before, OUTPUT}


def test_it_is_plain_onnx_that_a_pack_may_hold(made: dict[Precision, bytes]) -> None:
    for precision, model in made.items():
        onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
        assert inspect_onnx(model, precision).opset <= 20


def test_the_same_model_and_scans_give_the_same_bytes(plain: bytes, told: bytes) -> None:
    name = find_features(plain, "logit", scores=True)
    assert insert_distance(plain, name, learn(read_features(plain, name, typical()))) == told


def test_a_distance_is_not_inserted_twice(told: bytes) -> None:
    assert has_distance(told)
    with pytest.raises(UsageError, match="already"):
        insert_distance(told, "features", learn(features(channels=8)))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_its_nodes_stay_in_float32(made: dict[Precision, bytes], precision: Precision) -> None:
    constants = [item for item in graph_of(made[precision]).initializer if item.name.startswith(OUTPUT)]
    assert len(constants) > 5
    kinds = {item.data_type for item in constants}
    assert kinds == {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


def test_int8_weighs_as_many_layers_with_it_as_without(plain: bytes, made: dict[Precision, bytes]) -> None:
    kept = head_nodes(plain, ["logit", "cam"])
    without = quantise(calibrate(plain, typical(32), method="minmax"), keep_float=kept)
    quantised = [operators(model)["QuantizeLinear"] for model in (without, made["int8"])]
    assert quantised[0] == quantised[1] > 0
    feed = strange(1)[0]
    assert (run(without, feed)["logit"] == run(made["int8"], feed)["logit"]).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("engine", CPU)
def test_on_every_engine_in_every_precision_strange_pictures_lie_beyond_typical_ones(
    made: dict[Precision, bytes], engine: str, precision: Precision
) -> None:
    near, far = (said(made[precision], feeds, engine, precision) for feeds in (typical(40, seed=8), strange()))
    assert near.max() < 4 < far.min()
    exact = said(made["fp32"], strange(), "onnxruntime", "fp32")
    assert far == pytest.approx(exact, rel={"fp32": 1e-3, "fp16": 0.02, "int8": 0.2}[precision])


# Limits --------------------------------------------------------------------------------------------------------


def measured(count: int, *, energy: bool = False) -> Measured:
    """So many scans at the distances 1, 2, 3 and so on, and as sure as they are near."""
    far = np.arange(1.0, count + 1)
    return Measured(likeness={"distance": far, **({"energy": -far} if energy else {})})


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_of_scans_like_those_that_gave_a_limit_at_most_the_share_lies_beyond(share: float) -> None:
    """Over many draws: the promise is of the mean over sets of scans."""
    random = np.random.default_rng(11)
    limits = [conformal_limit(random.normal(size=60), share) for _ in range(4000)]
    beyond = (random.normal(size=len(limits)) > [limit for limit, _ in limits]).mean()
    assert beyond <= limits[0][1] + 0.01
    assert limits[0][1] == pytest.approx(max(share, 1 / 61), abs=1 / 61)


def test_a_thousand_scans_give_two_limits_and_say_how() -> None:
    limits = limits_of(FamiliarRule(), measured(1000), "scans")
    assert limits is not None
    assert (limits.distance.warn, limits.distance.refuse) == (991.0, 1000.0)
    assert limits.distance.rule == "of scans like these at most 1.00% warned of, at most 0.10% refused"
    assert (limits.distance.n, limits.distance.chosen_on, limits.energy) == (1000, "scans", None)


def test_fewer_scans_promise_no_more_than_they_can() -> None:
    limits = limits_of(FamiliarRule(), measured(270), "scans")
    assert limits is not None
    assert "at most 0.37% refused" in limits.distance.rule


def test_some_scans_only_warn_and_very_few_give_no_limit() -> None:
    limits = limits_of(FamiliarRule(), measured(50), "scans")
    assert limits is not None
    assert (limits.distance.warn, limits.distance.refuse) == (50.0, None)
    assert "none refused" in limits.distance.rule
    assert limits_of(FamiliarRule(), measured(18), "scans") is None
    assert limits_of(FamiliarRule(), Measured(), "scans") is None


def test_no_scan_that_made_a_limit_lies_beyond_it_by_rounding() -> None:
    far = np.random.default_rng(2).normal(1, 0.1, 200)
    limits = limits_of(FamiliarRule(), Measured(likeness={"distance": far}), "scans")
    assert limits is not None
    assert limits.distance.refuse is not None
    assert 0 <= limits.distance.refuse - far.max() <= 1e-4


def test_energy_has_a_limit_where_it_was_measured() -> None:
    limits = limits_of(FamiliarRule(), measured(999, energy=True), "scans")
    assert limits is not None
    assert limits.energy is not None
    assert limits.energy.warn == -10.0


def test_by_default_energy_is_for_several_labels() -> None:
    task = tiny_manifest().task
    assert isinstance(task, ClassificationTask)
    second = replace(task.labels[0], name="dark")
    several = replace(task, mode="multi-label", labels=(*task.labels, second))
    assert unlimited(task, FamiliarRule()).energy is None
    assert unlimited(task, FamiliarRule(energy=True)).energy is not None
    assert unlimited(several, FamiliarRule()).energy is not None
    assert unlimited(several, FamiliarRule(energy=False)).energy is None
    assert unlimited(replace(several, activation="none"), FamiliarRule(energy=True)).energy is None


def test_false_alarms_are_evidence_with_their_interval() -> None:
    item = Candidate(precision="int8", engine="openvino", file="model.onnx", onnx=b"")
    limits = limits_of(FamiliarRule(), measured(1000), "scans")
    rows = alarms_of(item, limits, Measured(likeness={"distance": np.array([1.0, 995.0, 2000.0, 3.0])}), "others")
    assert {row.metric: row.value for row in rows} == {"unfamiliar-warned": 0.25, "unfamiliar-refused": 0.25}
    assert rows[0].interval == interval_of(1, 4)
    assert {(row.n, row.label, row.data) for row in rows} == {(4, "all", "others")}
    assert alarms_of(item, None, measured(5), "others") == ()


def test_what_was_measured_of_each_scan_becomes_arrays() -> None:
    one = Likeness(distance=1.5, warn=2.0, refuse=3.0, energy=-1.0, energy_warn=0.0)
    found = of_likeness([of_one(one), of_one(replace(one, distance=2.5))])
    assert {name: values.tolist() for name, values in found.items()} == {"distance": [1.5, 2.5], "energy": [-1.0, -1.0]}
    assert of_one(replace(one, energy=None)) == {"distance": 1.5}
    assert of_likeness([]) == {}


# The step of a conversion --------------------------------------------------------------------------------------


def planted_net() -> bytes:
    """How bright a picture is, told from features of which two see edges, and the score does not listen to those."""
    net = Builder(channels=1)
    weights = np.zeros((4, 1, 3, 3), np.float32)
    weights[0, 0, 1, 1] = 1.0
    weights[1, 0, 1] = (-1.0, 0.0, 1.0)
    weights[2, 0, :, 1] = (-1.0, 0.0, 1.0)
    weights[3] = 1 / 9
    padding = [0, 0, 0, 0]
    value = net.node("Relu", net.node("Conv", "image", net.constant(weights), output="first", pads=padding))
    mean = net.node("Flatten", net.node("GlobalAveragePool", value))
    head = np.array([[10.0, 0.0, 0.0, 10.0]], np.float32)
    bias = net.constant(np.array([-10.0], np.float32))
    net.node("Gemm", mean, net.constant(head), bias, output="scores", transB=1)
    return net.model({"scores": ["batch", 1]})


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("familiar")
    write_pictures(folder / "learnt", pictures(80, seed=7)[0])
    return bench(folder, planted_net(), rows=bright_rows(folder, 240))


def planned(workshop: Bench, cases: int = 80, **changes: Any) -> tuple[Plan, tuple[str, ...]]:
    description = replace(workshop.description, **changes)
    learnt = [(workshop.model.parent / "learnt" / f"{index:03}.png",) for index in range(cases)]
    return with_familiar(workshop.plan(), description, learnt, Work(None))


def test_a_classification_gets_the_distance_without_being_asked(workshop: Bench) -> None:
    plan, (note,) = planned(workshop)
    assert has_distance(plan.onnx)
    assert plan.draft.models[0].familiar is not None
    assert "80 scans" in note


def test_with_too_few_scans_the_report_says_that_it_goes_without(workshop: Bench) -> None:
    plan, (note,) = planned(workshop, 10)
    assert not has_distance(plan.onnx)
    assert plan.draft.models[0].familiar is None
    assert "will not be told" in note
    assert "expected at least 50" in note


def test_what_is_asked_for_and_cannot_be_had_is_an_error(workshop: Bench) -> None:
    with pytest.raises(UsageError, match="expected at least 50"):
        planned(workshop, 10, familiar=FamiliarRule())


def test_it_can_be_left_out(workshop: Bench) -> None:
    plan, notes = planned(workshop, familiar=FamiliarRule(check=False))
    assert not has_distance(plan.onnx)
    assert notes == ()


def test_an_untrained_model_has_learnt_nothing(workshop: Bench) -> None:
    plan = workshop.plan()
    plan = replace(plan, draft=replace(plan.draft, status="architecture-only"))
    assert with_familiar(plan, workshop.description, [], Work(None)) == (plan, ())


def test_a_segmentation_gets_it_only_where_it_is_asked_for(workshop: Bench) -> None:
    plan = workshop.plan()
    plan = replace(plan, draft=replace(plan.draft, task=tiny_segmentation()))
    assert with_familiar(plan, workshop.description, [], Work(None)) == (plan, ())


def test_what_is_usual_is_not_learnt_from_scans_of_the_tables(workshop: Bench) -> None:
    plan = workshop.plan()
    assert plan.tune is not None
    own = plan.tune.scans.cases[0]
    other = (workshop.model.parent / "learnt" / "000.png",)
    assert apart([own, other], plan) == (other,)


def test_a_graph_without_the_distance_leaves_the_draft_as_it_is(workshop: Bench) -> None:
    draft = workshop.plan().draft
    assert with_undecided(None, draft, workshop.onnx) is draft


# A whole pack, whose net is planted ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pack(workshop: Bench) -> Pack:
    out = workshop.model.parent / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convert.gate.judge.RESAMPLES", 200)
        travel(workshop.road(out, learnt=workshop.model.parent / "learnt"), Heard())
    return open_pack(out / "workshop")


def looked_at(pack: Pack, model: Model, picture: Pixels) -> Examination:
    values = picture.astype(np.float32).ravel().tolist()
    scan = replace(phantom_scan((1, *picture.shape), values=values), value_range=(0.0, 255.0))
    engine = open_engine(model.engines[0], pack.read_model(model)[0], precision=model.precision, threads=1)
    try:
        return examine({"image": scan}, pack.manifest, model, engine)
    finally:
        engine.close()


def test_every_model_of_the_pack_has_limits_of_its_own(pack: Pack) -> None:
    told = {(model.precision, model.engines[0]): model.familiar for model in pack.manifest.models}
    assert set(told) == {(precision, engine) for precision in ("fp32", "int8") for engine in CPU}
    assert None not in told.values()
    assert len({str(limits) for limits in told.values()}) > 1


def test_how_often_good_scans_are_refused_stands_in_the_evidence(pack: Pack) -> None:
    rows = [row for row in pack.manifest.evidence if row.metric == "unfamiliar-refused"]
    assert len(rows) == len(pack.manifest.models)
    assert all(row.value <= 0.05 and row.interval and row.n == 120 for row in rows)


def test_a_scan_as_those_that_it_learnt_from_passes_on_every_engine_in_every_precision(pack: Pack) -> None:
    """The one in the middle of many: it lies within any limit."""
    (picture,) = pictures(1, seed=31)[0]
    for model in pack.manifest.models:
        said = looked_at(pack, model, picture)
        assert isinstance(said.findings, Classification), (model.precision, model.engines)


def test_a_chequered_scan_is_refused_on_every_engine_in_every_precision(pack: Pack) -> None:
    """As bright as the others, so that its score would be as sure."""
    stripes = np.where(np.indices((16, 16)).sum(axis=0) // 4 % 2, 230, 25).astype(np.uint8)
    for model in pack.manifest.models:
        said = looked_at(pack, model, stripes)
        assert isinstance(said.findings, Refusal), (model.precision, model.engines)
        assert [note.reason.code for note in said.findings.notices] == ["C750"]
        assert said.likeness is not None
        assert said.likeness.distance > (said.likeness.refuse or np.inf)


def test_a_file_that_was_made_elsewhere_is_judged_without_the_distance(workshop: Bench) -> None:
    """It does not give it; the reference beside it does."""
    plan, _ = planned(workshop)
    some = Labelled(scans=LabelledSet(paths=plan.tune.scans.paths[:20], truths={}), words="some") if plan.tune else None
    assert some is not None
    made: tuple[tuple[Precision, bytes], ...] = (("fp32", plan.onnx), ("int8", workshop.onnx))
    items = [
        Candidate(precision=precision, engine="onnxruntime", file=f"{precision}.onnx", onnx=onnx)
        for precision, onnx in made
    ]
    found = measure(some.scans, plan.draft, items, Heard())
    assert len(found["fp32 on onnxruntime"].likeness["distance"]) == 20
    assert found["int8 on onnxruntime"].likeness == {}
    assert found["int8 on onnxruntime"].problem == ""
