"""docs/bench.svg: latency beside onnxruntime's and hand-written Keras', and seconds of a conversion from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

ROW, BAR, LEFT, PLOT = 24, 10, 210, 620
"""Height of a row and of a bar, and where the bars begin and how far they may go, in pixels."""

TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {{ height }}" role="img" aria-labelledby="title description" \
font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">
  <title id="title">Latency and conversion, {{ date }}</title>
  <desc id="description">{{ description }}</desc>
  <style>
    .text { font-size: 13px; fill: #3c4658 } .head { font-size: 15px; font-weight: 600; fill: #1b2433 }
    .ours { fill: #4a78c2 } .theirs { fill: #8a94a6 } .line { stroke: #5d6880; stroke-dasharray: 4 3 }
    @media (prefers-color-scheme: dark) {
      .text { fill: #c2cad8 } .head { fill: #eef2f8 } .ours { fill: #6f9ce6 } .theirs { fill: #6b7689 }
      .line { stroke: #9aa5b8 }
    }
  </style>
{%- for panel in panels %}
  <text class="head" x="12" y="{{ panel.top + 18 }}">{{ panel.title }}</text>
  {%- for row in panel.rows %}
  {%- set y = panel.top + 30 + loop.index0 * row_height %}
  <text class="text" x="12" y="{{ y + 14 }}">{{ row.label }}</text>
  {%- for bar in row.bars %}
  <rect class="{{ bar.kind }}" x="{{ left }}" y="{{ y + 2 + loop.index0 * bar_height }}" \
width="{{ '%.1f' | format(bar.value * panel.scale) }}" height="{{ bar_height - 1 }}"/>
  {%- endfor %}
  <text class="text" x="{{ '%.1f' | format(left + 8 + row.longest * panel.scale) }}" y="{{ y + 14 }}">\
{{ row.told }}</text>
  {%- endfor %}
  {%- if panel.line %}
  <line class="line" x1="{{ left + panel.scale }}" x2="{{ left + panel.scale }}" y1="{{ panel.top + 28 }}" \
y2="{{ panel.top + 30 + panel.rows | length * row_height }}"/>
  {%- endif %}
{%- endfor %}
</svg>
"""


@dataclass(frozen=True)
class Bar:
    kind: str
    value: float


@dataclass(frozen=True)
class Row:
    """A model: its bars, and what stands behind them."""

    label: str
    bars: Sequence[Bar]
    told: str

    @property
    def longest(self) -> float:
        return max(bar.value for bar in self.bars)


@dataclass(frozen=True)
class Panel:
    title: str
    rows: Sequence[Row]
    top: int
    line: bool = False

    @property
    def scale(self) -> float:
        """Pixels for 1."""
        return PLOT / max(row.longest for row in self.rows)

    @property
    def bottom(self) -> int:
        return self.top + 42 + ROW * len(self.rows)


def bench_chart(runs: Sequence[Mapping[str, Any]]) -> str:
    """The runs of scripts/bench.py, the oldest first, as an SVG image."""
    latest, panels = runs[-1], list[Panel]()
    beside = "Latency of keraport (blue) and by hand (grey) / onnxruntime's"
    seconds = f"Seconds of a conversion, {_date(runs[0])} (grey) and {_date(latest)}"
    for title, rows, line in ((beside, _latencies(latest), True), (seconds, _conversions(runs), False)):
        if rows:
            panels.append(Panel(title, rows, panels[-1].bottom if panels else 0, line))
    told = [f"{row.label}: {row.told}" for panel in panels for row in panel.rows]
    return (
        Environment(autoescape=True)
        .from_string(TEMPLATE)
        .render(
            panels=panels, height=panels[-1].bottom, date=_date(latest), description="; ".join(told) + ".",
            row_height=ROW, bar_height=BAR, left=LEFT,
        )
        + "\n"
    )  # fmt: skip


def _latencies(run: Mapping[str, Any]) -> list[Row]:
    found = []
    for model in run["models"]:
        for entry in model.get("latency", ()):
            bars = [Bar("ours", entry["to_onnxruntime"])]
            if "to_handwritten" in entry:
                bars.append(Bar("theirs", entry["to_onnxruntime"] / entry["to_handwritten"]))
            label = f"{_short(model)}, batch {entry['batch']}"
            found.append(Row(label, bars, f"{entry['to_onnxruntime']:.2f}"))
    return found


def _conversions(runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    before = {model["name"]: model["seconds"] for model in runs[0]["models"]}
    found = []
    for model in runs[-1]["models"]:
        told, bars = f"{model['seconds']:.2f} s", [Bar("ours", model["seconds"])]
        if len(runs) > 1 and model["name"] in before:
            bars.append(Bar("theirs", before[model["name"]]))
            told += f" ({before[model['name']]:.2f} s before)"
        found.append(Row(_short(model), bars, told))
    return found


def _short(model: Mapping[str, Any]) -> str:
    return str(model["name"]).rpartition(":")[2]


def _date(run: Mapping[str, Any]) -> str:
    return str(run["machine"]["date"])
