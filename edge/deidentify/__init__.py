"""DICOM files -> the same pictures with nobody's name: `edgerun deidentify`."""
