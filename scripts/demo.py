"""The main job, shown: the trained digits network becomes a Keras model that predicts the same.

python -m scripts.demo [--output build/demo]

`make demo` runs it. It ends with 1 where a prediction differs, or where the conversion is not verified.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from scripts.demo_digits import Score, score

if TYPE_CHECKING:
    from converter import Conversion

SOURCE = "models.digits:build"
OUTPUT = Path("build") / "demo"
WIDTH = 110
RULE = "├"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help=f"default: {OUTPUT}")
    folder = parser.parse_args(arguments).output
    folder.mkdir(parents=True, exist_ok=True)
    if not Console().is_terminal:
        os.environ["COLUMNS"] = str(WIDTH)  # for Keras, which makes a console of its own for the summary
    screen = Console(highlight=False)
    screen.print(Panel(f"[bold]{SOURCE}[/] with its trained weights → Keras", expand=False))
    with screen.status("Importing Keras and PyTorch"):
        from converter.terminal.quiet_tensorflow import import_backend

        import_backend()
    with screen.status("Exporting, converting, and verifying the saved file against onnxruntime"):
        conversion = convert(folder)
    show_model(screen, conversion)
    with screen.status("Recognising digits that the network was not trained on"):
        result = score(folder / "digits.keras", conversion.inputs)
    show_outcome(screen, conversion, result, folder)
    return int(not (conversion.verified and result.equal == result.count))


def convert(folder: Path) -> Conversion:
    """Convert with the command line's defaults, and write the report twice: for programs and for people."""
    import converter
    from models import digits

    conversion = converter.convert(SOURCE, folder / "digits.keras", checkpoint=digits.CHECKPOINT, inputs=[digits.INPUT])
    (folder / "digits.json").write_text(json.dumps(conversion.report.to_dict(), indent=1) + "\n")
    (folder / "digits.html").write_text(conversion.report.to_html())
    return conversion


def show_model(screen: Console, conversion: Conversion) -> None:
    """The summary, nested models unfolded, without the rules between its rows."""
    lines: list[str] = []
    width = min(screen.width, WIDTH)
    conversion.model.summary(print_fn=lines.append, line_length=width, expand_nested=True)
    rows = "\n".join(lines).splitlines()
    screen.print("\n".join(row for row in rows if not row.startswith(RULE)), markup=False)


def show_outcome(screen: Console, conversion: Conversion, result: Score, folder: Path) -> None:
    verification = conversion.report.to_dict()["verification"]
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    table.add_row("[bold]Verified", f"[green]yes[/], over {len(verification['cases'])} cases, the saved file reloaded")
    table.add_row("[bold]Greatest error", f"{verification['max_abs']:.1e} against onnxruntime")
    table.add_row("[bold]Transposes", str(conversion.report.transposes))
    table.add_row("[bold]Accuracy, PyTorch model", f"{result.source:.2%} of {result.count} held-out digits")
    table.add_row("[bold]Accuracy, Keras model", f"{result.converted:.2%} of the same digits")
    table.add_row("[bold]Equal predictions", f"{result.equal} of {result.count}")
    table.add_row("[bold]Keras file", str(folder / "digits.keras"))
    table.add_row("[bold]Report", f"{folder / 'digits.html'}, and {folder / 'digits.json'}")
    screen.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
