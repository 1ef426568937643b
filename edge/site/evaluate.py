"""From examined cases to an evaluation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge.device import versions
from edge.errors import UsageError
from edge.options import Options
from edge.pack.manifest import ClassificationTask, DetectionTask, Manifest, SegmentationTask
from edge.pack.store import Pack, find_pack
from edge.pipeline import Request
from edge.reasons import (
    BOX_BEYOND,
    GOLDEN_NOT_RUN,
    LABELS_ELSEWHERE,
    NOT_COMPARED,
    NOT_LABELS,
    TRUTH_UNREADABLE,
)
from edge.site.boxes import with_boxes
from edge.site.case import Table
from edge.site.devices import with_devices
from edge.site.evaluation import (
    BoxesReport,
    CaseReport,
    Evaluation,
    Grades,
    LabelEvaluation,
    Lost,
    OutlineReport,
)
from edge.site.examine import RESULTS, Examined, Watch, check_answers, examine_cases
from edge.site.faint import with_faint
from edge.site.finds import BoxEvaluation, finds
from edge.site.judged import judged
from edge.site.labels import grades_evaluation, label_evaluation
from edge.site.meeting import Outlined
from edge.site.outlines import with_outlines
from edge.site.packages import NEEDED
from edge.site.structures import StructureEvaluation, structures
from edge.site.table import read_table
from edge.write.report import PackReport

TRUTH_UNFIT = frozenset(
    reason.code for reason in (LABELS_ELSEWHERE, NOT_LABELS, BOX_BEYOND, TRUTH_UNREADABLE, NOT_COMPARED)
)
"""Why a scan that has an answer is not judged; see `edge.site.examine.unjudged`."""

FEW = 30
"""Scans of a kind below which a share is known to no better than about 0.2 either way."""


def evaluated(pack_name: str, labels: Path, out: Path, options: Options) -> Evaluation:
    """Examine the scans of a table with a pack and return what they tell of it.

    Parameters
    ----------
    labels : Path
        See `edge.site.table.read_table`.
    out : Path
        The results go to a folder in it.

    Raises
    ------
    edge.errors.EdgerunError
        As `edge.site.table.read_table`, `edge.site.examine.examine_cases` and `evaluation`.
    """
    pack = find_pack(pack_name)
    table = read_table(labels, pack.manifest)
    request = Request(paths=(), out=out / RESULTS, pack=pack_name, options=options)
    examined = with_devices(examine_cases(table.cases, request))
    if isinstance(pack.manifest.task, SegmentationTask):
        examined = with_outlines(examined)
    if isinstance(pack.manifest.task, DetectionTask):
        examined = with_faint(with_boxes(examined, pack.manifest), pack, request, Watch())
    return evaluation(pack, table, examined)


def evaluation(pack: Pack, table: Table, examined: Sequence[Examined]) -> Evaluation:
    """Return what the cases of a table tell of a pack.

    Raises
    ------
    UsageError
        Of no case with an answer is it known what is true.
    """
    task = pack.manifest.task
    check_answers(examined, pack.manifest.name)
    found = _judged(pack.manifest, examined)
    if not (found.labels or found.structures or found.boxes):
        raise UsageError("Evaluating: of none of the scans that have an answer is it known what is true.")
    answered = [each for each in examined if each.answered]
    site = next((each.site for each in answered if each.site is not None), None)
    return Evaluation(
        finished_utc=dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        pack=_pack_report(pack),
        engines=tuple(dict.fromkeys(each.engine for each in answered if each.engine is not None)),
        site=site,
        table_sha256=table.sha256,
        rows=len(examined),
        patients=len({each.case.patient for each in examined}) if table.names_patients else None,
        answered=len(answered),
        refused=sum(each.refused for each in examined),
        failed=sum(not (each.answered or each.refused) for each in examined),
        lost=_lost(examined),
        task=task.kind,  # type: ignore[arg-type]  # `_judged` takes no other
        labels=found.labels,
        grades=found.grades,
        structures=found.structures,
        boxes=found.boxes,
        cautions=tuple(_cautions(table, found, examined)),
        cases=tuple(_case(each) for each in examined),
        software={**versions(), **{name: metadata.version(name) for name in NEEDED.values()}},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What came of the labels, whatever is asked of them."""

    labels: tuple[LabelEvaluation, ...] = ()
    grades: Grades | None = None
    structures: tuple[StructureEvaluation, ...] = ()
    boxes: tuple[BoxEvaluation, ...] = ()

    def counts(self) -> list[tuple[str, tuple[tuple[int, str], ...]]]:
        """Title of each label, with the numbers of scans that its figures rest on."""
        told = [(each.title, each.positives, each.n - each.positives) for each in self.labels]
        told += [(each.title, each.present, each.n - each.present) for each in self.structures]
        told += [(each.title, each.with_boxes, each.n - each.with_boxes) for each in self.boxes]
        return [(title, ((there, "with it"), (without, "without"))) for title, there, without in told]


def _judged(manifest: Manifest, examined: Sequence[Examined]) -> _Judged:
    task = manifest.task
    if isinstance(task, SegmentationTask):
        return _Judged(structures=structures(examined, task))
    if isinstance(task, DetectionTask):
        return _Judged(boxes=finds(examined, manifest))
    if not isinstance(task, ClassificationTask):
        raise TypeError(f"evaluating a task of kind {task.kind}")
    labels = tuple(label_evaluation(label, examined) for label in judged(examined, task))
    return _Judged(labels=labels, grades=grades_evaluation(examined, task) if task.mode == "ordinal" else None)


def _pack_report(pack: Pack) -> PackReport:
    told = pack.manifest
    return PackReport(
        name=told.name,
        version=told.version,
        title=told.title,
        sha256=pack.sha256,
        status=told.status,
        intended_use=told.intended_use,
        limits=told.limits,
        licence=told.licence,
    )


def _lost(examined: Sequence[Examined]) -> tuple[Lost, ...]:
    rows: dict[tuple[str, str, bool], list[int]] = {}
    for each in examined:
        if not each.answered and each.reason is not None:
            rows.setdefault((each.reason.code, each.reason.words, each.refused), []).append(each.case.row)
    ranked = sorted(rows.items(), key=lambda item: -len(item[1]))
    return tuple(
        Lost(code=code, words=words, refused=refused, rows=tuple(found)) for (code, words, refused), found in ranked
    )


def _case(each: Examined) -> CaseReport:
    return CaseReport(
        row=each.case.row,
        key=each.key,
        state="answered" if each.answered else "refused" if each.refused else "failed",
        code=each.reason.code if each.reason else "",
        truth=each.case.truth,
        scores={item.name: item.score for item in each.labels},
        said=tuple(item.name for item in each.labels if item.positive),
        outlines=tuple(_outline(label, outlined) for label, outlined in each.outlined.items()),
        boxes=tuple(
            BoxesReport(label=label, true=len(drawn.true), reported=len(drawn.found.scores))
            for label, drawn in each.drawn.items()
        ),
    )


def _outline(label: str, outlined: Outlined) -> OutlineReport:
    met = outlined.overlap
    return OutlineReport(
        label=label,
        present=met.present,
        said=outlined.said,
        dice=met.dice,
        hd95=met.hd95,
        distance_unit=met.unit,
        volume_error=met.volume_error,
        size=outlined.size,
        true_size=outlined.true_size,
        unit=outlined.unit,
    )


def _cautions(table: Table, found: _Judged, examined: Sequence[Examined]) -> list[str]:
    """What a reader of the page must know before its numbers."""
    answered = [each for each in examined if each.answered]
    said = []
    unfit = sum(each.reason is not None and each.reason.code in TRUTH_UNFIT for each in examined)
    if unfit:
        said.append(
            f"What is true of {unfit} of {len(examined)} scans could not be compared with what was drawn: these count "
            "as refused, though the pack did not refuse them."
        )
    if not table.names_patients:
        said.append(
            "The table does not tell whose scans these are (no column 'patient'): every row was taken for another "
            "patient. If some patients have several scans, all intervals here are too narrow."
        )
    if any(each.site is not None and each.site.table_sha256 == table.sha256 for each in answered):
        said.append(
            "The threshold of this site was set on this very table: its figures flatter it. Evaluate it on other scans."
        )
    if len({each.engine for each in answered}) > 1:
        said.append("Some results come from another engine or precision than others: they were finished earlier.")
    warned = {note.code for each in answered if each.result is not None for note in each.result.warnings}
    if GOLDEN_NOT_RUN.code in warned:
        said.append(f"{GOLDEN_NOT_RUN.code}: {GOLDEN_NOT_RUN.words} {GOLDEN_NOT_RUN.action}")
    for title, counts in found.counts():
        few = [f"{count} {words}" for count, words in counts if count < FEW and (count or found.labels)]
        if few:
            said.append(f"{title}: {' and '.join(few)} only: these figures may be far from the truth.")
    return said
