"""The step of a conversion that gives a graph the distance of a scan's features from those that the net learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convert.assemble import sha256_of
from convert.build import Plan
from convert.cases import Case, hash_of
from convert.describe import Description
from convert.familiar import OUTPUT, find_features, has_distance, insert_distance, learn, read_features
from convert.familiar_limits import unlimited
from convert.familiar_rule import FamiliarRule
from convert.measure import feeds_of
from convert.optimise import optimise
from convert.work import Work
from edge.errors import UsageError
from edge.pack.manifest import ClassificationTask, Manifest
from edge.typed import dump

NOT_TOLD = "Scans that are not like those that the model learnt from will not be told. "


def with_familiar(
    plan: Plan, description: Description, cases: Sequence[Case], work: Work
) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan with the distance as an output of its model, where wanted and to be had, and what was done.

    By default it is wanted of a trained classification whose net and scans allow it.

    Parameters
    ----------
    cases : sequence of Case
        Examinations such as the net learnt from; those of which a file is in a table of the plan are left out.

    Raises
    ------
    UsageError
        The description asks for it, and it cannot be had.
    edge.errors.EdgerunError
        A scan cannot be read.
    """
    rule, draft = description.familiar, plan.draft
    wanted = isinstance(draft.task, ClassificationTask) if rule is None else rule.check
    if draft.status != "trained" or not wanted or has_distance(plan.onnx):
        return plan, ()
    try:
        onnx, words = _inserted(plan, apart(cases, plan), work)
    except UsageError as error:
        if rule is not None:
            raise
        return plan, (NOT_TOLD + error.message,)
    return replace(plan, onnx=onnx, draft=with_undecided(rule, draft, onnx)), (words,)


def apart(cases: Sequence[Case], plan: Plan) -> tuple[Case, ...]:
    """Return the examinations of which no file is in a table: what is usual must not be learnt from what is judged."""
    tables = [table.scans.cases for table in (plan.tune, plan.evaluate) if table is not None]
    known = {hash_of(path) for table in tables for case in table for path in case}
    return tuple(case for case in cases if known.isdisjoint(hash_of(path) for path in case))


def with_undecided(rule: FamiliarRule | None, draft: Manifest, onnx: bytes) -> Manifest:
    """Return the draft of a pack whose one model measures the distance, refusing by none, if its graph gives it."""
    (model,) = draft.models
    if not has_distance(onnx):
        return draft
    limits = unlimited(draft.task, rule or FamiliarRule())
    return replace(draft, models=(replace(model, sha256=sha256_of(onnx), familiar=limits),))


def _inserted(plan: Plan, cases: Sequence[Case], work: Work) -> tuple[bytes, str]:
    draft, ready = plan.draft, optimise(plan.onnx)
    features = find_features(ready, draft.task.output, scores=isinstance(draft.task, ClassificationTask))
    if not cases:
        raise UsageError("Learning what scans are usual: found none but those of the tables, expected others.")

    def make() -> bytes:
        learnt = learn(read_features(ready, features, feeds_of(cases, draft, plan.confirmed)))
        return insert_distance(ready, features, learnt)

    scans = [hash_of(path) for case in cases for path in case]
    key = {"model": sha256_of(ready), "scans": scans, "inputs": dump(draft.inputs)}
    words = (
        f"How far the features {features!r} lie from those of {len(cases)} scans was added as the output {OUTPUT!r}."
    )
    return work.kept("familiar", key, make), words
