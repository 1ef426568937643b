"""Tests of edgerun: the folders mirror the packages."""
