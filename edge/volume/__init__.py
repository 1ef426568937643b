"""Volumes too large to hold every score: windows of a scan in, slabs of blended scores through, labels out.

`tiles` cuts the prepared volume into windows, `blend` puts the model's answers together slab by slab, `source` decides
them on the source's own voxels, `measure` reads numbers off a label, and `plan` says beforehand what it all takes.
"""
