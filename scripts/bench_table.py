"""What the latest run of docs/bench says, for the README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.markdown import markdown

TIMES = ("converted_ms", "handwritten_ms", "onnxruntime_ms")
RATIOS = ("to_handwritten", "to_onnxruntime")


def bench_table(results: Mapping[str, Any]) -> str:
    """Conversions, latencies and the chain, with the machine they were measured on."""
    parts = [_conversions(results["models"]), _latencies(results["models"])]
    if results["chain"]:
        runs = " and ".join(f"{run['nodes']:,} nodes in {run['seconds']:.1f} s" for run in results["chain"]["runs"])
        parts.append(f"A chain of {runs}: {results['chain']['ratio']:.2f} times as long.\n")
    machine = results["machine"]
    about = "; ".join(machine[key] for key in ("processor", "memory", "system", "versions"))
    parts.append(f"Measured {machine['date']} on {about}. Load {machine['load']}.\n")
    return "\n".join(part for part in parts if part)


def _conversions(models: list[Mapping[str, Any]]) -> str:
    rows = [
        (
            model["name"],
            *(f"{seconds:.2f}" for seconds in (model["seconds"], *model["stages"].values())),
            *(f"{model[key]:.2f}" if key in model else "" for key in ("to_load", "to_forward", "peak_multiple")),
            model["operations"],
            model["transposes"],
        )
        for model in models
    ]
    told = ("/ loading", "Proof / calls", "Peak memory / weights", "Operations", "Transposes")
    header = ("Conversion", "Seconds", *models[0]["stages"], *told)
    return markdown(header, rows)


def _latencies(models: list[Mapping[str, Any]]) -> str:
    rows = [
        (
            model["name"],
            entry["batch"],
            *(f"{entry[key]:.1f}" if key in entry else "" for key in TIMES),
            *(f"{entry[key]:.2f}" if key in entry else "" for key in RATIOS),
        )
        for model in models
        for entry in model.get("latency", ())
    ]
    header = ("Latency, ms", "Batch", "keraport", "by hand", "onnxruntime", "/ by hand", "/ onnxruntime")
    return markdown(header, rows) if rows else ""
