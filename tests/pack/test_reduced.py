"""The permission to decode a picture smaller: only for packs that can have it, with all that it must rest on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.errors import PackError
from edge.pack.look import Technique
from edge.pack.manifest import ClassificationTask, Manifest, Windows, parse_manifest
from edge.pack.reduced import LEAST_SIDE, least_side_of, longest_side, reduced_problem
from edge.pack.store import EMBEDDED, MANIFEST
from edge.testing import tiny_input, tiny_manifest, tiny_segmentation
from edge.typed import dump
from tests.reduced import COMPARED, REDUCED, reduced_manifest

RESIZE = {"step": "resize", "height": 4, "width": 4, "interpolation": "area"}


def parsed(manifest: Manifest) -> Manifest:
    return parse_manifest(json.dumps(dump(manifest)).encode(), "tiny")


def test_the_permission_comes_back_as_it_was_written() -> None:
    assert parsed(reduced_manifest()).reduced == REDUCED


def test_a_pack_that_knows_nothing_of_it_is_read_as_before() -> None:
    told: dict[str, Any] = dict(dump(tiny_manifest()))
    del told["reduced"]
    assert parse_manifest(json.dumps(told).encode(), "tiny").reduced is None


def test_the_embedded_pack_has_none_for_its_scans_are_as_small_as_its_input() -> None:
    for folder in sorted(EMBEDDED.iterdir()):
        if (folder / MANIFEST).is_file():
            assert parse_manifest((folder / MANIFEST).read_bytes(), folder.name).reduced is None


def with_windows() -> Manifest:
    task = tiny_manifest().task
    assert isinstance(task, ClassificationTask)
    return reduced_manifest(task=replace(task, windows=Windows(overlap=0.0, fill=0.0)))


def with_input(**changes: Any) -> Manifest:
    return reduced_manifest(inputs=(replace(tiny_input(), **changes),))


def accepting(**changes: Any) -> Manifest:
    return with_input(accepts=replace(tiny_input().accepts, **changes))


NEVER: dict[str, Manifest] = {
    "places in pixels": reduced_manifest(task=tiny_segmentation()),
    "seen at once": with_windows(),
    "may count pixels": with_input(steps=({"step": "center_crop_or_pad", "height": 4, "width": 4}, RESIZE)),
    "no step brings": with_input(steps=({"step": "monochrome2"},)),
    "a distance between points": accepting(technique=Technique(spacing_mm=(0.1, 0.2))),
    "is no picture": accepting(stack="frames"),
}


@pytest.mark.parametrize("words", sorted(NEVER))
def test_a_pack_to_which_detail_or_places_matter_cannot_have_it(words: str) -> None:
    assert words in reduced_problem(NEVER[words])
    with pytest.raises(PackError, match=r"\$\.reduced: found a permission"):
        parsed(NEVER[words])


def test_a_plain_classification_can_have_it() -> None:
    assert reduced_problem(tiny_manifest()) == ""


BROKEN: dict[str, tuple[Any, str]] = {
    "too small": (replace(REDUCED, least_side=LEAST_SIDE - 1), r"least_side: found 511, expected at least 512"),
    "one coding": (replace(REDUCED, compared=(COMPARED,)), "compared: expected each precision"),
    "twice": (replace(REDUCED, compared=(*REDUCED.compared, COMPARED)), "compared: expected each precision"),
    "another precision": (
        replace(REDUCED, compared=(*REDUCED.compared, replace(COMPARED, precision="int8"))),
        "compared: expected each precision",
    ),
    "too different": (
        replace(REDUCED, compared=(replace(COMPARED, largest_difference=0.002), REDUCED.compared[1])),
        r"compared\[0\].largest_difference: found 0.002, expected at most 0.001",
    ),
    "nothing": (replace(REDUCED, compared=()), "compared"),
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_measurements_that_do_not_bear_it_out_are_refused(how: str) -> None:
    reduced, words = BROKEN[how]
    with pytest.raises(PackError, match=words):
        parsed(reduced_manifest(reduced=reduced))


def test_the_least_side_is_twice_the_input_and_as_much_as_is_drawn_and_asked_for() -> None:
    wide = replace(tiny_input(), shape=(1, 300, 400))
    assert longest_side(wide) == 400
    assert least_side_of(wide) == 800
    assert least_side_of(tiny_input()) == LEAST_SIDE
    assert least_side_of(replace(tiny_input(), accepts=replace(tiny_input().accepts, least_size=2000))) == 2000
