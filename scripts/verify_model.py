"""One model of models/manifest.py the whole way, in a fresh process.

python -m scripts.verify_model NAME [--folder DIR]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.manifest import ARCHITECTURES, SEED, TRAINED
from scripts.bench_convert import count_operations
from scripts.children import ROOT, Result, reply

if TYPE_CHECKING:
    from converter import Conversion


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, default=ROOT, help="where the trained models' files are")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="keraport-verify-") as temporary:
        output = Path(temporary) / "model.keras"
        return record(options.name, convert(options.name, options.folder, output))


def convert(name: str, folder: Path, output: Path) -> Conversion:
    """Convert with the defaults of the command line, verification included.

    Raises:
        KeyError: the manifest has no such name.
    """
    import converter

    if name in ARCHITECTURES:
        return converter.convert(name, output, random_weights=SEED)
    trained = {model.name: model for model in TRAINED}[name]
    file = ROOT / trained.file if (ROOT / trained.file).is_file() else folder / trained.file
    if trained.factory:
        return converter.convert(trained.factory, output, checkpoint=file, inputs=trained.inputs)
    return converter.convert(str(file), output, inputs=trained.inputs)


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
