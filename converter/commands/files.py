"""What commands read and write: the source, examples, reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.sources import refuse_missing

if TYPE_CHECKING:
    from converter.example_files import ExampleFiles
    from converter.report import Report
    from converter.sources import Source


def load_source(
    source: str, *, model_args: list[str] | None, constants: list[str] | None = None, **told: Any
) -> Source:
    refuse_missing(source)
    from converter.model_args import parse_model_args
    from converter.sources import load

    fixed = parse_model_args(constants or (), "constant")
    return load(source, model_args=parse_model_args(model_args or ()), constants=fixed, **told)


def check_model(model: Path) -> None:
    from passes.errors import UsageError

    if not (model.is_file() or (model / "saved_model.pb").is_file()):
        raise UsageError(f"The model {str(model)!r} does not exist.")


def example_files(files: list[Path] | None, normalise: str, *, also: bool = False) -> ExampleFiles | None:
    """None where there are none, unless the images of something else are normalised as well."""
    from converter.example_files import ExampleFiles

    return ExampleFiles(tuple(files or ()), normalise) if files or also else None


def check_outputs(report_file: Path | None, html_file: Path | None) -> None:
    """Say now that a report cannot be written, not after the work."""
    from converter.atomic_output import Output

    for path in (report_file, html_file):
        if path is not None:
            with Output(path):
                continue


def write_reports(report: Report, report_file: Path | None, html_file: Path | None) -> list[tuple[str, str]]:
    from converter.atomic_output import write_text

    files = []
    if report_file is not None:
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
        files.append(("Report", str(write_text(report_file, text + "\n"))))
    if html_file is not None:
        files.append(("Page", str(write_text(html_file, report.to_html()))))
    return files
