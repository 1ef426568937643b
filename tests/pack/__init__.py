"""The model pack."""
