"""`keraport verify`: a file that exists against any source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.commands.files import check_model, check_outputs, example_files, load_source, write_reports
from converter.terminal.arguments import (
    SOURCE_HELP,
    Checkpoint,
    Constants,
    Examples,
    HtmlFile,
    Inputs,
    LeastSignal,
    MaxBytes,
    ModelArgs,
    Normalise,
    RandomWeights,
    ReportFile,
    State,
    Trust,
    VerifyOn,
)
from converter.terminal.screen import Screen

if TYPE_CHECKING:
    from converter.report import Report
    from converter.sources import Source


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
    least_signal: LeastSignal = None,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Compare the gradients of all weights with the module's as well.")
    ] = False,
) -> int:
    """Compare a .keras, SavedModel, .tflite, .onnx or OpenVINO file with any source, each run by its own runtime."""
    screen = Screen()
    check_outputs(report_file, html_file)
    from converter.options import backend_names
    from converter.proof.fewer_bits.measure import HINT
    from converter.proof.guilt.saved_diff import guilty_layer
    from converter.proof.inputs.examples import example_arrays
    from converter.proof.saved_model import verify_saved
    from converter.report import Report
    from converter.terminal.quiet_tensorflow import import_backend
    from passes.errors import NotEquivalent, UsageError

    check_model(model)
    report = Report(source=reference, on_stage=screen.stage)
    try:
        with report.stage("load"):
            loaded = load_source(
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
            given = example_arrays(loaded, example_files(examples, normalise))
            verification, (report.inputs, report.outputs) = verify_saved(
                model,
                loaded,
                examples=given,
                backends=backend_names(verify_on),
                least_signal=least_signal,
                trust=trust,
            )
            report.dtype_policy = verification.dtype_policy()
            # Where fewer bits are allowed to differ everywhere, no layer can be told to be guilty.
            if not verification.passed and model.suffix == ".keras" and verification.fewer is None:
                import_backend()
                verification.first_difference = guilty_layer(model, loaded, examples=given, trust=trust)
            report.verification = verification.to_dict()
            if not verification.passed:
                raise NotEquivalent(verification.reason, hint=HINT if verification.signals else None)
        if gradients and verification.fewer is not None:
            raise UsageError(
                "Gradients are compared in float32, and the layers of this file compute with fewer bits.",
                hint="Compare those of a file that was converted without --dtype-policy.",
            )
        if gradients:
            with report.stage("gradients"):
                _compare_gradients(model, loaded, report)
    except Exception:
        write_reports(report, report_file, html_file)
        screen.unequal(report)
        raise
    files = write_reports(report, report_file, html_file)
    screen.converted(report, [("Model", str(model)), *files])
    return 0


def _compare_gradients(model: Path, loaded: Source, report: Report) -> None:
    """Put what was found into the report's verification.

    Raises:
        NotEquivalent: some differ.
    """
    from converter.terminal.quiet_tensorflow import import_backend
    from converter.weights.record import read_record

    record = read_record(model)
    import_backend()
    from converter.backends.keras.save import load_saved
    from converter.proof.gradients import compare_gradients
    from passes.errors import NotEquivalent

    found = compare_gradients(load_saved(model), record, loaded, report.inputs, report.outputs)
    report.verification = {**(report.verification or {}), "gradients": found.to_dict()}
    if not found.passed:
        raise NotEquivalent(found.reason)
