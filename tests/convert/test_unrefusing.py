"""While a pack is built, its limits refuse nothing: a film that they would refuse is measured with the others."""

from __future__ import annotations

import json
from dataclasses import replace

from convert.familiar_rule import FamiliarRule
from convert.unrefusing import unrefusing
from edge.check import check_scan
from edge.pack.manifest import parse_manifest
from edge.pack.store import EMBEDDED, open_pack
from edge.testing import tiny_manifest
from edge.typed import dump
from tests.check.films import film, scan_of


def test_the_embedded_pack_refuses_what_lies_turned_and_not_while_it_is_built() -> None:
    manifest = open_pack(EMBEDDED / "chest-pneumonia").manifest
    turned = scan_of(film().T.copy())
    (item,), (built,) = manifest.inputs, unrefusing(manifest, FamiliarRule()).inputs
    refused = {notice.reason.code for notice in check_scan(turned, item.accepts)}
    assert refused - {notice.reason.code for notice in check_scan(turned, built.accepts)} <= {"C747", "C749"}
    assert refused & {"C747", "C749"}
    assert replace(built, accepts=item.accepts) == item


def test_every_model_still_gives_its_distance_and_refuses_by_none() -> None:
    manifest = open_pack(EMBEDDED / "chest-pneumonia").manifest
    built = unrefusing(manifest, FamiliarRule())
    assert [model.familiar is None for model in built.models] == [model.familiar is None for model in manifest.models]
    assert all(model.familiar is None or model.familiar.distance.refuse is None for model in built.models)
    assert parse_manifest(json.dumps(dump(built)).encode(), "manifest.json") == built


def test_a_manifest_without_limits_stays_as_it_is() -> None:
    assert unrefusing(tiny_manifest(), FamiliarRule()) == tiny_manifest()
