"""Registration: a moving scan on the grid of a fixed one, and what the displacement does to space."""
