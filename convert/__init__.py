"""Conversion of trained networks into the runtime's model packages."""
