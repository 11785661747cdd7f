"""The report as an HTML page: self-contained, readable by day and by night, everything in it escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from converter.report.plot import plot
from converter.report.tree import module_tree


def render(report: Mapping[str, Any]) -> str:
    """The page for `Report.to_dict()`."""
    layers = report["layers"]
    return (
        pages()
        .get_template("report.html")
        .render(
            report=report,
            seconds=sum(stage["seconds"] for stage in report["stages"]),
            verdict=_verdict(report),
            plot=plot([layer["error"] for layer in layers], [layer["noise"] for layer in layers]),
            tree=module_tree(layers, report["modules"]),
        )
    )


def pages() -> Environment:
    """The templates. Whatever is put into them is escaped, and a name that they do not know is an error."""
    environment = Environment(
        loader=PackageLoader(__name__.rpartition(".")[0]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["size"] = _size
    environment.filters["milliseconds"] = _milliseconds
    environment.filters["shape"] = _shape
    environment.filters["axes"] = _axes
    environment.filters["worst"] = _worst
    return environment


def _verdict(report: Mapping[str, Any]) -> tuple[str, str]:
    """A class for the colour, and the words."""
    verification = report["verification"]
    lost = [each for each in report["destinations"] if each["error"] is not None]
    if lost and report["output"] and (verification or {}).get("passed"):  # the error is that of the other files
        return "open", f"Converted and verified, but for {', '.join(each['format'] for each in lost)}"
    if report.get("error"):
        return "bad", "Not equivalent" if report["error"]["kind"] == "not-equivalent" else "Not converted"
    if verification is None:
        return "open", "Converted, not verified"
    return ("good", "Converted and verified") if verification["passed"] else ("bad", "Not equivalent")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}" if value else "0"


def _size(nbytes: int | None) -> str:
    return "–" if nbytes is None else f"{nbytes / 2**20:,.0f} MiB"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"


def _shape(dims: list[int | str]) -> str:
    return " × ".join(str(dim) for dim in dims) or "scalar"


AXES = {
    3: ("batch", "channels", "length"),
    4: ("batch", "channels", "height", "width"),
    5: ("batch", "channels", "depth", "height", "width"),
}
"""What the axes of a tensor with channels are, in the source's order."""


def _axes(port: Mapping[str, Any]) -> str:
    """The axes that the Keras tensor has, in words."""
    permutation = port["permutation"]
    if permutation is None:
        return "as in the source"
    words = AXES.get(len(permutation))
    return ", ".join(words[axis] if words else str(axis) for axis in permutation)


def _worst(verification: Mapping[str, Any] | None) -> str:
    """The greatest error beside what was allowed there, of the output that used most of it."""
    outputs = [output for case in (verification or {}).get("cases", ()) for output in case["outputs"]]
    known = [output for output in outputs if output["max_abs"] is not None]
    if not known:
        return "–"
    # What is right because every layer by itself is has nothing that was allowed to it.
    known = [output for output in known if output.get("by") != "inner values"] or known
    worst = max(known, key=lambda output: output["max_abs"] / (output["tolerance"]["allowed"] or 1e-30))
    return f"{_number(worst['max_abs'])} of {_number(worst['tolerance']['allowed'])}"
