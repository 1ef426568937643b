"""The published JSON Schemas, generated from the types; ``python -m edge.schemas`` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bench.report import BenchReport
from edge.pack.manifest import Input, Manifest
from edge.prepare import STEPS
from edge.site.evaluation import Evaluation
from edge.typed import schema, signature_schema
from edge.write.report import StudyReport

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A document of ours that others may write or read: its type, and what its schema is called."""

    type: type[Any]
    title: str
    identifier: str


PUBLISHED: Mapping[str, Published] = {
    "bench/report.schema.json": Published(
        type=BenchReport, title="edgerun bench report, version 1", identifier="urn:edgerun:bench:1"
    ),
    "pack/manifest.schema.json": Published(
        type=Manifest, title="edgerun model pack, version 1", identifier="urn:edgerun:manifest:1"
    ),
    "site/evaluation.schema.json": Published(
        type=Evaluation, title="edgerun evaluation, version 1", identifier="urn:edgerun:evaluation:1"
    ),
    "write/report.schema.json": Published(
        type=StudyReport, title="edgerun report, version 1", identifier="urn:edgerun:report:1"
    ),
}
"""By file, below the folder of the package."""


def generate(file: str) -> dict[str, Any]:
    """Return one of the `PUBLISHED` schemas."""
    published = PUBLISHED[file]
    document = schema(published.type, title=published.title, identifier=published.identifier)
    if Input.__name__ in document["$defs"]:
        document["$defs"][Input.__name__]["properties"]["steps"]["items"] = {
            "oneOf": [_step(name) for name in sorted(STEPS)]
        }
    return document


def to_text(document: Mapping[str, Any]) -> str:
    """Return a schema as it stands in its file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write_schemas(folder: Path = HERE) -> None:
    """Write every published schema to its file below `folder`."""
    for file in PUBLISHED:
        (folder / file).write_text(to_text(generate(file)), encoding="utf-8")


def _step(name: str) -> dict[str, Any]:
    """The object that names a step of preparation and gives its options."""
    options = signature_schema(STEPS[name].load())
    return {
        **options,
        "properties": {"step": {"const": name}, **options["properties"]},
        "required": ["step", *options["required"]],
    }


if __name__ == "__main__":
    write_schemas()
