"""edgerun runs trained imaging models on scans, offline, and hands back what a clinician can trust.

The way of the data, and where each part of it stands::

    files -> read -> Scan -> check -> prepare -> engine -> task -> Findings -> write -> report

    pipeline     the whole story on one page: start there
    read         DICOM, NIfTI, PNG, JPEG, TIFF, decoded in a process of its own
    scan         what goes in: Series, Scan, Study
    geometry     where every voxel lies: Grid
    roles        which of a patient's scans is which input of a pack
    check        is this scan fit for this pack
    prepare      from a scan to what the model is fed
    engines      what runs a model
    ready        the fastest engine here: measured, proven, recorded, obeyed
    tasks        from what the model gave to findings in the place of the scan
    volume       windows, blending, labels on the source's voxels, measures, memory
    detect       boxes: layouts, suppression, place, masks of instances
    register     displacement fields: warped scans and folds
    findings     what comes out
    explain      where a score comes from, on request, and whether that can be believed
    write        report.json, and the pictures, pages and documents that are views of it
    objects      DICOM objects, made in a process of their own and proven in place
    words        what is said to people, in seven languages; fonts renders them
    page         elements, tables and drawings of the pages that a browser opens
    replay       a report made again and compared
    site         a pack on a site's own scans: evaluated, and its thresholds set
    truth        what is true of a scan beside what was said: masks and boxes
    deidentify   studies handed on with nobody's name in them
    pack         the model pack: manifest, files, safety, installed packs
    reasons      every stable code, with plain words and what to do
    errors       the error tree and the exit codes
    bench        how long a scan waits on this machine, everything counted
    device       what this machine is: processor, board, GPU, power mode
    cli          the command `edgerun`

Public names: `read_study`, and what the modules above document.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.read import read_study

__all__ = ["read_study"]


def __getattr__(name: str) -> Any:
    if name == "read_study":
        from edge.read import read_study  # noqa: PLC0415 -- the command starts its child before it imports anything

        return read_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
