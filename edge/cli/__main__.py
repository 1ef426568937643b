"""``python -m edge.cli`` is `edgerun`, where the script is not on the path."""

from edge.cli import command

command()
