"""Two reports of one question -> what differs: every byte, or on another engine decisions and scores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.pack.golden import HALF_WAY_MM
from edge.pack.manifest import Manifest
from edge.reasons import GOLDEN_NOT_RUN
from edge.typed import dump
from edge.write.report import BoxReport, FindingsReport, ResultReport, StudyReport, said_in

MOST_SHOWN = 60

NUMBERED = frozenset({"page", "pdf", "fhir", "sr", "seg", "sc", "gsps"})
"""Views whose bytes hold the result's number, which is made from what was asked, such as the name of an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same, by the path of its key."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of a replay.

    Parameters
    ----------
    exact : bool
        Whether every value and the bytes of every file were compared; else decisions and scores.
    why_not_exact : tuple of str
        What of engine and software is another one, each in words; empty where `exact`.
    not_compared : tuple of str
        Files, by name, whose bytes hold the number of the result, where that is another one; else empty.
    gone : tuple of str
        Files that were left out of the study then and are not here now, by their paths: nothing was made of them.
    differences : tuple of Difference
        Empty: the result was made again.
    largest : float, optional
        Greatest absolute difference of the answers that the pack's known answers are compared by; None where exact,
        and for a task whose report holds none.
    tolerance : float, optional
        That the pack allows for them; None where it has no known answers: then decisions alone are compared.
    """

    exact: bool
    why_not_exact: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    differences: tuple[Difference, ...]
    largest: float | None = None
    tolerance: float | None = None

    @property
    def same(self) -> bool:
        """Whether the result was made again."""
        return not self.differences


def compare(before: StudyReport, after: StudyReport, manifest: Manifest, gone: tuple[str, ...] = ()) -> Comparison:
    """Return what differs between a report and one that was made again.

    Made by the same versions on the same engine, both must be equal in everything but the time they took, where the
    files lie, and the request's own hash with what is made from it: the result's number, and files that hold it. Made
    otherwise, both must decide alike, and what the pack's known answers are compared by may differ by their tolerance.

    Parameters
    ----------
    gone : tuple of str
        Paths that `before` left out and that were not there to be left out again.
    """
    others = tuple(_another_maker(before, after))
    if not others:
        numbered = _numbered_anew(before, after)
        differences = tuple(_differ("$", _content(before, numbered, gone), _content(after, numbered)))
        return Comparison(exact=True, not_compared=numbered, gone=gone, differences=differences)
    others += tuple(_other_thresholds(before, after))
    tolerance = tolerance_of(manifest, after)
    largest, far = _answers_differ(before, after, tolerance)
    decided = _differ("$", _decisions(before), _decisions(after))
    return Comparison(
        exact=False, why_not_exact=others, gone=gone, differences=(*decided, *far), largest=largest, tolerance=tolerance
    )


def tolerance_of(manifest: Manifest, report: StudyReport) -> float | None:
    """Return how far answers may lie apart on another engine: what the pack's known answers allow the precision."""
    precisions = {result.engine.precision for result in report.results if result.engine is not None}
    expected = (case.expect[name] for case in manifest.golden for name in precisions if name in case.expect)
    allowed = [one.tolerance for one in expected]
    return max(allowed, default=None)


def _another_maker(before: StudyReport, after: StudyReport) -> Iterator[str]:
    for name in sorted({*before.software, *after.software}):
        old, new = before.software.get(name, "none"), after.software.get(name, "none")
        if old != new:
            yield f"{name} was {old} and is {new}"
    engines = [[result.engine for result in report.results if result.engine] for report in (before, after)]
    for old_facts, new_facts in zip(*engines, strict=False):
        for key, old_value in dump(old_facts).items():
            if (new_value := dump(new_facts)[key]) != old_value:
                yield f"the engine's {key} was {old_value} and is {new_value}"
    if _unproven(before) != _unproven(after):
        then, now = ("had not", "are") if _unproven(before) else ("had", "are not")
        yield f"the model's known answers {then} been checked on the computer, and {now} now"


def _unproven(report: StudyReport) -> bool:
    """Whether its results warn that nothing was prepared, which says something of the machine, not of the scan."""
    return any(item.code == GOLDEN_NOT_RUN.code for result in report.results for item in result.warnings)


def _other_thresholds(before: StudyReport, after: StudyReport) -> Iterator[str]:
    files = [{result.site.file_sha256[:8] for result in report.results if result.site} for report in (before, after)]
    if files[0] != files[1]:
        old, new = (f"this site's (file {', '.join(sorted(found))})" if found else "the pack's own" for found in files)
        yield f"the thresholds were {old} and are {new}"


def _numbered_anew(before: StudyReport, after: StudyReport) -> tuple[str, ...]:
    """The files that cannot be the same, as the number that they hold is another one."""
    pairs = zip(before.results, after.results, strict=False)
    return tuple(file.name for old, new in pairs if old.uid != new.uid for file in old.files if file.role in NUMBERED)


def _content(report: StudyReport, numbered: Collection[str], gone: Collection[str] = ()) -> dict[str, Any]:
    """What must be equal: paths stand for the contents of their files, and left out are hashes of the request."""
    return {
        "state": report.state,
        "results": [_result(result, numbered) for result in report.results],
        "left_out": sorted(item.reason.code for item in report.left_out for path in item.paths if path not in gone),
    }


def _result(result: ResultReport, numbered: Collection[str]) -> dict[str, Any]:
    document: dict[str, Any] = dump(result)
    document.pop("uid")
    for scan in (document["scan"], *document["others"].values()):
        for source in scan["sources"]:
            source.pop("path")
    for file in document["files"]:
        if file["name"] in numbered:
            file.pop("sha256")
    return document


def _decisions(report: StudyReport) -> dict[str, Any]:
    return {"state": report.state, "results": [_decided(result) for result in report.results]}


def _decided(result: ResultReport) -> dict[str, Any]:
    """What a person would act upon."""
    said = said_in(result.findings) if result.findings is not None else ()
    found: dict[str, Any] = {}
    for item in said:
        one = {"positive": item.positive, "urgency": item.urgency, "uncertain": getattr(item, "uncertain", False)}
        found.setdefault(item.name, []).append(one)
    return {
        "state": result.state,
        "codes": sorted(reason.code for reason in result.reasons),
        "grade": getattr(result.findings, "grade", None),
        "found": found,
    }


def _answers_differ(
    before: StudyReport, after: StudyReport, tolerance: float | None
) -> tuple[float | None, list[Difference]]:
    """The greatest difference of an answer, and the answers that lie too far apart."""
    largest, far = None, []
    for number, (old, new) in enumerate(zip(before.results, after.results, strict=False)):
        if old.findings is None or new.findings is None:
            continue
        answers = answers_in(new.findings)
        for name, value in answers_in(old.findings).items():
            apart = abs(value - answers.get(name, 0.0))
            largest = max(apart, largest or 0.0)
            if tolerance is not None and apart > tolerance:
                path = f"$.results[{number}].{name}"
                far.append(Difference(path=path, before=f"{value:.6f}", after=f"{answers.get(name, 0.0):.6f}"))
    return largest, far


def answers_in(found: FindingsReport) -> dict[str, float]:
    """Return what `edge.pack.golden.answers` compares, as far as a report holds it, by name, each from 0 to 1."""
    if found.kind == "classification":
        return {item.name: item.score for item in found.labels}
    if found.kind == "segmentation":
        return {region.name: region.share for region in found.regions}
    if found.kind == "detection":
        return {label.name: _best(label.name, found.boxes) for label in found.labels}
    if found.kind == "registration":
        moved = {} if found.mean_mm is None else {"moved": 0.5 + 0.5 * found.mean_mm / (found.mean_mm + HALF_WAY_MM)}
        return {**moved, "folded": found.folded_share}
    return {}


def _best(name: str, boxes: tuple[BoxReport, ...]) -> float:
    return max((box.score for box in boxes if box.name == name), default=0.0)


def _differ(path: str, before: Any, after: Any) -> Iterator[Difference]:
    """Every value that is not the same in two documents of JSON types."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differ(f"{path}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differ(f"{path}[{index}]", old, new)
    elif before != after or type(before) is not type(after):
        yield Difference(path=path, before=_shown(before), after=_shown(after))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
