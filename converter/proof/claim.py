"""What is to be proven: that a model computes what its source computes, for the cases to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.ports import Port
from converter.proof.compare import Tolerance
from converter.proof.inputs.trials import Trials
from converter.proof.judge import Judge
from converter.proof.oracle import Oracle
from converter.proof.oracle.steps import Steps
from converter.proof.precision import tolerances_of
from converter.sources import Source

Array = np.ndarray[Any, np.dtype[Any]]

FindGuilty = Callable[[Mapping[str, Array]], dict[str, Any] | None]
"""Inputs → the layer that computes otherwise when it is given what it should be given; None where there is none."""


@dataclass(frozen=True)
class Claim:
    """The two sides, and how they relate.

    Attributes:
        source: as loaded; its graph's inputs say which sizes are dynamic, its module is asked as well.
        oracle: `oracle_for` it.
        normalised: of `prepare`: shapes and dtypes on the way tell which inputs are lengths, and how exact outputs are.
        inputs, outputs: how the tensors of the source relate to those of the model.
        examples: inputs to use as they are in one more case, and for values that cannot be made up.
        tolerance: for floating-point outputs, instead of the one of their dtype.
        quick: one case, and no second opinion in float64.
        find_guilty: asked where rounding, or an output that hardly moves, leaves the outputs to prove too little.
    """

    source: Source
    oracle: Oracle
    normalised: ir.Model
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    examples: Mapping[str, Array] = field(default_factory=dict)
    tolerance: Tolerance | None = None
    quick: bool = False
    find_guilty: FindGuilty | None = None

    def trials(self) -> Trials:
        """What makes its cases."""
        return Trials.knowing(self.source, self.oracle, self.normalised, quick=self.quick)

    def judge(self) -> Judge:
        """What decides on them."""
        tolerances = tolerances_of(self.normalised.graph)
        return Judge(self.oracle, self.outputs, self.tolerance, tolerances, Steps(self.normalised))
