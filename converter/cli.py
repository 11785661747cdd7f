"""The `keraport` command: all commands under one name, and whatever goes wrong as a message and an exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from converter.backends.cli import app as backends
from converter.commands.convert import convert
from converter.commands.diff import diff
from converter.commands.inspect import inspect, passes
from converter.commands.verify import verify
from converter.golden.cli import app as golden
from converter.terminal.screen import Screen
from converter.terminal.signals import interrupted_politely
from converter.weights.cli import app as weights
from converter.zoo.cli import app as zoo

COLLECT_AFTER = 200_000, 30, 30
"""Allocations before the collector looks at each generation: a command ends soon, and what it imports and exports is
large and stays. With Python's own 700, 10, 10 an export and its imports take a sixth longer (mypy does the same)."""

INTERRUPTED = 130
BROKEN_PIPE = 120
"""What Python exits with where its last words cannot be written."""

USAGE = 1

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(golden, name="golden")
app.add_typer(weights, name="weights")
app.add_typer(backends, name="backend")
app.add_typer(zoo, name="zoo")


def _version(asked: bool) -> None:
    if asked:
        from converter.versions import version_lines

        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the versions of what is used, and exit.",
        ),
    ] = False,
) -> None:
    """PyTorch models and ONNX files as real Keras 3 models, proven equal."""


for command in (convert, verify, diff, inspect, passes):
    app.command()(command)


def main(argv: Sequence[str] | None = None, ended: Sequence[int] = ()) -> int:
    """Run one command and return its exit code. Nothing is raised, unless KERAPORT_DEBUG asks for tracebacks.

    Args:
        ended: not empty once a signal has ended it: within an import that comes out as an error of the import.
    """
    screen = Screen()
    try:
        code = app(args=None if argv is None else list(argv), prog_name="keraport", standalone_mode=False)
    except TyperException as error:
        if message := error.format_message():
            screen.usage(message)
        return USAGE
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here becomes a message
        if not ended:
            return _explain(screen, error)
        code = INTERRUPTED
    if code == INTERRUPTED:
        screen.interrupted()
    return code if isinstance(code, int) else 0


def run() -> None:
    """The `keraport` command."""
    gc.set_threshold(*COLLECT_AFTER)
    with interrupted_politely() as ended:
        code = main(ended=ended)
    _end(ended[0] if ended else code)


def _end(code: int) -> NoReturn:
    """End without taking down what was imported: of TensorFlow that takes longer than a second, and the memory is the
    system's again anyway (mypy ends so, too). What is registered for the exit is done, threads are waited for."""
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads it any more
        os._exit(code or BROKEN_PIPE)
    os._exit(code)


def _explain(screen: Screen, error: Exception) -> int:
    from converter.terminal.causes import explained

    if os.environ.get("KERAPORT_DEBUG"):
        import traceback

        screen.progress.print("".join(traceback.format_exception(error)), markup=False)
    told = explained(error)
    if told is not None:
        screen.error(told)
        return told.exit_code
    screen.bug(error)
    return USAGE
