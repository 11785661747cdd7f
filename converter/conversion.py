"""The whole story on one page: load → passes → emit → save → verify → report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from converter.atomic_output import Output
from converter.backends.emission import emit_model
from converter.backends.onnx2tf.conversion import check_call, convert_by_onnx2tf
from converter.destinations.kinds import Destination, refuse_noise, refuse_overwriting, split_outputs
from converter.destinations.places import Place, described, placed_all
from converter.destinations.quantise import Quantisation, quantisation
from converter.destinations.write import write
from converter.options import Options
from converter.ports import named, ports_of, to_keras
from converter.prepare import prepare_source
from converter.processes.exclusive import exclusive
from converter.processes.replay_link import default_backend
from converter.processes.replay_twin import replay_ahead
from converter.proof.compare import Tolerance
from converter.proof.guilt.broken_files import broken_files_told
from converter.proof.inputs.cases import graph_inputs
from converter.proof.inputs.index_bounds import length_limits
from converter.prove import Proof, written
from converter.report import OnStage, Report
from converter.report.converted import Conversion
from converter.report.training import describe_training
from converter.sources import InputSpec, Source, load
from converter.temporary import temporary_folder
from converter.weights.computed import describe_computed
from converter.weights.record import attach, tensors_without_variable
from passes.errors import ConversionError
from passes.normalize.explicit_axes import kept_axes
from passes.shapes.settled import settled_sizes

if TYPE_CHECKING:
    import keras

    from converter.backends.keras.emitted import Emission
    from converter.example_files import ExampleFiles


@exclusive()
def convert(
    source: Any,
    output: str | Path | Sequence[str | Path] | None = None,
    *,
    formats: Sequence[str] = (),
    example_inputs: Any = None,
    checkpoint: str | Path | None = None,
    layout: str = "channels_last",
    structure: str = "modules",
    outputs: str = "list",
    backend: str = "keras",
    fold_batchnorm: bool = False,
    optimise: str = "none",
    dropout: bool = True,
    portable: bool = False,
    dtype_policy: str | None = None,
    verify: bool | str = True,
    verify_on: Sequence[str] = (),
    example_files: ExampleFiles | None = None,
    quantise: str | None = None,
    calibrate: str | Path | None = None,
    least_signal: float | None = None,
    onnx2tf_python: str | Path | None = None,
    onnx2tf_raw: bool = False,
    inputs: Sequence[str | InputSpec] = (),
    random_weights: int | None = None,
    model_args: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    dequantise: bool = False,
    trust: bool = False,
    max_bytes: int | None = None,
    state: str = "refuse",
    layers: bool = False,
    timed: bool = False,
    tolerance: Tolerance | None = None,
    on_stage: OnStage | None = None,
) -> Conversion:
    """Convert a PyTorch model or an ONNX file to a Keras model, and prove that both compute the same.

    The source is not changed, nor is any generator of random numbers. Conversions in several threads take turns.

    Args:
        source: a `torch.nn.Module`, an `onnx_ir.Model`, or text: `model.onnx`, `program.pt2`,
            `package.module:factory`, `torchvision:NAME`, `timm:NAME`, `transformers:FOLDER`.
        output: the `.keras` file to write. Without it the model is only returned. Several: also a `.tflite` file, and a
            folder for a SavedModel, each verified as the `.keras` file is.
        formats: "savedmodel", "tflite" and "weights", written beside the output, under its name.
        example_inputs: for a module: a tensor, a tuple or a dict of them; the first axis is the batch. They are also
            tried in the verification.
        checkpoint: the weights for a factory or a named model.
        layout: "channels_last" gives image inputs and outputs the Keras way, "source" keeps the source's axes.
        structure: "modules" nests a model per module of the source, "flat" makes one model.
        outputs: "dict" for a model that returns a dictionary of its outputs by name.
        backend: "keras", or "onnx2tf" for the package of that name, which writes SavedModels and LiteRT files; the
            conversion has no model then.
        onnx2tf_python: the interpreter that has onnx2tf, instead of the one that `keraport backend install` has made.
        onnx2tf_raw: give onnx2tf the source's file as it is, not our normalised graph.
        dropout: keep the Dropout layers of the source, which do nothing in inference; without them training goes on
            without dropout.
        portable: refuse what plain Keras cannot say, instead of using a layer of `keraport.layers`.
        dtype_policy: "mixed_bfloat16", "mixed_float16", "bfloat16" or "float16": of Keras, for all layers. The model
            is proven without, and what the policy costs is measured: `report.dtype_policy`.
        fold_batchnorm: fold BatchNormalization into the layer before it, for inference only.
        optimise: "latency" takes what runs faster and is less native: BatchNormalization is folded.
        verify: reload the saved model in plain Keras, in a process of its own, and compare it with onnxruntime.
            "quick" compares one case; True is "full".
        verify_on: Keras backends to verify on: "tensorflow", "jax", "torch"; by default the one in KERAS_BACKEND.
        example_files: example inputs as files.
        quantise: a `.tflite` file: "float16", "dynamic" (weights of 8 bits) or "int8" (all of it).
        calibrate: for int8: a `.npz` file with an array of many rows for each input, or a folder of images.
        least_signal: decibels of signal to noise that every output of a quantised file, or one with a dtype policy, has
            to keep.
        inputs: specifications such as `x=float32[batch,3,224,224]`; a name is a dynamic dimension.
        random_weights: draw the weights of a factory or a named model from this seed.
        model_args: what a factory, or the builder of a named model, is called with: {"num_classes": 10}.
        constants: inputs of an ONNX file that always have this value: {"sr": 16000}.
        dequantise: convert the float graph that a quantised ONNX file stands for, which is then what is verified.
        trust: load pickled modules and TorchScript archives, which can run code.
        max_bytes: refuse models whose weights need more.
        state: "refuse" a module that writes to its buffers in `forward`, or make an input and an output, named after
            it, of each such buffer: "inputs".
        layers: compare every layer as well, for `report.layers` and the page.
        timed: measure what a call of the `.keras` file takes, beside onnxruntime's; other files are always timed.
        tolerance: what floating-point outputs may differ by, instead of what goes with their dtype.
        on_stage: called when a stage begins and ends.

    Raises:
        UsageError: the call is wrong.
        BadSource: the source cannot be read or does not fit its checkpoint.
        Unsupported: operators that are not converted, all of them at once.
        NotEquivalent: the saved model computes something else. It is kept as `OUT.unverified.keras`.
            Of another file, as of one that cannot hold the model: the files that can are in place.
        LimitExceeded: the model is larger than `max_bytes`.
    """
    report = Report(source=str(source) if isinstance(source, (str, Path)) else type(source).__name__, on_stage=on_stage)
    main, destinations = split_outputs(output, formats)
    refuse_overwriting([main, *(each.path for each in destinations)], [source, checkpoint, calibrate])
    if backend == "onnx2tf":
        check_call(onnx2tf_python, main, destinations)
    with contextlib.ExitStack() as stack:
        place = _place(stack, main, bool(verify) and backend != "onnx2tf")
        others = stack.enter_context(_others(destinations, report))
        with report.stage("load"):
            options = Options(
                inputs=inputs,
                example_inputs=example_inputs,
                checkpoint=checkpoint,
                random_weights=random_weights,
                model_args=model_args or {},
                constants=constants or {},
                dequantise=dequantise,
                trust=trust,
                max_bytes=max_bytes,
                state=state,
                layout=layout,
                structure=structure,
                outputs=outputs,
                backend=backend,
                fold_batchnorm=fold_batchnorm,
                optimise=optimise,
                dropout=dropout,
                portable=portable,
                dtype_policy=dtype_policy,
                verify=verify,
                verify_on=verify_on,
                example_files=example_files,
                quantise=quantise,
                calibrate=calibrate,
                least_signal=least_signal,
                onnx2tf_python=onnx2tf_python,
                onnx2tf_raw=onnx2tf_raw,
                layers=layers,
                timed=timed,
                tolerance=tolerance,
            )
            proven = bool(verify) and backend != "onnx2tf"
            keras_is_here = replay_ahead(default_backend(), source) if proven else (lambda: None)
            loaded = load(source, options)
            refuse_noise(loaded, options.backend, destinations)
            smaller = quantisation(options, loaded.asked, destinations)
            report.source, report.notes = loaded.description, list(loaded.notes)
            report.modules = loaded.classes if layers else {}
        if options.backend == "onnx2tf":
            convert_by_onnx2tf(loaded, options, report, others)
            return Conversion(None, report, {})
        with report.stage("passes"), broken_files_told(loaded):
            prepared = prepare_source(loaded, options, keep_normalised=bool(verify))
            _describe(report, prepared.final, loaded)
            report.notes += _notes_on_sizes(prepared.final)
        with report.stage("emit"), broken_files_told(loaded):
            keras_is_here()
            emission = emit_model(prepared.final, options, loaded)
            report.inputs = named(report.inputs, emission.input_names)
            report.outputs = named(report.outputs, emission.output_names, loaded.nameless)
            report.transposes, report.parameters = emission.transposes, emission.model.count_params()
            report.weights, report.custom_layers = emission.origins, emission.custom_layers
            describe_training(report, loaded, emission)
        unused = tensors_without_variable(loaded, emission.origins)
        describe_computed(emission.origins, emission.model.variables, unused)
        shapes = {name: array.shape for name, array in unused.items()}
        policy = options.dtype_policy
        model = _lowered(emission, report, policy)
        conversion = Conversion(model, report, emission.origins, shapes)
        if place is None and not others:
            return conversion
        with report.stage("save"):
            if place is not None:
                _save(emission.model if verify else model, place, loaded, emission, unused)
            for other in others:
                other.told = described(other.destination, smaller.kind if smaller is not None else None)
                report.destinations.append(other.told)
                with other.tried():
                    _write(emission, loaded, report, other, smaller)
        if verify and place is not None:
            with report.stage("verify"):
                proof = Proof(loaded, prepared, emission, options, report)
                proof.of_keras(place, kept=main is not None)
                if policy is not None:
                    _save(model, place, loaded, emission, unused)
                    proof.of_lowered(place, policy, kept=main is not None)
                for other in (each for each in others if each.error is None):
                    with other.tried():
                        other.told["verification"] = proof.of_destination(other.destination, other.file, smaller)
        if main is not None and place is not None:
            written(report, place.commit())
    return conversion


def _lowered(emission: Emission, report: Report, policy: str | None) -> keras.Model:
    """What is given: the model that is proven, or its like under a dtype policy."""
    from converter.backends.keras.lowered import lowered

    if policy is None:
        return emission.model
    report.dtype_policy = {"name": policy, "least_signal": None, "measured": [], "proven_without": False}
    return lowered(emission.model, policy)


def _save(
    model: keras.Model, place: Output, loaded: Source, emission: Emission, unused: Mapping[str, np.ndarray]
) -> None:
    from converter.backends.keras.save import save

    save(model, place.temporary)
    attach(place.temporary, loaded, emission.origins, unused)


@contextlib.contextmanager
def _others(destinations: Sequence[Destination], report: Report) -> Iterator[list[Place]]:
    """Places for the files beside the `.keras` one; what could not be written is said once the others are in place."""
    try:
        with placed_all(destinations, lambda: [report.output] if report.output else []) as places:
            yield places
    except ConversionError as error:
        report.error = error.to_dict()
        raise


def _write(emission: Emission, loaded: Source, report: Report, other: Place, smaller: Quantisation | None) -> None:
    samples = smaller.samples if smaller is not None else ()
    given = [to_keras(report.inputs, [sample[port.name] for port in report.inputs]) for sample in samples]
    names = emission.input_names, emission.output_names
    write(emission.model, other.destination, names, other.file, smaller, given, _classes(loaded))
    other.written()


def _classes(loaded: Source) -> dict[str, str]:
    """The classes of the source's modules, by the names of their nested models."""
    from converter.backends.keras.build.names import spelled

    return {spelled(path): name for path, name in loaded.classes.items()}


def _place(stack: contextlib.ExitStack, output: str | Path | None, verify: bool) -> Output | None:
    """Where the model is saved: at the output, or in a folder that goes away, when it is saved to be verified only."""
    if output is None and not verify:
        return None
    if output is None:
        folder = stack.enter_context(temporary_folder("model"))
        output = Path(folder) / "model.keras"
    return stack.enter_context(Output(output, suffix=".keras"))


def _describe(report: Report, final: ir.Model, loaded: Source) -> None:
    report.count_operators(final)
    asked = [value for value in graph_inputs(final) if value.name not in loaded.noise]
    report.inputs, report.outputs = ports_of(asked), ports_of(final.graph.outputs)


def _notes_on_sizes(final: ir.Model) -> list[str]:
    """At which sizes the source does something else: beyond a table it stops, while Keras' backends differ there."""
    limits = length_limits(final.graph).items()
    return [
        *(f"{size} is at most {most}: the source's table of positions ends there." for size, most in limits),
        *(
            f"{size} is open in the source and {number} here: its operators run for nothing else."
            for size, number in settled_sizes(final).items()
            if isinstance(number, int)
        ),
        *(f"The source drops the axis {size} where it is 1; the model keeps it." for size in kept_axes(final)),
    ]
