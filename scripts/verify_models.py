"""Convert and verify the models of models/manifest.py, and write docs/verified.json.

python -m scripts.verify_models [NAME...] [--folder DIR] [--output docs/verified.json]

Names that are not given keep their records. The trained models' files are looked for in DIR; one that is absent keeps
its record too. A model that fails ends the run with 1 after the others, and its record goes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from models.manifest import ARCHITECTURES, TRAINED
from scripts.children import ROOT, ChildFailed, Result, measure
from scripts.machine import describe_machine

OUTPUT = ROOT / "docs" / "verified.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folder", type=Path, default=ROOT, metavar="DIR")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    screen = Console()
    known = read(options.output)
    failed = False
    for name in options.names or available(options.folder):
        try:
            with screen.status(name):
                known[name] = measure("scripts.verify_model", name, "--folder", options.folder.resolve())
        except ChildFailed as error:
            failed = True
            known.pop(name, None)
            screen.print(f"[red]✗[/] {name}\n{error}", highlight=False)
        else:
            screen.print(f"[green]✓[/] {name}", known[name]["error"], known[name]["transposes"])
        write(options.output, known)
    return int(failed)


def order() -> list[str]:
    """Every name of the manifest, trained models first."""
    return [*(model.name for model in TRAINED), *ARCHITECTURES]


def available(folder: Path) -> list[str]:
    """The names whose files are there."""
    absent = {m.name for m in TRAINED if not any((place / m.file).is_file() for place in (ROOT, folder))}
    return [name for name in order() if name not in absent]


def read(path: Path) -> dict[str, Result]:
    if not path.exists():
        return {}
    return {record["name"]: record for record in json.loads(path.read_text())["models"]}


def write(path: Path, known: dict[str, Result]) -> None:
    """The records in the manifest's order, with the versions that they were made with last."""
    machine = describe_machine()
    models = [known[name] for name in order() if name in known]
    values = {"versions": machine["versions"], "date": machine["date"], "models": models}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
