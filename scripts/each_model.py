"""The models of the README's table, one by one in processes of their own, and the records that they leave."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from scripts.children import ChildFailed, Result, measure
from scripts.machine import describe_machine
from scripts.verified_models import is_available, verified_models


def each_model(
    description: str,
    child: str,
    output: Path,
    shown: Callable[[Result], str],
    arguments: Sequence[str] | None = None,
    *,
    pinned: bool = True,
) -> int:
    """Measure the models that are named, all by default. A model that fails ends the run with 1 after the others.

    Args:
        child: the module that is run for each, with its name.
        output: where the records go, unless told otherwise; a model that is not measured keeps its own.
        shown: what a line says of a record.
        arguments: of the command line.
        pinned: each on one core.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folder", type=Path, metavar="DIR")
    parser.add_argument("--output", type=Path, default=output)
    options = parser.parse_args(arguments)
    screen = Console()
    known = read(options.output)
    failed = False
    folder = () if options.folder is None else ("--folder", options.folder.resolve())
    entries = verified_models(options.folder)
    for name in options.names or [name for name, entry in entries.items() if is_available(entry)]:
        try:
            with screen.status(name):
                known[name] = measure(child, name, *folder, pinned=pinned)
        except ChildFailed as error:
            failed = True
            known.pop(name, None)
            screen.print(f"[red]✗[/] {name}\n{error}", highlight=False)
        else:
            screen.print(f"[green]✓[/] {name}", shown(known[name]))
        write(options.output, known)
    return int(failed)


def read(path: Path) -> dict[str, Result]:
    if not path.exists():
        return {}
    return {record["name"]: record for record in json.loads(path.read_text())["models"]}


def write(path: Path, known: dict[str, Result]) -> None:
    """The records in the table's order, with the versions that they were made with last."""
    machine = describe_machine()
    models = [known[name] for name in verified_models() if name in known]
    values = {"versions": machine["versions"], "date": machine["date"], "models": models}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n")
