"""What a pack may ask of technique and look: strictly read, and refused where nothing could meet it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.errors import PackError
from edge.pack.look import Technique
from edge.pack.manifest import Manifest, parse_manifest
from edge.testing import tiny_input, tiny_manifest
from edge.typed import dump
from tests.check.films import LOOK


def manifest_with(**accepts: Any) -> Manifest:
    item = tiny_input()
    return tiny_manifest(inputs=(replace(item, accepts=replace(item.accepts, **accepts)),))


def parsed(manifest: Manifest) -> Manifest:
    return parse_manifest(json.dumps(dump(manifest)).encode(), "manifest.json")


def test_what_a_pack_asks_is_written_and_read_again() -> None:
    asked = Technique(kvp=(50.0, 90.0), contrast=False, presentation="FOR PRESENTATION", spacing_mm=(0.0, 1.0))
    manifest = manifest_with(
        technique=asked, look=LOOK, compression="lossless", burned_in="none", least_bits=12, laterality=("L",)
    )
    assert parsed(manifest) == manifest


def test_a_pack_from_before_asks_nothing_of_it() -> None:
    document = dump(tiny_manifest())
    for key in ("laterality", "technique", "compression", "burned_in", "least_bits", "look"):
        del document["inputs"][0]["accepts"][key]
    accepts = parse_manifest(json.dumps(document).encode(), "manifest.json").inputs[0].accepts
    assert (accepts.laterality, accepts.technique, accepts.compression, accepts.look) == ((), None, None, None)
    assert (accepts.burned_in, accepts.least_bits) == (None, 1)


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("name", ["kvp", "slice_thickness_mm", "field_strength_tesla", "spacing_mm"])
def test_a_range_that_nothing_meets_is_refused_with_its_key(name: str, bounds: tuple[float, float]) -> None:
    with pytest.raises(PackError, match=rf"inputs\[0\]\.accepts\.technique\.{name}: found .* that rise"):
        parsed(manifest_with(technique=Technique(**{name: bounds})))  # type: ignore[arg-type]


@pytest.mark.parametrize("template", [(0.5,) * 143 + (0.1,) * 2, (0.5,) * 16])
def test_a_template_that_is_no_square_or_shows_nothing_is_refused(template: tuple[float, ...]) -> None:
    with pytest.raises(PackError, match=r"accepts\.look\.template: found .* expected a square"):
        parsed(manifest_with(look=replace(LOOK, template=template)))


@pytest.mark.parametrize(
    "wrong", [{"least_likeness": 1.5}, {"least_lead": 0.1}, {"least_side": -2.0}, {"most_saturated": 2.0}, {"n": 0}]
)
def test_a_limit_out_of_its_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(PackError, match=next(iter(wrong))):
        parsed(manifest_with(look=replace(LOOK, **wrong)))  # type: ignore[arg-type]


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(PackError, match="compression: found 'lossy'"):
        parsed(manifest_with(compression="lossy"))
