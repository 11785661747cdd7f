"""One model of the README's table in every format, with fewer bits if it is small, its gradients, and back to torch.

python -m scripts.ship_model NAME [--folder DIR]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.zoo.records.entry import SEED, Entry
from scripts.children import Result, reply
from scripts.verified_models import verified_models
from scripts.verify_model import convert

if TYPE_CHECKING:
    from converter import Conversion

FORMATS = {"savedmodel": "saved", "tflite": "model.tflite", "onnx": "model.onnx", "openvino": "model.xml"}
KERAS = "model.keras"
SMALLER = ("float16", "dynamic", "int8")
SMALL = 4_500_000
"""Parameters up to which a model is also written with fewer bits."""

ROWS = 64
"""Random inputs to calibrate with: what is measured is the file, not the data."""


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, help="where the trained models' files are")
    options = parser.parse_args(arguments)
    entry = verified_models(options.folder)[options.name]
    with tempfile.TemporaryDirectory(prefix="keraport-ship-") as temporary:
        conversion, formats = _formats(entry, Path(temporary))
        report = conversion.report
        small = (report.parameters or 0) <= SMALL
        return {
            "name": options.name,
            "parameters": report.parameters,
            "formats": formats,
            "smaller": {kind: _smaller(entry, Path(temporary), kind, conversion) for kind in SMALLER if small},
            **_back(entry, conversion, Path(temporary) / KERAS),
        }


def _formats(entry: Entry, folder: Path) -> tuple[Conversion, Result]:
    """All formats at once; where one fails, one by one."""
    from converter.errors import ConversionError

    files = {kind: folder / name for kind, name in FORMATS.items()}
    try:
        conversion = _convert(entry, folder, list(files.values()))
    except ConversionError:
        found = {kind: _alone(entry, folder, file) for kind, file in files.items()}
        return _convert(entry, folder, []), found
    told = {destination["format"]: _told(destination) for destination in conversion.report.destinations}
    return conversion, told


def _convert(entry: Entry, folder: Path, others: Sequence[Path], **options: Any) -> Conversion:
    keras = folder / KERAS
    return convert(replace(entry, options={**entry.options, "verify": "quick", **options}), [keras, *others])


def _alone(entry: Entry, folder: Path, file: Path, **options: Any) -> Result:
    from converter.errors import ConversionError

    try:
        return _told(_convert(entry, folder, [file], **options).report.destinations[0])
    except ConversionError as error:
        return {"reason": str(error).splitlines()[0]}


def _told(destination: Result) -> Result:
    """Its size in bytes, and what its own runtime made of it: greatest error or signal, and time beside onnxruntime."""
    return {"bytes": destination["output_bytes"], **destination["verification"]}


def _smaller(entry: Entry, folder: Path, kind: str, conversion: Conversion) -> Result:
    options: dict[str, Any] = {"quantise": kind, "least_signal": 0.0}
    if kind == "int8":
        generator = np.random.default_rng(SEED)
        sizes = {
            port.name: [size if isinstance(size, int) else 64 for size in port.shape[1:]] for port in conversion.inputs
        }
        rows = {name: generator.standard_normal((ROWS, *shape), np.float32) for name, shape in sizes.items()}
        np.savez(folder / "rows.npz", **rows)  # type: ignore[arg-type]
        options["calibrate"] = folder / "rows.npz"
    return _alone(entry, folder, folder / f"{kind}.tflite", **options)


def _fixed(size: int | str | None) -> int:
    return size if isinstance(size, int) else 64


def _back(entry: Entry, conversion: Conversion, file: Path) -> Result:
    """Whether gradients are the module's, and whether its state_dict comes back bit by bit."""
    from converter.options import Options
    from converter.proof.gradients import compare_gradients
    from converter.sources import load
    from converter.weights.exchange import into_state
    from converter.weights.record import read_record

    if entry.source.endswith(".onnx"):
        return {"training": "no module", "back": "no module"}
    seed = SEED if entry.random_weights else None
    options = Options(inputs=entry.inputs, checkpoint=entry.checkpoint, random_weights=seed)
    source = load(entry.source, options)
    record = read_record(file)
    found = compare_gradients(conversion.model, record, source, conversion.inputs, conversion.outputs)
    values = {variable.path: np.asarray(variable.numpy()) for variable in conversion.model.variables}
    state, _ = into_state(record, values)
    module = source.torch_module
    wanted = {} if module is None else {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    wrong = [name for name, array in state.items() if name in wanted and not np.array_equal(array, wanted[name])]
    missing = sorted(wanted.keys() - state.keys())
    return {
        "training": found.reason or f"{len(found.compared)} equal",
        "skipped": len(found.skipped),
        "back": f"{len(wrong)} differ" if wrong else f"{len(state)} equal",
        "missing": missing[:5],
        "lost": len(missing),
    }


if __name__ == "__main__":
    reply(main)
