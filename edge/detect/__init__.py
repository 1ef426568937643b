"""Boxes: read from what the model gave, thinned out, and brought to their place on the scan and in the patient."""
