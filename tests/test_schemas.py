"""The published schemas: generated, valid, and at one with the parser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.errors import PackError
from edge.pack.manifest import parse_manifest
from edge.pack.store import EMBEDDED, MANIFEST
from edge.pipeline import Request, run
from edge.prepare import STEPS, bind_steps
from edge.schemas import HERE, PUBLISHED, generate, to_text, write_schemas
from edge.testing import golden_case, tiny_manifest, tiny_segmentation, write_tiny_pack
from edge.typed import dump
from edge.write import REPORT
from tests.pack.test_archive import zipped
from tests.pack.test_check import picture
from tests.pack.test_manifest import BAD_FILES, STEPS_GONE_WRONG, TOO_WRONG, changed

VALIDATOR = jsonschema.Draft202012Validator(generate("pack/manifest.schema.json"))
BEYOND_A_SCHEMA = (
    "$.inputs[0].shape: found 2",  # as many sizes as axes
    "$.inputs[0].shape: found 3",
    "$.inputs[0].shape: found 4",
    "$.models[0].thresholds.bright: missing",  # names that meet those elsewhere
    "$.golden[0].scans: found",
    "$.golden[0].sha256: found",
    "$.golden[0].expect: found",
    "$.golden[0].expect.fp32.scores: found dark",
    "$.evidence[0].label: found dark",
    "$.task.activation: found 'softmax'",
)


@pytest.mark.parametrize("file", PUBLISHED)
def test_the_committed_schema_is_the_one_that_the_types_give(file: str) -> None:
    assert (HERE / file).read_text(encoding="utf-8") == to_text(generate(file)), "run: python -m edge.schemas"


@pytest.mark.parametrize("file", PUBLISHED)
def test_a_published_schema_is_a_valid_schema_and_says_what_it_is(file: str) -> None:
    document = generate(file)
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$id"].startswith("urn:edgerun:")
    assert document["$id"].endswith(":1")


def test_the_schemas_are_written_whole(tmp_path: Path) -> None:
    for folder in sorted({Path(file).parent for file in PUBLISHED}):
        (tmp_path / folder).mkdir()
    write_schemas(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")} == set(PUBLISHED)


@pytest.mark.parametrize("path", sorted(EMBEDDED.glob(f"*/{MANIFEST}")), ids=lambda path: str(path.parent.name))
def test_every_manifest_that_comes_with_edgerun_is_valid_to_both(path: Path) -> None:
    data = path.read_bytes()
    manifest = parse_manifest(data, path.name)
    VALIDATOR.validate(json.loads(data))
    VALIDATOR.validate(dump(manifest))


@pytest.mark.parametrize(
    "document",
    [
        dump(tiny_manifest()),
        dump(tiny_manifest(task=tiny_segmentation())),
        dump(tiny_manifest(golden=(golden_case("golden/a.png", b"x", score=0.5),))),
    ],
    ids=["classification", "segmentation", "golden"],
)
def test_a_tiny_manifest_is_valid_to_both(document: dict[str, Any]) -> None:
    parse_manifest(json.dumps(document).encode(), "tiny")
    VALIDATOR.validate(document)


@pytest.mark.parametrize(("path", "value", "said"), TOO_WRONG, ids=[f"{p}={v!r}"[:40] for p, v, _ in TOO_WRONG])
def test_the_schema_refuses_what_the_parser_refuses_wherever_a_schema_can(path: str, value: object, said: str) -> None:
    document = changed(path, value)
    with pytest.raises(PackError):
        parse_manifest(json.dumps(document).encode(), "x")
    assert VALIDATOR.is_valid(document) == said.startswith(BEYOND_A_SCHEMA)


@pytest.mark.parametrize("file", [file for file in BAD_FILES if file != "a\n"])
def test_the_schema_refuses_a_file_outside_the_pack(file: str) -> None:
    """But for the newline at the end, which Python's ``$`` lets pass and that of ECMA-262, the schema's, does not."""
    assert not VALIDATOR.is_valid(changed("models.0.file", file))


@pytest.mark.parametrize("step", [step for step, _ in STEPS_GONE_WRONG], ids=str)
def test_the_schema_refuses_a_step_that_the_parser_refuses(step: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(changed("inputs.0.steps.1", step))


@pytest.mark.parametrize(
    "step",
    [
        {"step": "resize", "height": 4, "width": 4, "interpolation": "lanczos"},
        {"step": "letterbox", "height": 4, "width": 9, "interpolation": "area", "fill": -1},
        {"step": "normalise", "mean": [0, 0.5], "std": [1, 2]},
        {"step": "rescale", "low": 0, "high": 1, "clip": False},
        {"step": "orient"},
        {"step": "select_frame", "at": 1},
    ],
    ids=str,
)
def test_the_schema_takes_a_step_that_the_parser_takes(step: dict[str, Any]) -> None:
    document = changed("inputs.0.steps.1", step)
    manifest = parse_manifest(json.dumps(document).encode(), "x")
    assert bind_steps(manifest.inputs[0], "$")
    VALIDATOR.validate(document)


def test_every_step_is_described_once_and_in_words() -> None:
    described = generate("pack/manifest.schema.json")["$defs"]["Input"]["properties"]["steps"]["items"]["oneOf"]
    assert sorted(item["properties"]["step"]["const"] for item in described) == sorted(STEPS)
    assert all(item["description"] for item in described)


def test_a_report_that_was_written_fits_its_schema_and_one_that_was_changed_does_not(tmp_path: Path) -> None:
    (tmp_path / "case.png").write_bytes(picture())
    pack = zipped(write_tiny_pack(tmp_path / "tiny"))
    (study,) = run(Request(paths=(tmp_path / "case.png",), out=tmp_path / "out", pack=str(pack)))
    report = json.loads((tmp_path / "out" / study.folder / REPORT).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(generate("write/report.schema.json"))
    validator.validate(report)
    assert report["state"] == "finding"
    wrong: list[dict[str, object]] = [{"state": "healthy"}, {"format_version": 2}, {"results": {}}, {"more": 1}]
    for spoiled in wrong:
        assert not validator.is_valid({**report, **spoiled})
    del report["results"][0]["findings"]["kind"]
    assert not validator.is_valid(report)
