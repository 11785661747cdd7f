"""The report as an HTML page: self-contained, readable by day and by night, everything in it escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(report: Mapping[str, Any]) -> str:
    """The page for `Report.to_dict()`."""
    seconds = sum(stage["seconds"] for stage in report["stages"])
    return pages().get_template("report.html").render(report=report, seconds=seconds, verdict=_verdict(report))


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
    environment.filters["shape"] = _shape
    return environment


def _verdict(report: Mapping[str, Any]) -> tuple[str, str]:
    """A class for the colour, and the words."""
    if report.get("error"):
        return "bad", "Not equivalent" if report["error"]["kind"] == "not-equivalent" else "Not converted"
    verification = report["verification"]
    if verification is None:
        return "open", "Converted, not verified"
    return ("good", "Converted and verified") if verification["passed"] else ("bad", "Not equivalent")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}" if value else "0"


def _size(nbytes: int) -> str:
    return f"{nbytes / 2**20:,.0f} MiB"


def _shape(dims: list[int | str]) -> str:
    return " × ".join(str(dim) for dim in dims) or "scalar"
