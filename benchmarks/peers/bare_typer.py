"""The smallest Typer program with two commands: ``python FILE --help``."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def one(path: str) -> None:
    """Do one thing."""
    print(path)


@app.command()
def two(path: str) -> None:
    """Do another thing."""
    print(path)


app()
