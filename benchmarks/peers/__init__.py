"""The shortest honest scripts that do the same work, to be measured against."""
