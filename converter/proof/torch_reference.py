"""The torch module beside onnxruntime: it tells a fault of the export from ours, and in float64 it is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from converter.ports import to_source
from converter.proof.compare import rmse
from converter.proof.inputs.trials import Trial
from converter.proof.judge import Judge
from converter.proof.noise import TIMES, uncertainty
from converter.proof.verdict import Precision, Verification
from converter.sources import Source, memory_budget

Array = np.ndarray[Any, np.dtype[Any]]

FLOAT32_STEP = 2.0**-23
DOUBLE_SHARE = 4
"""The copy in float64 may take this part of the machine's memory."""


def ask_module(
    source: Source, judge: Judge, trial: Trial, from_keras: Sequence[Array] | None, result: Verification
) -> None:
    """Compare onnxruntime with the module, and both onnxruntime and Keras with the module in float64.

    Sets `export` and `precision` of the verification, or adds a note why it could not.

    Args:
        source: with a `torch_module`.
        judge: knows the outputs.
        trial: the inputs, and what onnxruntime says.
        from_keras: what Keras says, None where it stopped.
        result: is filled in.
    """
    from converter.sources.torch.reference import Reference, parameter_bytes

    try:
        found = Reference(source).run(trial.feeds)
    except Exception as error:  # noqa: BLE001 - whatever the user's forward raises: then there is no second opinion
        result.notes.append(f"The module does not run on these inputs, so the export was not compared: {error}")
        return
    # The module is the truth here: what the export made of it is judged.
    ports = judge.ports
    result.export = judge.export(trial, found)
    if result.is_quick or from_keras is None or len(from_keras) != len(ports):
        return
    if 2 * parameter_bytes(source) > memory_budget.machine_memory() // DOUBLE_SHARE:
        result.notes.append("The module is too large to be copied to float64, so the precision was not measured.")
        return
    try:
        exact = Reference(source, double=True).run(trial.feeds)
    except Exception as error:  # noqa: BLE001 - as above: some modules insist on float32
        result.notes.append(f"The module does not run in float64, so the precision was not measured: {error}")
        return
    if len(exact) == len(ports):
        for port, truth, a, b in zip(ports, exact, trial.expected, to_source(ports, from_keras), strict=True):
            _measure(port.name, truth, a, b, result)
    result.precision = [
        precision if precision.passed else _measured_again(precision, judge, trial) for precision in result.precision
    ]


def _measured_again(precision: Precision, judge: Judge, trial: Trial) -> Precision:
    """What onnxruntime itself does when its inputs are rounded is allowed too: one run of it may be lucky."""
    place = [port.name for port in judge.ports].index(precision.output)
    own = uncertainty(judge.oracle, trial.feeds, trial.expected, rmse)[place]
    return replace(precision, allowed=max(precision.allowed, TIMES * own))


def _measure(name: str, truth: Array, by_oracle: Array, by_keras: Array, result: Verification) -> None:
    """Our error may be three times the oracle's own rounding, and a few roundings of the output itself."""
    if truth.dtype != np.float64 or by_oracle.dtype != np.float32 or by_keras.dtype != np.float32:
        return
    if not truth.size or truth.shape != by_oracle.shape or by_keras.shape != by_oracle.shape:
        return
    finite = np.isfinite(truth)
    if (np.isfinite(by_oracle) & ~finite).any():
        result.notes.append(f"In float64 the module's {name!r} is not finite, so its precision was not measured.")
        return
    size = float(np.sqrt(np.mean(np.square(truth[finite])))) if finite.any() else 0.0
    oracle = rmse(truth, by_oracle)
    result.precision.append(Precision(name, rmse(truth, by_keras), oracle, 3 * oracle + 4 * FLOAT32_STEP * size))
