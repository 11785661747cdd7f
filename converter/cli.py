"""The command line: options in, one call of the library, and its outcome as text, files and an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.exceptions import TyperException

from converter.backends.cli import app as backends
from converter.golden.cli import app as golden
from converter.sources import refuse_missing
from converter.terminal.arguments import (
    SOURCE_HELP,
    Checkpoint,
    Constants,
    Inputs,
    MaxBytes,
    ModelArgs,
    RandomWeights,
    SourceArgument,
    State,
    Trust,
)
from converter.terminal.screen import Screen, written
from converter.weights.cli import app as weights
from converter.zoo.cli import app as zoo

if TYPE_CHECKING:
    from converter.example_files import ExampleFiles
    from converter.report import Report
    from converter.sources import Source

INTERRUPTED = 130
USAGE = 1

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(golden, name="golden")
app.add_typer(weights, name="weights")
app.add_typer(backends, name="backend")
app.add_typer(zoo, name="zoo")


def _version(asked: bool) -> None:
    if asked:
        from converter.versions import version_lines

        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the versions of what is used, and exit.",
        ),
    ] = False,
) -> None:
    """PyTorch models and ONNX files as real Keras 3 models, proven equal."""


LayoutOption = Annotated[
    Literal["channels_last", "source"],
    typer.Option("--layout", help="Axes of image inputs and outputs: the Keras way, or as in the source."),
]
StructureOption = Annotated[
    Literal["modules", "flat"], typer.Option("--structure", help="A nested model per module, or one flat model.")
]
Examples = Annotated[
    list[Path] | None,
    typer.Option("--example", metavar="FILE", help="Inputs of your own: .npz by name, .npy or an image per input."),
]
Normalise = Annotated[
    Literal["0-1", "0-255", "imagenet"], typer.Option("--normalise", help="What the pixels of --example images become.")
]
VerifyOn = Annotated[
    str | None,
    typer.Option("--verify-on", metavar="BACKENDS", help="Keras backends to verify on: tensorflow,jax,torch."),
]
FoldBatchnorm = Annotated[bool, typer.Option("--fold-batchnorm", help="Fold BatchNorm into the layer before it.")]
Portable = Annotated[
    bool, typer.Option("--portable", help="Refuse what plain Keras cannot say, instead of a layer of keraport.layers.")
]
Dequantise = Annotated[
    bool, typer.Option("--dequantise", help="Of a quantised file: the float model that it stands for.")
]
NoDropout = Annotated[bool, typer.Option("--no-dropout", help="Leave the source's Dropout layers out.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.json", help="Write what was done, on failure too.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE.html", help="The same as a page.")]


@app.command()
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
            help="savedmodel, tflite, onnx, weights or code, written beside OUT under its name.",
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
    quantise: Annotated[
        str | None,
        typer.Option("--quantise", metavar="KIND", help="Of a .tflite file: float16, dynamic or int8."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="FILE", help="For int8: a .npz with many rows, or a folder of images."),
    ] = None,
    least_signal: Annotated[
        float | None,
        typer.Option("--min-signal", metavar="DB", help="What a quantised file keeps. Default: 40, 20 or 15 dB."),
    ] = None,
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
    _check_outputs(report_file, html_file)
    seen: list[Report] = []

    def on_stage(report: Report, stage: Any) -> None:
        seen[:] = [report]
        screen.stage(report, stage)
        if stage.name == "emit" and stage.ok is None:
            import_backend()

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
            dequantise=dequantise,
            verify=False if no_verify else how,
            verify_on=backend_names(verify_on),
            example_files=_example_files(examples, normalise, also=calibrate is not None),
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
            _write_reports(report, report_file, html_file)
            screen.unequal(report)
        raise
    report = conversion.report
    files = _write_reports(report, report_file, html_file)
    screen.converted(report, [*written(report), *files])
    return 0


@app.command()
def verify(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A .keras, .tflite, .onnx or .xml file, or a SavedModel.", show_default=False
        ),
    ],
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=SOURCE_HELP, show_default=False)],
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    report_file: ReportFile = None,
    html_file: HtmlFile = None,
    examples: Examples = None,
    normalise: Normalise = "0-1",
    verify_on: VerifyOn = None,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Compare the gradients of all weights with the module's as well.")
    ] = False,
) -> int:
    """Compare a .keras, SavedModel, .tflite, .onnx or OpenVINO file with any source, each run by its own runtime."""
    screen = Screen()
    _check_outputs(report_file, html_file)
    from converter.options import backend_names
    from converter.proof.saved_model import verify_saved
    from converter.proof.verify import example_arrays
    from converter.report import Report
    from passes.errors import NotEquivalent

    _check_model(model)
    report = Report(source=reference, on_stage=screen.stage)
    try:
        with report.stage("load"):
            loaded = _load(
                reference,
                checkpoint=checkpoint,
                inputs=inputs or (),
                random_weights=random_weights,
                model_args=model_args,
                constants=constants,
                trust=trust,
                max_bytes=max_bytes,
                state=state,
            )
            report.source, report.notes = loaded.description, list(loaded.notes)
        with report.stage("verify"):
            given = example_arrays(loaded, _example_files(examples, normalise))
            verification, (report.inputs, report.outputs) = verify_saved(
                model, loaded, examples=given, backends=backend_names(verify_on), trust=trust
            )
            report.verification = verification.to_dict()
            if not verification.passed:
                raise NotEquivalent(verification.reason)
        if gradients:
            with report.stage("gradients"):
                _compare_gradients(model, loaded, report)
    except Exception:
        _write_reports(report, report_file, html_file)
        raise
    files = _write_reports(report, report_file, html_file)
    screen.converted(report, [("Model", str(model)), *files])
    return 0


@app.command()
def diff(
    model: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="The converted model.", show_default=False)],
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=SOURCE_HELP, show_default=False)],
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    layout: LayoutOption = "channels_last",
    structure: StructureOption = "modules",
    fold_batchnorm: FoldBatchnorm = False,
    no_dropout: NoDropout = False,
    examples: Examples = None,
    normalise: Normalise = "0-1",
    repro: Annotated[
        Path | None, typer.Option("--repro", metavar="DIR", help="Write the smallest graph that fails there.")
    ] = None,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
    as_json: Annotated[bool, typer.Option("--json", help="Print every value as JSON.")] = False,
) -> int:
    """Compare every value of REFERENCE with MODEL's, and name the guilty layer. Exit code 3 if there is one.

    Give the options that the model was converted with.
    """
    screen = Screen()
    from converter.options import Options
    from converter.proof.guilt.saved_diff import diff_saved
    from converter.proof.verify import example_arrays
    from converter.terminal.quiet_tensorflow import import_backend

    _check_model(model)
    loaded = _load(
        reference,
        checkpoint=checkpoint,
        inputs=inputs or (),
        random_weights=random_weights,
        model_args=model_args,
        constants=constants,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
    )
    import_backend()
    options = Options(layout=layout, structure=structure, fold_batchnorm=fold_batchnorm, dropout=not no_dropout)
    given = example_arrays(loaded, _example_files(examples, normalise))
    found = diff_saved(model, loaded, options, examples=given, repro=repro, trust=trust)
    if as_json:
        screen.results.print_json(json.dumps(found.to_dict()))
    else:
        screen.compared(found)
    return 3 if found.guilty or found.victims or found.missing else 0


@app.command()
def inspect(
    source: SourceArgument,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    why_node: Annotated[
        str | None, typer.Option("--why", metavar="NODE", help="Say why the nodes around this one were not fused.")
    ] = None,
) -> int:
    """Show opset, inputs and operators of SOURCE, and everything in it that is not supported. Exit code 2 if any."""
    screen = Screen()
    loaded = _load(
        source,
        checkpoint=checkpoint,
        inputs=inputs or (),
        random_weights=random_weights,
        model_args=model_args,
        constants=constants,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
    )
    from converter.inspect_source import inspect as look
    from converter.inspect_source import why
    from converter.terminal.quiet_tensorflow import import_backend

    if why_node is not None:
        screen.lines(map(str, why(loaded, why_node)))
        return 0
    import_backend()
    found = look(loaded)
    if as_json:
        screen.results.print_json(json.dumps(found.to_dict()))
    else:
        screen.inspected(found)
    return max((problem.exit_code for problem in found.problems), default=0)


@app.command()
def passes(
    source: SourceArgument,
    dump: Annotated[
        Path | None, typer.Option("--dump", metavar="DIR", help="Write the graph after every pass, as NN_name.onnx.")
    ] = None,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    layout: LayoutOption = "channels_last",
    fold_batchnorm: FoldBatchnorm = False,
    random_weights: RandomWeights = None,
    model_args: ModelArgs = None,
    constants: Constants = None,
    trust: Trust = False,
    max_bytes: MaxBytes = None,
    state: State = "refuse",
) -> int:
    """Run the passes on SOURCE one by one, and show or write the graph after each."""
    screen = Screen()
    loaded = _load(
        source,
        checkpoint=checkpoint,
        inputs=inputs or (),
        random_weights=random_weights,
        model_args=model_args,
        constants=constants,
        trust=trust,
        max_bytes=max_bytes,
        state=state,
    )
    from converter.inspect_source import dump_passes

    screen.passes(dump_passes(loaded, dump, layout=layout, fold_batchnorm=fold_batchnorm))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Nothing is raised, unless KERAPORT_DEBUG asks for tracebacks."""
    screen = Screen()
    try:
        code = app(args=None if argv is None else list(argv), prog_name="keraport", standalone_mode=False)
    except TyperException as error:
        if message := error.format_message():
            screen.usage(message)
        return USAGE
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here becomes a message
        return _explain(screen, error)
    if code == INTERRUPTED:
        screen.interrupted()
    return code if isinstance(code, int) else 0


def run() -> None:
    """The `keraport` command."""
    sys.exit(main())


def _explain(screen: Screen, error: Exception) -> int:
    from converter.terminal.causes import explained

    if os.environ.get("KERAPORT_DEBUG"):
        import traceback

        screen.progress.print("".join(traceback.format_exception(error)), markup=False)
    told = explained(error)
    if told is not None:
        screen.error(told)
        return told.exit_code
    screen.bug(error)
    return USAGE


def _load(source: str, *, model_args: list[str] | None, constants: list[str] | None = None, **told: Any) -> Source:
    refuse_missing(source)
    from converter.model_args import parse_model_args
    from converter.sources import load

    fixed = parse_model_args(constants or (), "constant")
    return load(source, model_args=parse_model_args(model_args or ()), constants=fixed, **told)


def _compare_gradients(model: Path, loaded: Source, report: Report) -> None:
    """Put what was found into the report's verification.

    Raises:
        NotEquivalent: some differ.
    """
    from converter.terminal.quiet_tensorflow import import_backend
    from converter.weights.record import read_record

    record = read_record(model)
    import_backend()
    from converter.backends.keras.emit import load
    from converter.proof.gradients import compare_gradients
    from passes.errors import NotEquivalent

    found = compare_gradients(load(model), record, loaded, report.inputs, report.outputs)
    report.verification = {**(report.verification or {}), "gradients": found.to_dict()}
    if not found.passed:
        raise NotEquivalent(found.reason)


def _check_model(model: Path) -> None:
    from passes.errors import UsageError

    if not (model.is_file() or (model / "saved_model.pb").is_file()):
        raise UsageError(f"The model {str(model)!r} does not exist.")


def _example_files(files: list[Path] | None, normalise: str, *, also: bool = False) -> ExampleFiles | None:
    """None where there are none, unless the images of something else are normalised as well."""
    from converter.example_files import ExampleFiles

    return ExampleFiles(tuple(files or ()), normalise) if files or also else None


def _check_outputs(report_file: Path | None, html_file: Path | None) -> None:
    """Say now that a report cannot be written, not after the work."""
    from converter.atomic_output import Output

    for path in (report_file, html_file):
        if path is not None:
            with Output(path):
                continue


def _write_reports(report: Report, report_file: Path | None, html_file: Path | None) -> list[tuple[str, str]]:
    from converter.atomic_output import write_text

    files = []
    if report_file is not None:
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
        files.append(("Report", str(write_text(report_file, text + "\n"))))
    if html_file is not None:
        files.append(("Page", str(write_text(html_file, report.to_html()))))
    return files
