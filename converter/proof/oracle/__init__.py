"""onnxruntime as the oracle: what a graph computes, its outputs or every value on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from converter.proof.oracle.faults import known_fault
from converter.proof.oracle.float32 import BFLOAT16, DOUBLE, has, in_float32
from converter.proof.oracle.older_opset import with_kernels
from converter.proof.oracle.running import has_loops, run
from converter.temporary import temporary_folder
from passes.errors import BadSource, first_line
from passes.facts.onnxruntime import BY_THREADS, has_small_mask, is_rough_spectrum
from passes.lower import to_standard
from passes.lower.private_operators import is_private
from passes.lower.same_pads import is_faulty_same

NO_KERNEL = "NOT_IMPLEMENTED"
"""In onnxruntime's message where it has no kernel for a type."""

INLINE_BYTES = 64 << 20
"""With more bytes of weights a graph goes to onnxruntime through files: protobuf ends at 2 GB, and copies cost."""

UNSOUND_OPTIMISERS = ["Pad_Fusion"]
"""It puts a Pad into a pool and then refuses the pool, where the pads are no smaller than the kernel."""

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Answer:
    """What a graph computes, and `by` which graph, in words."""

    outputs: list[Array]
    by: str


class Oracle:
    """A graph in onnxruntime on the CPU.

    Args:
        model: a graph at any stage of the pipeline (private operators are lowered on a copy, bfloat16 is computed in
            float32), or the path of an .onnx file, which onnxruntime then reads by itself.
        threads: threads inside of one operator; 0 lets onnxruntime choose, but for graphs that mean something with one
            only.
        optimise: whether onnxruntime may fuse and fold. Outputs do not depend on it, their rounding does.

    Raises:
        BadSource: onnxruntime does not load the graph.
    """

    def __init__(self, model: ir.Model | Path | str, *, threads: int = 0, optimise: bool = True) -> None:
        self.threads = threads or (1 if isinstance(model, ir.Model) and _wants_one_thread(model) else 0)
        self.optimise = optimise
        self.description = "the source as loaded"
        self._source = model
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._fallback: ir.Model | Oracle | None = None
        self._unoptimised: Oracle | None = None
        self._loops = isinstance(model, ir.Model) and has_loops(model)
        if isinstance(model, ir.Model):
            self._output_types = [_numpy_type(value) for value in model.graph.outputs]
            self._session = self._open(_runnable(model))
        else:
            self._output_types = []
            self._session = self._open_path(Path(model))

    @classmethod
    def for_source(
        cls, source: ir.Model | Path, normalised: ir.Model, *, graph: ir.Model | None = None, threads: int = 0
    ) -> Oracle:
        """The oracle for what a source means: the source itself, or its normalised form where onnxruntime fails it.

        Args:
            source: the graph as loaded, or its file.
            normalised: the same graph after its pads were made explicit; inputs and outputs keep their names.
            graph: the loaded graph, when `source` is a file: it is searched for operators that onnxruntime gets wrong.

        The attribute `description` says which of the two answers, and why. Where the source itself answers, and fails
        at one set of inputs, its normalised form is asked about those alone: see `Answer.by`.
        """
        searched = source if isinstance(source, ir.Model) else graph
        threads = threads or (1 if searched is not None and _wants_one_thread(searched) else 0)
        reason = known_fault(searched) if searched is not None else None
        if searched is not None and has(searched, BFLOAT16):
            source = searched
        if reason is None:
            try:
                oracle = cls(source, threads=threads)
            except BadSource as error:
                reason = f"onnxruntime refuses the source: {error.message}"
                if NO_KERNEL in error.message and searched is not None and has(searched, DOUBLE):
                    return cls._in_float32(searched, threads)
            else:
                oracle._fallback = normalised
                oracle._loops = searched is not None and has_loops(searched)
                if searched is not None and has(searched, BFLOAT16):
                    oracle.description = "the source as loaded, its bfloat16 computed in float32"
                return oracle
        oracle = cls(normalised, threads=threads)
        oracle.description = f"the normalised graph, because {reason}"
        return oracle

    @classmethod
    def _in_float32(cls, model: ir.Model, threads: int) -> Oracle:
        """For a graph in float64 that onnxruntime has no kernels for."""
        oracle = cls(in_float32(model, DOUBLE), threads=threads)
        oracle._output_types = [_numpy_type(value) for value in model.graph.outputs]
        oracle.description = "the source as loaded, its float64 computed in float32: onnxruntime has no such kernel"
        return oracle

    @property
    def input_names(self) -> list[str]:
        return [value.name for value in self._session.get_inputs()]

    @property
    def output_names(self) -> list[str]:
        return [value.name for value in self._session.get_outputs()]

    @property
    def unoptimised(self) -> Oracle:
        """The same graph without onnxruntime's own fusions, which round otherwise; loaded once, when it is asked for.

        Raises:
            BadSource: onnxruntime does not load the graph so.
        """
        if self._unoptimised is None:
            self._unoptimised = Oracle(self._source, threads=self.threads, optimise=False)
        return self._unoptimised

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs in the graph's order; raises as `ask`."""
        return self.ask(feeds).outputs

    def ask(self, feeds: Mapping[str, Array]) -> Answer:
        """The outputs, and which graph has computed them.

        Raises:
            BadSource: onnxruntime stops, for example because the source is not valid at this size.
        """
        try:
            return Answer(self._typed(run(self._session, feeds, loops=self._loops)), self.description)
        except BadSource as error:
            if self._fallback is None:
                raise
            by = f"the normalised graph, because onnxruntime fails on the source: {error.message}"
            if isinstance(self._fallback, ir.Model):
                self._fallback = Oracle(self._fallback, threads=self.threads)
            return Answer(self._fallback.run(feeds), by)

    def _typed(self, outputs: list[Array]) -> list[Array]:
        types = self._output_types or [None] * len(outputs)
        return [
            output.astype(dtype) if dtype is not None and output.dtype != dtype else output
            for output, dtype in zip(outputs, types, strict=True)
        ]

    def values(self, feeds: Mapping[str, Array], names: Iterable[str] | None = None) -> dict[str, Array]:
        """Every value that a node of the main graph computes, by name; only those in `names` when given.

        onnxruntime's own optimisation is off here, so that every value exists.
        """
        model = self._source if isinstance(self._source, ir.Model) else ir.load(self._source)
        graph_model = _runnable(model, copy=True)
        wanted = None if names is None else set(names)
        graph = graph_model.graph
        present = {value.name for value in graph.outputs}
        for node in graph:
            for value in node.outputs:
                if value.name and value.name not in present and (wanted is None or value.name in wanted):
                    graph.outputs.append(value)
                    present.add(value.name)
        session, folder = _session(graph_model, self._options(optimise=False))
        outputs = run(session, feeds, loops=self._loops)
        found = dict(zip([value.name for value in session.get_outputs()], outputs, strict=True))
        if folder is not None:
            folder.cleanup()
        return {
            name: array
            for name, array in found.items()
            if isinstance(array, np.ndarray) and (wanted is None or name in wanted)
        }

    def _options(self, *, optimise: bool) -> ort.SessionOptions:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        # Quantised steps as they stand: fused, they round elsewhere, and saturate on some machines.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        if not optimise:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return options

    def _open(self, model: ir.Model) -> ort.InferenceSession:
        session, self._folder = _session(model, self._options(optimise=self.optimise))
        return session

    def _open_path(self, path: Path) -> ort.InferenceSession:
        return _load(str(path), self._options(optimise=self.optimise))


def _runnable(model: ir.Model, *, copy: bool = False) -> ir.Model:
    """The same computation in operators and types that onnxruntime has; the model given is never changed."""
    result = to_standard(model) if any(map(_is_lowered, model.graph.all_nodes())) else model
    if has(result, BFLOAT16):
        result = in_float32(result, BFLOAT16)
    result = with_kernels(result)
    return result.clone() if copy and result is model else result


def _wants_one_thread(model: ir.Model) -> bool:
    return any((node.domain, node.op_type) in BY_THREADS for node in model.graph.all_nodes())


def _is_lowered(node: ir.Node) -> bool:
    return is_private(node) or is_faulty_same(node) or has_small_mask(node) or is_rough_spectrum(node)


def _session(
    model: ir.Model, options: ort.SessionOptions
) -> tuple[ort.InferenceSession, tempfile.TemporaryDirectory[str] | None]:
    """Open a graph, through a folder of files where it is large or its weights already lie in files."""
    tensors = [
        value.const_value
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None
    ]
    in_files = any(isinstance(tensor, ir.ExternalTensor) for tensor in tensors)
    if not in_files and sum(tensor.nbytes for tensor in tensors) <= INLINE_BYTES:
        return _load(ir.to_proto(model).SerializeToString(), options), None
    folder = temporary_folder("oracle")
    path = Path(folder.name) / "model.onnx"
    ir.save(model, path, external_data="model.weights")
    return _load(str(path), options), folder


def _load(model: bytes | str, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNSOUND_OPTIMISERS
        )
    except Exception as error:  # onnxruntime raises a dozen unrelated types, and RuntimeError for anything else
        raise BadSource(f"onnxruntime cannot load the graph: {first_line(error)}") from error


def _numpy_type(value: ir.Value) -> np.dtype[Any] | None:
    return value.dtype.numpy() if value.dtype is not None and value.dtype != ir.DataType.STRING else None
