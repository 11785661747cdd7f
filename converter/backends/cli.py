"""`keraport backend`: environments of backends that keraport does not have in its own."""

from __future__ import annotations

from typing import Annotated

import typer

from converter.terminal.screen import Screen

app = typer.Typer(help="Backends that need an environment of their own.", no_args_is_help=True)

Package = Annotated[str, typer.Argument(metavar="BACKEND", help="onnx2tf", show_default=False)]


@app.command()
def install(
    backend: Package,
    version: Annotated[
        str | None, typer.Option("--package-version", metavar="X.Y.Z", help="Instead of the one that was tried.")
    ] = None,
) -> int:
    """Make the environment of a backend, or make it anew: a virtual environment with pinned versions."""
    from converter.backends.onnx2tf.environment import install as make

    screen = Screen()
    made = make(backend, version, lambda line: screen.lines([line]))
    screen.lines([f"Installed  {made.package} {made.version}"])
    return 0


@app.command("list")
def show() -> int:
    """The backends that are there, and where."""
    from converter.backends.onnx2tf.environment import PINNED, installed

    found = {each.package: f"{each.version}, in {each.folder}" for each in installed()}
    lines = ["keras  always there", *(f"{name}  {found.get(name, 'not installed')}" for name in PINNED)]
    Screen().lines(lines)
    return 0


@app.command()
def remove(backend: Package) -> int:
    """Remove the environment of a backend."""
    from converter.backends.onnx2tf.environment import remove as drop

    Screen().lines([f"Removed  {drop(backend)}"])
    return 0
