"""The whole story on one page: load → passes → emit → save → verify → report."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from converter.atomic_output import Output
from converter.emission import emit_model
from converter.options import Options
from converter.ports import Port, ports_of
from converter.prepare import Prepared, prepare_source
from converter.processes.exclusive import exclusive
from converter.proof.cases import graph_inputs
from converter.proof.compare import Tolerance
from converter.proof.index_bounds import length_limits
from converter.report import OnStage, Report
from converter.report.training import describe_training
from converter.sources import InputSpec, Source, load
from converter.temporary import temporary_folder
from converter.weights.record import Record, attach, record_of, tensors_without_variable
from passes.errors import NotEquivalent
from passes.normalize.explicit_axes import kept_axes

if TYPE_CHECKING:
    import keras

    from converter.backends.keras.emit import Emission
    from converter.example_files import ExampleFiles
    from converter.proof.verdict import Verification


@dataclass
class Conversion:
    """What `convert` returns.

    Attributes:
        model: inputs and outputs in ONNX order, inputs named as in ONNX.
        report: what was done; `report.to_dict()` is what `--report` writes.
        weights: for every variable of the model, by its path: {"source": name of the tensor in the source, "view": the
            transposes and reshapes from there to here, or "derived" where it was computed}. Where the source has no
            such tensor, "source" is None and "reason" says why.
    """

    model: keras.Model
    report: Report
    weights: dict[str, dict[str, Any]] = field(default_factory=dict)
    _others: Mapping[str, Sequence[int]] = field(default_factory=dict, repr=False)

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

    @property
    def _record(self) -> Record:
        return record_of(self.report.source, self.weights, self._others)

    @property
    def inputs(self) -> Sequence[Port]:
        return self.report.inputs

    @property
    def outputs(self) -> Sequence[Port]:
        return self.report.outputs


@exclusive()
def convert(
    source: Any,
    output: str | Path | None = None,
    *,
    example_inputs: Any = None,
    checkpoint: str | Path | None = None,
    layout: str = "channels_last",
    structure: str = "modules",
    outputs: str = "list",
    backend: str = "keras",
    fold_batchnorm: bool = False,
    dropout: bool = True,
    verify: bool = True,
    verify_on: Sequence[str] = (),
    example_files: ExampleFiles | None = None,
    inputs: Sequence[str | InputSpec] = (),
    random_weights: int | None = None,
    model_args: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    trust: bool = False,
    max_bytes: int | None = None,
    state: str = "refuse",
    tolerance: Tolerance | None = None,
    on_stage: OnStage | None = None,
) -> Conversion:
    """Convert a PyTorch model or an ONNX file to a Keras model, and prove that both compute the same.

    The source is not changed, nor is any generator of random numbers. Conversions in several threads take turns.

    Args:
        source: a `torch.nn.Module`, an `onnx_ir.Model`, or text: `model.onnx`, `program.pt2`,
            `package.module:factory`, `torchvision:NAME`, `timm:NAME`, `transformers:FOLDER`.
        output: the `.keras` file to write. Without it the model is only returned.
        example_inputs: for a module: a tensor, a tuple or a dict of them; the first axis is the batch. They are also
            tried in the verification.
        checkpoint: the weights for a factory or a named model.
        layout: "channels_last" gives image inputs and outputs the Keras way, "source" keeps the source's axes.
        structure: "modules" nests a model per module of the source, "flat" makes one model.
        outputs: "dict" for a model that returns a dictionary of its outputs by name.
        backend: "keras", or "onnx2tf" for the package of that name.
        dropout: keep the Dropout layers of the source, which do nothing in inference; without them training goes on
            without dropout.
        fold_batchnorm: fold BatchNormalization into the layer before it, for inference only.
        verify: reload the saved model in plain Keras, in a process of its own, and compare it with onnxruntime.
        verify_on: Keras backends to verify on: "tensorflow", "jax", "torch"; by default the one in KERAS_BACKEND.
        example_files: example inputs as files.
        inputs: specifications such as `x=float32[batch,3,224,224]`; a name is a dynamic dimension.
        random_weights: draw the weights of a factory or a named model from this seed.
        model_args: what a factory, or the builder of a named model, is called with: {"num_classes": 10}.
        constants: inputs of an ONNX file that always have this value: {"sr": 16000}.
        trust: load pickled modules and TorchScript archives, which can run code.
        max_bytes: refuse models whose weights need more.
        state: "refuse" a module that writes to its buffers in `forward`, or make an input and an output, named after
            it, of each such buffer: "inputs".
        tolerance: what floating-point outputs may differ by, instead of what goes with their dtype.
        on_stage: called when a stage begins and ends.

    Raises:
        UsageError: the call is wrong.
        BadSource: the source cannot be read or does not fit its checkpoint.
        Unsupported: operators that are not converted, all of them at once.
        NotEquivalent: the saved model computes something else. It is kept as `OUT.unverified.keras`.
        LimitExceeded: the model is larger than `max_bytes`.
    """
    report = Report(source=str(source) if isinstance(source, (str, Path)) else type(source).__name__, on_stage=on_stage)
    with contextlib.ExitStack() as stack:
        place = _place(stack, output, verify)
        with report.stage("load"):
            options = Options(
                inputs=inputs,
                example_inputs=example_inputs,
                checkpoint=checkpoint,
                random_weights=random_weights,
                model_args=model_args or {},
                constants=constants or {},
                trust=trust,
                max_bytes=max_bytes,
                state=state,
                layout=layout,
                structure=structure,
                outputs=outputs,
                backend=backend,
                fold_batchnorm=fold_batchnorm,
                dropout=dropout,
                verify=verify,
                verify_on=verify_on,
                example_files=example_files,
                tolerance=tolerance,
            )
            loaded = load(source, options)
            report.source, report.notes = loaded.description, list(loaded.notes)
        if verify:
            _start_replay()
        with report.stage("passes"):
            prepared = prepare_source(loaded, options, keep_normalised=verify)
            _describe(report, prepared.final)
            report.notes += _notes_on_sizes(prepared.final)
        with report.stage("emit"):
            emission = emit_model(prepared.final, options, loaded)
            report.inputs = _named(report.inputs, emission.input_names)
            report.outputs = _named(report.outputs, emission.output_names, loaded.nameless)
            report.transposes, report.parameters = emission.transposes, emission.model.count_params()
            report.weights = emission.origins
            describe_training(report, loaded, emission)
        others = tensors_without_variable(loaded, emission.origins)
        shapes = {name: array.shape for name, array in others.items()}
        conversion = Conversion(emission.model, report, emission.origins, shapes)
        if place is None:
            return conversion
        with report.stage("save"):
            emission.model.save(place.temporary)
            attach(place.temporary, loaded, emission.origins, others)
        if verify:
            with report.stage("verify"):
                _verify(conversion, loaded, prepared, emission, place, options, output)
        if output is not None:
            _written(report, place.commit())
    return conversion


def _place(stack: contextlib.ExitStack, output: str | Path | None, verify: bool) -> Output | None:
    """Where the model is saved: at the output, or in a folder that goes away, when it is saved to be verified only."""
    if output is None and not verify:
        return None
    if output is None:
        folder = stack.enter_context(temporary_folder("model"))
        output = Path(folder) / "model.keras"
    return stack.enter_context(Output(output, suffix=".keras"))


def _start_replay() -> None:
    """The process that will reload the model takes seconds to be ready: they pass while the model is made."""
    from converter.processes.replay import Replay
    from converter.proof.verify import default_backend

    Replay.warm(default_backend())


def _describe(report: Report, final: ir.Model) -> None:
    report.count_operators(final)
    report.inputs, report.outputs = ports_of(graph_inputs(final)), ports_of(final.graph.outputs)


def _notes_on_sizes(final: ir.Model) -> list[str]:
    """At which sizes the source does something else: beyond a table it stops, while Keras' backends differ there."""
    limits = length_limits(final.graph).items()
    return [
        *(f"{size} is at most {most}: the source's table of positions ends there." for size, most in limits),
        *(f"The source drops the axis {size} where it is 1; the model keeps it." for size in kept_axes(final)),
    ]


def _named(ports: Sequence[Port], names: Sequence[str], nameless: Collection[str] = ()) -> list[Port]:
    """The ports with the names that the model has for them, which are those of what is nameless in the source."""
    return [
        replace(port, name=name if port.name in nameless else port.name, keras_name=name)
        for port, name in zip(ports, names, strict=True)
    ]


def _verify(
    conversion: Conversion,
    loaded: Source,
    prepared: Prepared,
    emission: Emission,
    place: Output,
    options: Options,
    output: str | Path | None,
) -> None:
    """Compare the saved file with onnxruntime; keep a wrong one beside its place and say where it goes wrong first."""
    from converter.proof.guilt.first_difference import Tracing, locate
    from converter.proof.oracle_for import oracle_for
    from converter.proof.verify import example_arrays, verify_on_all

    report = conversion.report
    oracle = oracle_for(loaded, prepared)
    examples = example_arrays(loaded, options.example_files or options.example_inputs)
    verification = verify_on_all(
        options.verify_on,
        place.temporary,
        source=loaded,
        oracle=oracle,
        inputs=report.inputs,
        outputs=report.outputs,
        examples=examples,
        tolerance=options.tolerance,
        normalised=prepared.normalised,
        find_guilty=partial(_find_guilty, prepared.final, emission),
    )
    if not verification.passed:
        verification.first_difference = locate(
            verification,
            loaded,
            oracle,
            Tracing(emission.trace, emission.isolated),
            options,
        )
    report.verification = verification.to_dict()
    report.notes += [f"Output {name!r} is unproven. {why}" for name, why in verification.unproven.items()]
    if not verification.passed:
        if output is not None:
            _written(report, place.keep_unverified())
        raise _not_equivalent(verification, report.output)


def _find_guilty(final: ir.Model, emission: Emission, feeds: Mapping[str, Any]) -> dict[str, Any] | None:
    from converter.proof.guilt.diff import Values

    values = Values(final, feeds)
    guilty = values.guilty(emission.isolated(values.known))
    return None if guilty is None else guilty.to_dict()


def _written(report: Report, path: Path) -> None:
    report.output, report.output_bytes = str(path), path.stat().st_size


def _not_equivalent(verification: Verification, kept: str | None) -> NotEquivalent:
    found = verification.first_difference or {}
    where = f" It goes wrong first at {found.get('layer') or found.get('pass')}." if found else ""
    hint = f"The model is kept as {kept}; do not use it." if kept else None
    return NotEquivalent(verification.reason + where, node=found.get("node"), hint=hint)
