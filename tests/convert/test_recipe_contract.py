"""The table of recipes and their descriptions, which are read without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from convert.describe import Description, parse_description, to_manifest
from convert.phantoms import phantom_of
from convert.recipes.contract import description_file, recipe_description
from convert.sources import RECIPES, recipe_name
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, Input, tensor_shapes
from edge.pack.store import EMBEDDED, open_pack
from edge.prepare import prepare
from edge.scan import Scan
from edge.testing import phantom_scan
from tests.conftest import ROOT

UNTRAINED = [name for name in RECIPES if name not in ("chest-pneumonia", "brain-tissue")]


def described(name: str) -> Description:
    return parse_description(recipe_description(name).encode(), description_file(name))


def picture(colour: str) -> Scan:
    """Smooth, 8 bits, and not square."""
    y, x = np.mgrid[0:300, 0:420]
    grey = (127.5 + 60 * np.sin(y / 40) + 60 * np.cos(x / 70)).astype(np.float32)[np.newaxis]
    voxels = grey if colour == "grey" else np.stack([grey, grey / 2, 255 - grey], axis=-1)
    return replace(phantom_scan((1, 300, 420)), voxels=voxels, value_range=(0.0, 255.0))


def verhoeff(digits: str) -> int:
    """0 where the last digit is the check digit of the others (Verhoeff, 1969)."""
    times = [[(a + b) % 5 if b < 5 else (a + b) % 5 + 5 for b in range(10)] for a in range(5)]
    times += [[5 + (a - b) % 5 if b < 5 else (a - b) % 5 for b in range(10)] for a in range(5)]
    turn = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = turn[value]
        check = times[check][value]
    return check


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_complete_description_of_its_own_name(name: str) -> None:
    assert described(name).name == name
    assert "FILL IN" not in recipe_description(name)


@pytest.mark.parametrize("name", RECIPES)
def test_no_description_stands_without_its_recipe(name: str) -> None:
    files = {path.name for path in (ROOT / "convert" / "recipes").glob("*.toml")}
    assert files == {description_file(name) for name in RECIPES}
    assert (ROOT / "convert" / "recipes" / description_file(name)).with_suffix(".py").is_file()


@pytest.mark.parametrize("name", UNTRAINED)
def test_what_is_untrained_never_makes_a_clinical_report(name: str) -> None:
    description = described(name)
    assert description.status == "architecture-only"
    assert "Never for a patient." in description.intended_use
    assert description.limits.startswith("The weights are random: ")


@pytest.mark.parametrize("name", RECIPES)
def test_the_steps_lead_to_the_declared_tensor(name: str) -> None:
    """From scans that are not square, as many and of such kinds as the description asks for."""
    manifest = to_manifest(described(name), ())
    scans = {item.name: scan_for(item, seed) for seed, item in enumerate(manifest.inputs)}
    feed = next(iter(prepare(scans, manifest)))
    for tensor, shape in tensor_shapes(manifest.inputs).items():
        assert feed.tensors[tensor].shape == (1, *shape)
        assert feed.tensors[tensor].std() > 0.05
        assert abs(feed.tensors[tensor]).max() < 10


def scan_for(item: Input, seed: int) -> Scan:
    if item.accepts.stack == "volume" or "CT" in item.accepts.modality:
        return phantom_of(item, seed)
    return picture(item.accepts.colour)


def test_the_description_of_the_embedded_pack_is_that_of_its_manifest() -> None:
    """But for what its pictures look like, which the workshop learns."""
    manifest = open_pack(EMBEDDED / "chest-pneumonia").manifest
    description = described("chest-pneumonia")
    (item,) = manifest.inputs
    assert item.accepts.look is not None
    manifest = replace(manifest, inputs=(replace(item, accepts=replace(item.accepts, look=None)),))
    for key in ("name", "version", "title", "status", "intended_use", "limits", "licence", "inputs", "task"):
        assert getattr(description, key) == getattr(manifest, key), key
    (threshold,) = {model.thresholds["pneumonia"].rule for model in manifest.models}
    assert threshold == f"sensitivity of at least {description.thresholds['pneumonia'].at_least:.0%}"


def test_the_findings_of_chestxray14_stand_in_its_order() -> None:
    names = [label.name for label in described("chest-densenet121").task.labels]
    assert names[:8] == [
        "atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
    ]  # fmt: skip
    assert names[8:] == ["consolidation", "oedema", "emphysema", "fibrosis", "pleural-thickening", "hernia"]


def test_grades_of_retinopathy_rise_from_none() -> None:
    task = described("retinopathy-cnn").task
    assert isinstance(task, ClassificationTask)
    assert [label.name for label in task.labels] == ["none", "mild", "moderate", "severe", "proliferative"]
    order = ("routine", "soon", "urgent")
    severity = [order.index(label.urgency) for label in task.labels]
    assert severity == sorted(severity)


@pytest.mark.parametrize("name", RECIPES)
def test_codes_of_snomed_ct_are_well_formed(name: str) -> None:
    """The last digit is Verhoeff's check digit, and the two before it say that it is a concept."""
    codes = [label.code for label in described(name).task.labels if label.code]
    assert len({code.value for code in codes}) == len(codes)
    for code in codes:
        assert code.scheme == "SCT"
        assert code.value[-3:-1] == "00"
        assert verhoeff(code.value) == 0, code


def test_a_wrong_digit_is_seen() -> None:
    assert verhoeff("36118008") == 0
    assert verhoeff("36118009") != 0
    assert verhoeff("36181008") != 0


@pytest.mark.parametrize("spec", ["chest-densenet121", "chest_densenet121"])
def test_underscores_will_do(spec: str) -> None:
    assert recipe_name(spec) == "chest-densenet121"
    assert recipe_description(spec) == recipe_description("chest-densenet121")


def test_a_recipe_that_there_is_not_is_refused_with_a_guess() -> None:
    with pytest.raises(UsageError, match="did you mean 'skin-resnet50'"):
        recipe_description("skin-resnet")


def test_a_description_is_read_without_pytorch() -> None:
    program = (
        "import sys; from convert.recipes.contract import recipe_description as read; text = read('unet2d');"
        "print('torch' in sys.modules, len(text) > 1000)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.split() == ["False", "True"]
