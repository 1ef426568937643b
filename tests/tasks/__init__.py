"""Tests of the way from outputs to findings."""
