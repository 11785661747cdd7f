"""What a conversion gives: the model, the report, and the names by which weights go in and out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.options import Options
from converter.ports import Port
from converter.report import Report
from converter.sources import InputSpec, load
from converter.weights.record import Record, record_of

if TYPE_CHECKING:
    import keras


@dataclass(repr=False)
class Conversion:
    """What `convert` returns.

    Attributes:
        model: inputs and outputs in ONNX order, inputs named as in ONNX; None where onnx2tf was the backend.
        report: what was done; `report.to_dict()` is what `--report` writes.
        weights: for every variable of the model, by its path: {"source": name of the tensor in the source, "view": the
            transposes and reshapes from there to here, or "derived" where it was computed}. Where the source has no
            such tensor, "source" is None and "reason" says why.
    """

    model: keras.Model
    report: Report
    weights: dict[str, dict[str, Any]] = field(default_factory=dict)
    _others: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line, as a notebook shows it: the report has a thousand."""
        told = self.report.parameters
        parameters = "" if told is None else f", {told:,} parameters"
        return f"<Conversion of {self.report.source}{parameters}, {'' if self.verified else 'not '}verified>"

    @property
    def verified(self) -> bool:
        """Whether the saved model was compared with onnxruntime and found equal."""
        return bool(self.report.verification and self.report.verification["passed"])

    def load_checkpoint(self, path: str | Path, *, trust: bool = False) -> None:
        """Put another checkpoint of the same architecture into `model`, by the names of the source.

        Raises:
            BadSource: the file cannot be read safely, or its names and shapes do not fit; the model stays as it is.
        """
        from converter.weights.exchange import assign, into_variables
        from converter.weights.files import read_state

        state = read_state(Path(path), self._record.shapes, trust=trust)
        assign(self.model, into_variables(self._record, state, f"The checkpoint {Path(path).name}"))

    def gradients_equal(
        self, module: Any, *, inputs: Sequence[str | InputSpec] = (), example_inputs: Any = None
    ) -> bool:
        """Whether the gradients of `model` are those of the module that it was made from, in evaluation mode.

        Each trained tensor's is compared, to a thousandth of its norm; `keraport verify --gradients` names those that
        differ.

        Raises:
            UsageError: the source is no module.
        """
        from converter.proof.gradients import compare_gradients

        source = load(module, Options(inputs=inputs, example_inputs=example_inputs))
        return compare_gradients(self.model, self._record, source, self.inputs, self.outputs).passed

    @property
    def _record(self) -> Record:
        return record_of(self.report.source, self.weights, self._others)

    @property
    def inputs(self) -> Sequence[Port]:
        return self.report.inputs

    @property
    def outputs(self) -> Sequence[Port]:
        return self.report.outputs
