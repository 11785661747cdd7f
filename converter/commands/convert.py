"""`keraport convert`: a source becomes a Keras model, proven, and whatever else is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from converter.commands.files import check_outputs, example_files, write_reports
from converter.processes.fork_server import ONE_THREAD
from converter.sources import refuse_missing
from converter.terminal.arguments import (
    Checkpoint,
    Constants,
    Dequantise,
    Examples,
    FoldBatchnorm,
    HtmlFile,
    Inputs,
    LayoutOption,
    LeastSignal,
    MaxBytes,
    ModelArgs,
    NoDropout,
    Normalise,
    Portable,
    RandomWeights,
    ReportFile,
    SourceArgument,
    State,
    StructureOption,
    Trust,
    VerifyOn,
)
from converter.terminal.screen import Screen, written

if TYPE_CHECKING:
    from converter.report import Report


def convert(
    source: SourceArgument,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT.keras",
            help="Or .tflite, .onnx, .xml (OpenVINO), .weights.h5, .py (code), or a folder (SavedModel); several too.",
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="savedmodel, tflite, onnx, openvino, weights or code, written beside OUT under its name.",
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    layout: LayoutOption = "channels_last",
    structure: StructureOption = "modules",
    outputs: Annotated[
        Literal["list", "dict"],
        typer.Option("--outputs", help="What the model returns: outputs by place or by name."),
    ] = "list",
    backend: Annotated[Literal["keras", "onnx2tf"], typer.Option("--backend", help="What makes the model.")] = "keras",
    onnx2tf_python: Annotated[
        Path | None,
        typer.Option("--onnx2tf-python", metavar="PATH", help="A Python that has onnx2tf: not the installed one."),
    ] = None,
    onnx2tf_raw: Annotated[
        bool, typer.Option("--onnx2tf-raw", help="Give onnx2tf the file as it is, not the normalised graph.")
    ] = False,
    fold_batchnorm: FoldBatchnorm = False,
    optimise: Annotated[
        Literal["none", "latency"], typer.Option("--optimise", help="What runs faster, where that is less native.")
    ] = "none",
    no_dropout: NoDropout = False,
    portable: Portable = False,
    dequantise: Dequantise = False,
    dtype_policy: Annotated[
        str | None,
        typer.Option(
            "--dtype-policy", metavar="NAME", help="Of Keras: mixed_bfloat16, mixed_float16, bfloat16 or float16."
        ),
    ] = None,
    quantise: Annotated[
        str | None,
        typer.Option("--quantise", metavar="KIND", help="Of a .tflite file: float16, dynamic or int8."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="FILE", help="For int8: a .npz with many rows, or a folder of images."),
    ] = None,
    least_signal: LeastSignal = None,
    report_file: ReportFile = None,
    html_file: HtmlFile = None,
    examples: Examples = None,
    normalise: Normalise = "0-1",
    verify_on: VerifyOn = None,
    how: Annotated[
        Literal["full", "quick"], typer.Option("--verify", help="All cases and float64, or one case.")
    ] = "full",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not compare with onnxruntime.")] = False,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
) -> int:
    """Convert SOURCE to a .keras file, and verify it against onnxruntime before it is put in place."""
    screen = Screen()
    if report_file is None and html_file is None:
        refuse_missing(source)  # at once: a report takes what a conversion takes
    check_outputs(report_file, html_file)
    seen: list[Report] = []

    def on_stage(report: Report, stage: Any) -> None:
        seen[:] = [report]
        screen.stage(report, stage)
        if stage.name == "emit" and stage.ok is None:
            import_backend()

    if source.endswith(".onnx"):
        os.environ.update(ONE_THREAD | os.environ)  # before numpy is here, so that the replay can be forked
    from converter.conversion import convert as run_conversion
    from converter.model_args import parse_model_args
    from converter.options import backend_names
    from converter.terminal.quiet_tensorflow import import_backend

    try:
        conversion = run_conversion(
            source,
            output,
            formats=formats or (),
            checkpoint=checkpoint,
            inputs=inputs or (),
            layout=layout,
            structure=structure,
            outputs=outputs,
            backend=backend,
            fold_batchnorm=fold_batchnorm,
            optimise=optimise,
            dropout=not no_dropout,
            portable=portable,
            dtype_policy=dtype_policy,
            dequantise=dequantise,
            verify=False if no_verify else how,
            verify_on=backend_names(verify_on),
            example_files=example_files(examples, normalise, also=calibrate is not None),
            layers=html_file is not None,
            quantise=quantise,
            calibrate=calibrate,
            least_signal=least_signal,
            onnx2tf_python=onnx2tf_python,
            onnx2tf_raw=onnx2tf_raw,
            random_weights=random_weights,
            model_args=parse_model_args(model_args or ()),
            constants=parse_model_args(constants or (), "constant"),
            trust=trust,
            max_bytes=max_bytes,
            state=state,
            on_stage=on_stage,
        )
    except Exception:
        # A report of what failed is worth as much as one of what went well.
        for report in seen:
            files = write_reports(report, report_file, html_file)
            screen.unequal(report)
            lost = any(each["error"] is not None for each in report.destinations)
            if lost and all(stage.ok for stage in report.stages):  # the others are in place
                screen.converted(report, [*written(report), *files])
        raise
    report = conversion.report
    files = write_reports(report, report_file, html_file)
    screen.converted(report, [*written(report), *files])
    return 0
