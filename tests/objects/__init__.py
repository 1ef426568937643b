"""Tests of DICOM objects."""
