"""One model of the README's table the whole way, in a fresh process.

python -m scripts.verify_model NAME [--folder DIR]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.zoo.records.entry import SEED, Entry
from scripts.bench_convert import count_operations
from scripts.children import Result, reply
from scripts.verified_models import verified_models

if TYPE_CHECKING:
    from converter import Conversion


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, help="where the trained models' files are")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="keraport-verify-") as temporary:
        output = Path(temporary) / "model.keras"
        return record(options.name, convert(verified_models(options.folder)[options.name], output))


def convert(entry: Entry, output: Path | Sequence[Path]) -> Conversion:
    """Convert with the defaults of the command line, verification included."""
    import converter

    return converter.convert(
        entry.source,
        output,
        checkpoint=entry.checkpoint,
        inputs=entry.inputs,
        random_weights=SEED if entry.random_weights else None,
        **entry.options,
    )


def record(name: str, conversion: Conversion) -> Result:
    """What the table shows of it.

    Returns:
        error: the greatest difference from onnxruntime; of_allowed: the greatest share of the tolerance that a
        difference takes; cases: how many batch and image sizes were tried; operations, transposes, parameters: of the
        Keras model; notes: the report's.
    """
    report = conversion.report.to_dict()
    verification = report["verification"]
    outputs: list[dict[str, Any]] = [output for case in verification["cases"] for output in case["outputs"]]
    return {
        "name": name,
        "error": verification["max_abs"],
        "of_allowed": max(output["max_abs"] / output["tolerance"]["allowed"] for output in outputs),
        "cases": len(verification["cases"]),
        "operations": count_operations(conversion.model),
        "transposes": report["transposes"],
        "parameters": report["parameters"],
        "notes": report["notes"],
    }


if __name__ == "__main__":
    reply(main)
