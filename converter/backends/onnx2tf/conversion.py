"""The whole story with onnx2tf in the place of our own emission: load → passes → onnx2tf → verify."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from converter.backends.onnx2tf.environment import python_of
from converter.backends.onnx2tf.run import WrittenFiles, run, write_graph
from converter.destinations.kinds import Destination
from converter.destinations.places import Place, described
from converter.options import Options
from converter.prepare import Prepared, prepare_source
from converter.report import Report
from converter.sources import Source
from converter.temporary import temporary_folder
from passes.errors import NotEquivalent, Unsupported, UsageError

FORMATS = ("savedmodel", "tflite")


def check_call(python: str | Path | None, main: Path | None, destinations: Sequence[Destination]) -> None:
    """Before anything is loaded.

    Raises:
        UsageError: onnx2tf is not installed, or writes no such file.
    """
    others = [str(each.path) for each in destinations if each.format not in FORMATS]
    if main is not None or others:
        raise UsageError(
            f"onnx2tf writes SavedModel folders and LiteRT files, no {main or others[0]}.",
            hint="Give -o FOLDER or -o OUT.tflite, or leave --backend out.",
        )
    python_of("onnx2tf", python)


def convert_by_onnx2tf(loaded: Source, options: Options, report: Report, others: Sequence[Place]) -> None:
    """Write the destinations to where they are before they have been proven; the report says what came of it.

    Raises:
        UsageError: onnx2tf is not installed, or the source has no file that it could be given as it is.
        Unsupported: onnx2tf says that it cannot.
        NotEquivalent: what it has written computes something else.
        ConversionError: it crashes, or does not end.
    """
    python = python_of("onnx2tf", options.onnx2tf_python)
    if options.onnx2tf_raw and loaded.path is None:
        raise UsageError("Only an ONNX file can be given to onnx2tf as it is.", hint="Leave --onnx2tf-raw out.")
    with temporary_folder("onnx2tf") as name:
        folder = Path(name)
        # Without a destination the LiteRT file is verified, and goes away.
        lite = Destination("tflite", Path("model.tflite"))
        places = others or [Place(lite, folder / "model.tflite")]
        with report.stage("passes"):
            prepared = prepare_source(loaded, options)
            report.count_operators(prepared.normalised)
        with report.stage("onnx2tf"):
            raw = loaded.path if options.onnx2tf_raw else None
            made = run(python, write_graph(prepared.normalised, folder / "model.onnx", raw=raw), folder / "made")
        for place in places:
            place.told = described(place.destination)
            report.destinations.append(place.told)
            with place.tried():
                _copied(made, place.destination, place.file)
                place.written()
        if options.verify:
            with report.stage("verify"):
                for place in (each for each in places if each.error is None):
                    with place.tried():
                        kind = place.destination.format
                        place.told["verification"] = _proven(place.file, loaded, prepared, options, report, kind)
        if not others:
            report.destinations.clear()
            if places[0].error is not None:
                raise places[0].error


def _copied(made: WrittenFiles, destination: Destination, place: Path) -> None:
    """Raises:
    Unsupported: onnx2tf has made a SavedModel, but no LiteRT file of it."""
    if destination.format == "tflite" and not made.lite.is_file():
        raise Unsupported("onnx2tf writes no LiteRT file for it.", hint="Ask for the SavedModel: -o FOLDER.")
    if destination.format == "savedmodel":
        shutil.copytree(made.saved_model, place, ignore=shutil.ignore_patterns("*.tflite"))
    else:
        shutil.copyfile(made.lite, place)


def _proven(
    file: Path, loaded: Source, prepared: Prepared, options: Options, report: Report, kind: str
) -> dict[str, object]:
    """Compare with onnxruntime on the source, as `keraport verify` does: axes may be turned, names decide.

    The module is not asked: how near to float64 the numbers are is not ours to say of other kernels.

    Raises:
        NotEquivalent: it computes something else.
    """
    from converter.proof.latency import latencies
    from converter.proof.oracle_for import oracle_for
    from converter.proof.saved_model import verify_saved

    found, ports = verify_saved(
        file, replace(loaded, torch_module=None), backends=("tensorflow",), tolerance=options.tolerance
    )
    report.inputs, report.outputs = ports
    if report.verification is None or not found.passed:
        report.verification = found.to_dict()
    if not found.passed:
        raise NotEquivalent(f"What onnx2tf has written ({kind}) computes something else: {found.reason}")
    return {**found.summary(), **latencies(file, oracle_for(loaded, prepared), *ports, found.first, "tensorflow")}
