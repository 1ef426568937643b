"""The demonstration recipe of a volume: its network, its training, its shipped weights, and the way through windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
for package in ("safetensors", "onnxscript", "scipy"):
    pytest.importorskip(package)

from torch import Tensor, nn  # noqa: E402

from convert.describe import parse_description, to_manifest  # noqa: E402
from convert.measure import scans_of  # noqa: E402
from convert.recipes import brain_tissue as recipe  # noqa: E402
from convert.recipes.brain_subjects import LABELS, Maps, Sight, load_maps, synthesise  # noqa: E402
from convert.recipes.contract import recipe_description  # noqa: E402
from convert.sources import Source, load_source  # noqa: E402
from convert.sources.trial import Runner  # noqa: E402
from edge.check import confirm  # noqa: E402
from edge.findings import Segmentation  # noqa: E402
from edge.pack.manifest import Manifest, Model  # noqa: E402
from edge.pipeline import examine  # noqa: E402
from edge.scan import Scan  # noqa: E402
from edge.testing import FakeEngine  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.convert.brains import wheel  # noqa: E402

EXAMPLE = ROOT / "examples" / "brain-t1-icbm152.nii.gz"
PLAIN = {"Conv", "ConvTranspose", "Relu", "MaxPool", "Concat"}
SMALL = replace(recipe.Config(), steps=6, batch=2, side=16, pool=3)


@pytest.fixture(scope="module", autouse=True)
def on_one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maps]:
    """Spheres, of which the recipe sees little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "SIGHT", Sight(shape=(20, 24, 18), spacing_mm=(2.0, 2.0, 2.0)))
        yield load_maps(wheel(tmp_path_factory.mktemp("maps") / "nilearn.whl", patch))


@pytest.fixture(scope="module")
def model() -> recipe.BrainTissue:
    return recipe.build_model()


@pytest.fixture(scope="module")
def source() -> Source:
    return load_source(recipe.NAME)


@pytest.fixture(scope="module")
def example() -> Scan:
    """What a person vouches for of a NIfTI file: that it is MR of a brain."""
    ((_, scan),) = scans_of([EXAMPLE])
    return replace(scan, acquisition=confirm(scan.acquisition, {"modality": "MR", "body-part": "BRAIN"}))


def volume(side: int, seed: int = 7) -> Tensor:
    noise: Tensor = torch.randn(1, 1, side, side, side, generator=torch.Generator().manual_seed(seed))
    return noise


def manifest_of(model: Model | None = None) -> Manifest:
    return to_manifest(
        parse_description(recipe_description(recipe.NAME).encode(), recipe.NAME), [model] if model else []
    )


# The network ---------------------------------------------------------------------------------------------


def test_it_is_small(model: recipe.BrainTissue) -> None:
    assert 300_000 < sum(parameter.numel() for parameter in model.parameters()) < 700_000
    assert recipe.WEIGHTS.stat().st_size < 3_000_000


@pytest.mark.parametrize("shape", [(16, 16, 16), (8, 24, 16)])
def test_every_voxel_gets_a_logit_for_each_class(model: recipe.BrainTissue, shape: tuple[int, int, int]) -> None:
    with torch.no_grad():
        found = model(torch.zeros(2, 1, *shape))
    assert found.shape == (2, recipe.CLASSES, *shape)
    assert found.dtype == torch.float32


def test_a_voxel_sees_further_than_its_neighbours(model: recipe.BrainTissue) -> None:
    image = volume(32)
    changed = image.clone()
    changed[..., 4, 16, 16] += 5
    with torch.no_grad():
        difference = (model(changed) - model(image)).abs().amax((0, 1))
    assert difference[4 + 8 :, 16, 16].max() > 0


def test_the_graph_is_plain_and_folded(source: Source) -> None:
    graph = onnx.load_from_string(source.onnx)
    assert {node.op_type for node in graph.graph.node} <= PLAIN
    assert [(entry.domain, entry.version <= 20) for entry in graph.opset_import] == [("", True)]
    assert not any("random ones" in note for note in source.notes)


def test_the_graph_answers_as_the_network(source: Source, model: recipe.BrainTissue) -> None:
    image = volume(recipe.SIDE)
    with torch.no_grad():
        expected = model(image).numpy()
    found = Runner(source.onnx).run({recipe.INPUT: image.numpy()})[recipe.OUTPUT]
    assert np.abs(found - expected).max() < 1e-4 * max(1.0, float(np.abs(expected).max()))


# The training --------------------------------------------------------------------------------------------


def test_training_is_reproducible(maps: Maps) -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    lines: list[str] = []
    first, second = (recipe.train(maps, 11, lines.append, SMALL).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert lines[0] == lines[1]
    assert lines[0].startswith("step 6 of 6: loss ")
    other = recipe.train(maps, 12, config=SMALL).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_training_learns(maps: Maps) -> None:
    subject = synthesise(maps, recipe.SIGHT, recipe.HELD_OUT)
    image = torch.from_numpy(recipe.prepared(subject.scan).voxels[:16, :24, :16])[None, None]
    truth = torch.from_numpy(subject.truth[:16, :24, :16]).long()[None]
    losses = []
    for steps in (1, 25):
        model = recipe.train(maps, 5, config=replace(SMALL, steps=steps))
        with torch.no_grad():
            losses.append(float(recipe.loss_of(model(image), truth)))
    assert losses[1] < 0.8 * losses[0]


def test_batch_normalisations_are_frozen_at_the_end(maps: Maps, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    whole = nn.BatchNorm3d.forward

    def forward(self: nn.BatchNorm3d, x: Tensor) -> Tensor:
        seen.append(self.training)
        result: Tensor = whole(self, x)
        return result

    monkeypatch.setattr(nn.BatchNorm3d, "forward", forward)
    recipe.train(maps, 1, config=replace(SMALL, steps=4, frozen=0.5))
    each = len(seen) // 4
    assert seen == [True] * 2 * each + [False] * 2 * each


def test_cubes_are_cut_from_several_subjects_and_match_their_truth(maps: Maps) -> None:
    batches = list(recipe._batches(maps, 3, SMALL))
    assert len(batches) == SMALL.steps
    for image, truth in batches:
        assert image.shape == (2, 1, 16, 16, 16)
        assert truth.shape == (2, 16, 16, 16)
        assert truth.dtype == torch.int64
        assert not torch.equal(image[0], image[1])
    member = (torch.arange(20 * 24 * 18).reshape(20, 24, 18), torch.arange(20 * 24 * 18).reshape(20, 24, 18))
    one, other = recipe._cube(member, 16, torch.Generator().manual_seed(0))
    assert torch.equal(one, other)


def test_seeds_that_are_held_out_are_never_learnt_from() -> None:
    config = recipe.Config()
    assert recipe.SEED * config.steps + config.batch + config.steps < recipe.HELD_OUT


def test_what_is_right_costs_nothing_and_what_is_wrong_costs_much() -> None:
    truth = torch.randint(0, recipe.CLASSES, (2, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    sure = nn.functional.one_hot(truth, recipe.CLASSES).permute(0, 4, 1, 2, 3).float() * 40
    assert float(recipe.loss_of(sure, truth)) == pytest.approx(0, abs=1e-5)
    assert float(recipe.loss_of(sure.roll(1, 1), truth)) > 30
    even = float(recipe.loss_of(torch.zeros_like(sure), truth))
    assert even == pytest.approx(np.log(recipe.CLASSES) + 1 - 0.25, abs=0.05)


def test_a_subject_is_prepared_as_the_description_says(maps: Maps) -> None:
    subject = synthesise(maps, Sight(shape=(40, 20, 20), spacing_mm=(1.0, 2.0, 2.0)), 1)
    image = recipe.prepared(subject.scan)
    assert image.voxels.shape == (20, 20, 20)
    assert image.grid.steps == pytest.approx((2.0, 2.0, 2.0))
    brain = recipe.prepared(synthesise(maps, recipe.SIGHT, 1).scan).voxels
    assert brain.dtype == np.float32
    assert 0.5 < brain.std() < 5


def test_saved_weights_return(model: recipe.BrainTissue, tmp_path: Path) -> None:
    recipe.save(model, tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").read_bytes() == recipe.WEIGHTS.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.safetensors"]


def test_train_to_writes_weights_and_tells_figures(maps: Maps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del maps  # its patches make the recipe's scans small
    data = wheel(tmp_path / "nilearn.whl", monkeypatch)
    monkeypatch.setattr(recipe, "CHECKED", 2)
    monkeypatch.setattr(recipe.train, "__defaults__", (recipe.SEED, print, SMALL, "cpu"))
    lines: list[str] = []
    recipe.train_to(data, tmp_path / "weights.safetensors", lines.append)
    recipe.build_model(tmp_path / "weights.safetensors")
    assert lines[-1].startswith("mean Dice of 2 held-out made-up subjects at 2 mm: grey-matter 0.")


# The shipped weights, on the template that they never saw ------------------------------------------------------


def test_shipped_weights_outline_the_template(model: recipe.BrainTissue, example: Scan) -> None:
    """Their maps add up to 1.0 l of grey and 0.67 l of white matter; in T1 white is brightest and CSF is darkest."""
    image = recipe.prepared(example)
    codes = recipe.outline(model, image.voxels)
    assert codes.shape == image.voxels.shape
    litres = [float((codes == code).sum()) * np.prod(image.grid.steps) / 1e6 for code in (1, 2, 3)]
    assert 0.85 < litres[0] < 1.15
    assert 0.6 < litres[1] < 0.8
    assert 0.1 < litres[2] < 0.25
    grey, white, csf = (float(np.median(image.voxels[codes == code])) for code in (1, 2, 3))
    assert white > grey > csf
    assert (codes[image.voxels == image.voxels.min()] == 0).mean() > 0.99


def test_the_runtime_s_windows_see_what_the_whole_volume_shows(
    model: recipe.BrainTissue, source: Source, example: Scan
) -> None:
    runner = Runner(source.onnx)
    engine = FakeEngine(lambda feeds: runner.run(dict(feeds)), inputs=[recipe.INPUT], outputs=[recipe.OUTPUT])
    undecided = Model(
        precision="fp32", file="model.onnx", sha256="0" * 64, engines=("onnxruntime",), verdict="reference",
        thresholds={},
    )  # fmt: skip
    found = examine({"image": example}, manifest_of(undecided), undecided, engine).findings
    assert isinstance(found, Segmentation)
    assert found.codes.shape == example.grid.shape
    assert [region.name for region in found.regions] == list(LABELS)
    assert all(region.volume_ml and region.volume_ml > 50 for region in found.regions)
    whole = recipe.outline(model, recipe.prepared(example).voxels)
    if found.codes.shape == whole.shape:
        assert min(recipe.dice_of(np.asarray(found.codes, dtype=np.uint8), whole)) > 0.95


def test_it_says_that_it_is_for_no_patient_and_what_it_never_saw() -> None:
    manifest = manifest_of()
    assert manifest.status == "trained"
    assert "never for a patient" in manifest.intended_use
    assert "one anatomy" in manifest.limits
    assert "made-up" in manifest.limits
    assert not any(label.finding for label in manifest.task.labels)
    assert [label.name for label in manifest.task.labels] == list(LABELS)
