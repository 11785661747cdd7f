"""Convert and verify the models of the README's table, and write docs/verified.json.

python -m scripts.verify_models [NAME...] [--folder DIR] [--output docs/verified.json]

The models are those of models/digits.toml, trained.toml and architectures.toml. Names that are not given keep their
records. The trained models' files are looked for where trained.toml says, or in DIR; one that is absent keeps its
record too. A model that fails ends the run with 1 after the others, and its record goes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from scripts.children import ROOT, ChildFailed, Result, measure
from scripts.machine import describe_machine
from scripts.verified_models import is_available, verified_models

OUTPUT = ROOT / "docs" / "verified.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folder", type=Path, metavar="DIR")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    screen = Console()
    known = read(options.output)
    failed = False
    folder = () if options.folder is None else ("--folder", options.folder.resolve())
    entries = verified_models(options.folder)
    for name in options.names or [name for name, entry in entries.items() if is_available(entry)]:
        try:
            with screen.status(name):
                known[name] = measure("scripts.verify_model", name, *folder)
        except ChildFailed as error:
            failed = True
            known.pop(name, None)
            screen.print(f"[red]✗[/] {name}\n{error}", highlight=False)
        else:
            screen.print(f"[green]✓[/] {name}", known[name]["error"], known[name]["transposes"])
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


if __name__ == "__main__":
    raise SystemExit(main())
