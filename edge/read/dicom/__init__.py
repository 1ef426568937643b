"""DICOM files -> `Scan`: every voxel in its place, or a reason why not.

The way of a file: `parse` (bytes -> dataset and the place of its pixels), `pixel_description` (group 0028 -> sizes and
types), `place` (functional groups -> where each frame lies), `arrange` (places -> order and affine), `decode` (pixels
-> stored values, by `codecs`), `modality` and `colour` (stored values -> real units, RGB).
"""

from edge.read.dicom.reader import DicomReader

__all__ = ["DicomReader"]
