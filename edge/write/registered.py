"""Registration -> the moving scan as it was moved, and the field that moved it, as NIfTI volumes."""

from __future__ import annotations

from edge.findings import Findings, Registration
from edge.register.labels import told_lengths
from edge.scan import Scan
from edge.wanted import PLAIN, Wanted
from edge.write.nifti import nifti, nifti_field
from edge.write.report import ResultReport


def registered(
    result: ResultReport,
    scan: Scan | None,  # noqa: ARG001
    findings: Findings | None,
    wanted: Wanted = PLAIN,  # noqa: ARG001
) -> dict[str, bytes]:
    """Return ``warped.nii.gz``, ``displacement.nii.gz`` and, where labels were given, ``warped-labels.nii.gz``.

    All are on the grid that the model saw. The warped scan has NaN where the moving one has nothing, labels have 0.
    For the field's convention see
    `edge.write.nifti.nifti_field`: as a displacement field of ITK it resamples the moving scan onto the fixed one.
    """
    if not isinstance(findings, Registration):
        return {}
    others = ((role, each.lengths_told) for role, each in result.others.items())
    told = result.scan.lengths_told and told_lengths(others)
    words = f"Displacement in {'mm' if told else 'the unit of the scans'}, LPS (ITK)"
    files = {
        "warped.nii.gz": nifti(
            findings.warped, findings.grid, "Moving scan brought onto the fixed one", lengths_told=told
        ),
        "displacement.nii.gz": nifti_field(findings.displacement_mm, findings.grid, words, lengths_told=told),
    }
    if findings.labels is not None:
        said = "Labels of the moving scan on the fixed one"
        files["warped-labels.nii.gz"] = nifti(findings.labels.codes, findings.grid, said, lengths_told=told)
    return files
