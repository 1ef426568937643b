"""What was found, and what it was found with -> the same with maps that passed the deletion test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.explain.told import Explain, Faithfulness
from edge.findings import Classification, Findings, InfluenceMap, Notice, Refusal
from edge.pack.manifest import ClassificationTask, Manifest
from edge.reasons import CONSTANT_MAP, NOT_EXPLAINED, UNFAITHFUL_MAP
from edge.scan import Scan

if TYPE_CHECKING:
    from edge.engines import Engine

Said = tuple[Findings | Refusal, tuple[Notice, ...]]


def explain(
    how: Explain,
    said: Said,
    scans: Mapping[str, Scan],
    manifest: Manifest,
    engine: Engine,
    ran: Callable[[int, int], None] | None = None,
) -> Said:
    """Return findings whose maps passed the deletion test, and the warnings beside them.

    A map that fails is withheld: what lights up on a picture convinces more than any warning beside it (Adebayo et al.
    2018). Where nothing can be explained, that is a warning, and the findings stay.

    Parameters
    ----------
    how : {"map", "occlusion"}
        Test the maps that the graph gave; or make maps by occlusion, in their place, and test those.
    said : tuple of (Findings or Refusal, tuple of Notice)
    ran : callable, optional
        Told how many of all runs of the engine are done.

    Raises
    ------
    edge.errors.EngineError
        The engine failed, or gave what is no answer.
    """
    findings, warnings = said
    if isinstance(findings, Refusal):
        return said
    problem = _problem(how, findings, manifest)
    if problem or not isinstance(findings, Classification):
        return findings, (*warnings, Notice(reason=NOT_EXPLAINED, severity="warn", detail=problem))
    from edge.explain.faithfulness import deletion_test, runs_of_test  # noqa: PLC0415 - only on request
    from edge.explain.occlusion import occlude, patches_of  # noqa: PLC0415
    from edge.explain.probe import Probe  # noqa: PLC0415

    sought = [item.name for item in findings.labels if item.finding]
    rule = findings.map_rule
    probe = Probe.of(scans, manifest, engine, ran)
    if how == "occlusion":
        patches = patches_of(probe.feed.grid.shape)
        probe.expect(1 + len(patches) + runs_of_test(len(sought)))
        maps, rule = occlude(probe, patches, sought), patches.rule
        warnings = tuple(note for note in warnings if note.reason is not CONSTANT_MAP) + _flat(findings, maps)
    else:
        maps = tuple(shown for shown in findings.maps if shown.label in sought)
        probe.expect(1 + runs_of_test(len(maps)))
    tested = deletion_test(probe, maps)
    kept = {item.label for item in tested if item.holds}
    shown = tuple(each for each in maps if each.label in kept)
    found = replace(findings, maps=shown, map_rule=rule, faithfulness=tested)
    return found, warnings + tuple(_withheld(findings, item) for item in tested if not item.holds)


def _problem(how: Explain, findings: Findings, manifest: Manifest) -> str:
    """Why there is nothing to explain; empty where there is."""
    task = manifest.task
    if not isinstance(findings, Classification) or not isinstance(task, ClassificationTask):
        return f"Found the task {task.kind}, expected scores of a whole scan."
    if task.windows is not None:
        return "The model sees the picture in windows, whose scores are shown as the map."
    if how == "map" and not findings.maps:
        return "The model gave no influence map; ask for --explain occlusion."
    return ""


def _flat(findings: Classification, maps: Sequence[InfluenceMap]) -> tuple[Notice, ...]:
    """A warning for each finding whose score no patch changed."""
    mapped = {shown.label for shown in maps}
    flat = [item.title for item in findings.labels if item.finding and item.name not in mapped]
    words = "no patch that was hidden changed its score"
    return tuple(Notice(reason=CONSTANT_MAP, severity="warn", detail=f"Label {title!r}: {words}.") for title in flat)


def _withheld(findings: Classification, item: Faithfulness) -> Notice:
    title = next(said.title for said in findings.labels if said.name == item.label)
    detail = f"Label {title!r}: better than {item.beaten} of {item.orders} random orders, expected all of them."
    return Notice(reason=UNFAITHFUL_MAP, severity="warn", detail=detail)
