"""Tests of the way from a scan to what the model is fed."""
