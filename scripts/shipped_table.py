"""The table of docs/ship.md: what every format takes, and what it keeps, of docs/shipped.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.markdown import markdown

FORMATS = {"savedmodel": "SavedModel", "tflite": "LiteRT", "onnx": "ONNX", "openvino": "OpenVINO"}
SMALLER = ("float16", "dynamic", "int8")

Result = Mapping[str, Any]


def shipped_table(results: Result) -> str:
    models = results["models"]
    whole = [
        (
            model["name"],
            *(_file(model["formats"][kind]) for kind in FORMATS),
            model["training"].removesuffix(" equal"),
            model["back"].removesuffix(" equal"),
        )
        for model in models
    ]
    fewer = [
        (model["name"], *(_kept(model["smaller"][kind]) for kind in SMALLER)) for model in models if model["smaller"]
    ]
    header = ("Model", *FORMATS.values(), "Gradients", "Back to torch")
    tables = [
        markdown(header, whole),
        "Of a file: MB, greatest error, and the time of a call as a multiple of onnxruntime's with the source, on all "
        "cores in one run. Gradients and tensors of the state_dict: how many are equal to torch's.\n",
        markdown(("Model", *(f"LiteRT, {kind}" for kind in SMALLER)), fewer),
        "MB, decibels of signal to noise in the worst output, and how often the greatest entry is the same; int8 is "
        "calibrated with random numbers.\n",
    ]
    reasons = [
        f"- {model['name']}, {kind}: {told['reason']}"
        for model in models
        for kind, told in (*model["formats"].items(), *model["smaller"].items())
        if "reason" in told
    ]
    if reasons:
        tables += ["What was refused or found wrong, and so is not written:\n", "\n".join(reasons) + "\n"]
    return "\n".join([*tables, f"{results['date']}, {results['versions']}.\n"])


def _file(told: Result) -> str:
    if "reason" in told:
        return "no"
    return f"{told['bytes'] / 1e6:.1f}, {told['max_abs']:.0e}, ×{told['latency_ms'] / told['onnxruntime_ms']:.2f}"


def _kept(told: Result) -> str:
    if "reason" in told:
        return "no"
    worst = min(told["outputs"], key=lambda output: output["snr_db"])
    agreement = worst["agreement"]
    same = "" if agreement is None else f", {agreement:.0%}"
    return f"{told['bytes'] / 1e6:.1f}, {worst['snr_db']:.0f} dB{same}"
