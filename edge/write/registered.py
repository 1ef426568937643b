"""Registration -> the moving scan as it was moved, and the field that moved it, as NIfTI volumes."""

from __future__ import annotations

from edge.findings import Findings, Registration
from edge.scan import Scan
from edge.write.nifti import nifti, nifti_field
from edge.write.report import ResultReport


def registered(result: ResultReport, scan: Scan | None, findings: Findings | None) -> dict[str, bytes]:  # noqa: ARG001
    """Return ``warped.nii.gz`` and ``displacement.nii.gz``, both on the grid that the model saw.

    The warped scan has NaN where the moving one has nothing. For the field's convention see
    `edge.write.nifti.nifti_field`: as a displacement field of ITK it resamples the moving scan onto the fixed one.
    """
    if not isinstance(findings, Registration):
        return {}
    told = all(each.lengths_told for each in (result.scan, *result.others.values()))
    words = f"Displacement in {'mm' if told else 'the unit of the scans'}, LPS (ITK)"
    return {
        "warped.nii.gz": nifti(
            findings.warped, findings.grid, "Moving scan brought onto the fixed one", lengths_told=told
        ),
        "displacement.nii.gz": nifti_field(findings.displacement_mm, findings.grid, words, lengths_told=told),
    }
