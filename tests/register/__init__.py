"""Tests of displacement fields: warping and folds."""
