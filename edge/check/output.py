"""Check of what the model gave: one and the same value everywhere is no answer.

Values that are no numbers, or beyond their range, are an error before this (`edge.tasks`).
"""

from __future__ import annotations

from edge.findings import Classification, Findings, Notice, Translation
from edge.reasons import CONSTANT_OUTPUT


def said_of_output(findings: Findings) -> tuple[Notice, ...]:
    """Refuse an answer that does not depend on where or for what it is asked.

    A synthetic image without any contrast, as a scan without any is refused before it; or several labels with the very
    same score. Of a single score nothing can be said; that the same boxes are missing everywhere, or that all of a
    picture is one tissue, may well be true. So may that every grade or a worse one is certain: of the worst grade.
    """
    if isinstance(findings, Translation):
        constant = bool(findings.values.min() == findings.values.max())
        detail = f"Every value of the synthetic image is {float(findings.values.flat[0]):g}."
    elif isinstance(findings, Classification):
        scores = {item.score for item in findings.labels}
        constant = len(findings.labels) > 1 and len(scores) == 1 and findings.grade is None
        detail = f"All {len(findings.labels)} labels have the score {min(scores):g}."
    else:
        return ()
    return (Notice(reason=CONSTANT_OUTPUT, severity="refuse", detail=detail),) if constant else ()
