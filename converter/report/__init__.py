"""What a conversion did, as data: `Report.to_dict()` is what `--report` writes."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir
import psutil

from converter.options import BACKENDS
from converter.ports import Port
from converter.versions import versions
from passes.errors import ConversionError, operator
from passes.facts.keras import is_sized_by_numbers


@dataclass
class Stage:
    """One part of the way. `ok` is None while it runs; the memory is the most that this process has held by its end."""

    name: str
    seconds: float = 0.0
    ok: bool | None = None
    peak_memory_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        told = {"name": self.name, "seconds": round(self.seconds, 4), "ok": self.ok}
        return {**told, "peak_memory_bytes": self.peak_memory_bytes}


OnStage = Callable[["Report", Stage], None]


@dataclass
class Report:
    """Filled in as the conversion goes on; what is not known yet is None.

    Attributes:
        source: what was converted, in one line.
        inputs, outputs: in ONNX order.
        stages: in the order in which they ran.
        operators: how often each operator occurs in the graph that the backend was given.
        transposes: how many transpositions the emitted model has.
        parameters: how many numbers the emitted model's variables hold.
        trainable_parameters: how many of these training changes: not running statistics, buffers and what is frozen.
        source_trainable_parameters: how many the source's module has; None where it is no module.
        source_unused_parameters: how many of those evaluation does not use, as in an auxiliary head.
        peak_memory_bytes: the most that this process has held so far.
        dtype_policy: its name, the least signal to noise in decibels, what is left in each output on each backend,
            which is empty where nothing was verified, and whether the model without it was proven; None for the
            source's own bits.
        verification: `Verification.to_dict()`, or None where none took place.
        output: the file that was written.
        output_bytes: its size.
        destinations: the other files: format, output, output_bytes, and how they passed.
        backends: those of Keras that compile the model.
        custom_layers: the layers of `keraport.layers` that the model has: layer, name, node, module and the reason. The
            model is `portable` where there are none; None where it was not made.
        layers: `LayerError.to_dict()` of each, in the model's order, where it was asked for: for the page.
        modules: the classes of the source's modules by their paths.
        weights: for every variable of the model where its numbers come from, as in `Conversion.weights`.
        notes: what a reader should know, for example that the batch could not be exported as dynamic.
        error: `ConversionError.to_dict()` of what stopped the conversion.
        on_stage: called with the report and a stage when the stage begins and when it ends.
    """

    source: str = ""
    inputs: Sequence[Port] = ()
    outputs: Sequence[Port] = ()
    stages: list[Stage] = field(default_factory=list)
    operators: dict[str, int] = field(default_factory=dict)
    transposes: int | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    source_trainable_parameters: int | None = None
    source_unused_parameters: int | None = None
    peak_memory_bytes: int = 0
    dtype_policy: dict[str, Any] | None = None
    verification: dict[str, Any] | None = None
    output: str | None = None
    output_bytes: int | None = None
    destinations: list[dict[str, Any]] = field(default_factory=list)
    backends: list[str] = field(default_factory=list)
    custom_layers: list[dict[str, str | None]] | None = None
    layers: list[dict[str, Any]] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    weights: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: dict[str, str | None] | None = None
    on_stage: OnStage | None = field(default=None, repr=False)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a part of the way. What it raises goes on, and the stage is marked as failed."""
        stage = Stage(name)
        self.stages.append(stage)
        self._tell(stage)
        start = time.perf_counter()
        try:
            yield stage
            stage.ok = True
        except BaseException as error:
            stage.ok = False
            if isinstance(error, ConversionError):
                self.error = error.to_dict()
            raise
        finally:
            stage.seconds = time.perf_counter() - start
            self.peak_memory_bytes = stage.peak_memory_bytes = peak_memory()
            self._tell(stage)

    def count_operators(self, model: ir.Model) -> None:
        """Set `operators` from a graph, sub-graphs included, most frequent first, and the `backends` that follow."""
        self.operators = histogram(model)
        by_numbers = any(is_sized_by_numbers(node) for node in model.graph.all_nodes())
        self.backends = [name for name in BACKENDS if name != "jax" or not by_numbers]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON knows it. `error` is there on failure only."""
        values: dict[str, Any] = {
            "source": self.source,
            "inputs": [port.to_dict() for port in self.inputs],
            "outputs": [port.to_dict() for port in self.outputs],
            "stages": [stage.to_dict() for stage in self.stages],
            "operators": self.operators,
            "transposes": self.transposes,
            "parameters": self.parameters,
            "trainable_parameters": self.trainable_parameters,
            "source_trainable_parameters": self.source_trainable_parameters,
            "source_unused_parameters": self.source_unused_parameters,
            "peak_memory_bytes": self.peak_memory_bytes,
            "dtype_policy": self.dtype_policy,
            "verification": self.verification,
            "output": self.output,
            "output_bytes": self.output_bytes,
            "destinations": self.destinations,
            "backends": self.backends,
            "portable": None if self.custom_layers is None else not self.custom_layers,
            "custom_layers": self.custom_layers or [],
            "notes": self.notes,
            "layers": self.layers,
            "modules": self.modules,
            "weights": self.weights,
            "versions": versions(),
        }
        if self.error is not None:
            values["error"] = self.error
        return values

    def to_html(self) -> str:
        """The report as one self-contained page."""
        from converter.report.page import render

        return render(self.to_dict())

    def _tell(self, stage: Stage) -> None:
        if self.on_stage is not None:
            self.on_stage(self, stage)


def histogram(model: ir.Model) -> dict[str, int]:
    """How often each operator occurs, sub-graphs included, most frequent first, then by name."""
    counts = Counter(operator(node) for node in model.graph.all_nodes())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def peak_memory() -> int:
    """The greatest resident size of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
