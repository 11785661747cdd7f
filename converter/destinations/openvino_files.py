"""OpenVINO's two files, by OpenVINO's own converter: the graph as XML, and its weights beside it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def write_openvino(saved_model: Path, names: tuple[Sequence[str], Sequence[str]], to: Path) -> None:
    """Write `to` (.xml) and the .bin file of the same name from a SavedModel.

    Weights keep their 32 bits; OpenVINO would halve them.

    Args:
        names: of the inputs and the outputs in the model's order; the files have the same names.

    Raises:
        ModuleNotFoundError: OpenVINO is not installed.
        RuntimeError: OpenVINO cannot say the model.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # it would tell its makers
    import openvino

    model = openvino.convert_model(str(saved_model))
    for ports, wanted in zip((model.inputs, model.outputs), names, strict=True):
        for port in ports:
            known = {name.partition(":")[0] for name in port.get_names()}
            port.get_tensor().set_names({next(name for name in wanted if name in known)})
    openvino.save_model(model, str(to), compress_to_fp16=False)
