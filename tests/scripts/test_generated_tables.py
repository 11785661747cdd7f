"""The README's tables are fresh, and what they are made of covers what the project promises."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from scripts import support_table
from scripts.bench import DEFAULT_MODELS, HANDWRITTEN
from scripts.bench_chart import bench_chart
from scripts.bench_table import bench_table
from scripts.markdown import markdown
from scripts.support_table import README, SHIP, SHIPPED, VERIFIED, bench_runs, readme_tables, refreshed, ship_tables
from scripts.verified_models import verified_models

SVG = "{http://www.w3.org/2000/svg}"


def test_tables_are_fresh() -> None:
    assert support_table.main(["--check"]) == 0, "run `python -m scripts.support_table`"


def test_every_model_of_the_manifests_is_verified() -> None:
    models = json.loads(VERIFIED.read_text())["models"]
    assert [model["name"] for model in models] == list(verified_models())
    assert all(model["of_allowed"] <= 1 for model in models)


def test_the_bench_has_every_model() -> None:
    result = bench_runs()[-1]
    assert [model["name"] for model in result["models"]] == list(DEFAULT_MODELS)
    for model in result["models"]:
        assert [entry["batch"] for entry in model["latency"]] == [1, 8]
        assert all(("to_handwritten" in entry) == (model["name"] in HANDWRITTEN) for entry in model["latency"])
    assert len(result["chain"]["runs"]) == 2


def test_a_block_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="'bench'"):
        refreshed(README.read_text().replace("<!-- bench:", "<!-- bank:"), readme_tables())


def test_a_stale_block_is_replaced() -> None:
    fresh = README.read_text()
    assert refreshed(fresh.replace("| torchvision:resnet18 |", "| torchvision:resnet81 |"), readme_tables()) == fresh


def test_columns_of_numbers_are_set_to_the_right() -> None:
    assert markdown(("a", "b"), [("x", 1), ("2", "")]) == "| a | b |\n|---|---:|\n| x | 1 |\n| 2 |  |\n"


def test_a_bench_without_latencies_has_no_table_of_them() -> None:
    model = {
        "name": "m", "seconds": 1.0, "stages": {"load": 1.0}, "peak_multiple": 2.0, "operations": 3, "transposes": 0
    }  # fmt: skip
    machine = dict.fromkeys(("processor", "memory", "system", "versions", "date", "load"), "?")
    text = bench_table({"models": [model], "chain": None, "machine": machine})
    assert "| m | 1.00 | 1.00 |  |  | 2.00 | 3 | 0 |" in text
    assert "Latency" not in text
    image = ElementTree.fromstring(bench_chart([{"models": [model], "chain": None, "machine": machine}]))
    assert [text.text for text in image.iter(f"{SVG}text")] == [
        "Seconds of a conversion, ? (grey) and ?",
        "m",
        "1.00 s",
    ]


def test_the_chart_has_bars_as_long_as_what_they_tell() -> None:
    image = ElementTree.fromstring(bench_chart(bench_runs()))
    bars = [bar for bar in image.iter(f"{SVG}rect") if bar.get("class") == "ours"]
    entries = [entry for model in bench_runs()[-1]["models"] for entry in model["latency"]]
    ratios = [float(bar.get("width", 0)) / entry["to_onnxruntime"] for bar, entry in zip(bars, entries, strict=False)]
    assert len(bars) == len(entries) + len(DEFAULT_MODELS)
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-3)


def test_every_file_is_told_with_its_figures_or_the_reason() -> None:
    models = json.loads(SHIPPED.read_text())["models"]
    (table,) = ship_tables().values()
    assert all(f"| {model['name']} |" in table for model in models)
    for model in models:
        told = {**model["formats"], **model["smaller"]}
        refused = [kind for kind, each in told.items() if "reason" in each]
        assert all(f"- {model['name']}, {kind}: " in table for kind in refused)
        assert all(each["passed"] for kind, each in told.items() if kind not in refused)
    assert refreshed(SHIP.read_text(), ship_tables()) == SHIP.read_text()
