"""Boxes: layouts, suppression, places, outlines, and the planted nets."""
