"""Training recipes of the demonstration models."""
