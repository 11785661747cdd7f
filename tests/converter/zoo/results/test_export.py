"""The flat tables: CSV and Parquet hold the same."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import pytest

from converter.zoo.results.export import COLUMNS, export
from converter.zoo.results.store import ResultStore
from passes.errors import UsageError
from tests.zoo_results import entry, failed, verified

NAMES = ["good", 'od,d "n"\nname', "exact", "halves"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with ResultStore(tmp_path / "run") as store:
        store.plan([entry(name, tags=("cnn", "small")) for name in NAMES], dict.fromkeys(NAMES, "k"))
        store.add(verified(NAMES[0], files={"report": "good/report.json"}))
        store.add(failed(NAMES[1], "The operator A is not supported.\nThe operator B is not supported."))
        store.add(verified(NAMES[2], max_abs=1.0, allowed=0.0))
        store.add(failed(NAMES[3], "half \udce4"))
    return tmp_path / "run"


def test_csv_and_parquet_hold_the_same(run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an optional extra and not installed")
    with export(run, tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = parquet.read_table(export(run, tmp_path / "a.parquet"))
    assert {field.name: str(field.type) for field in table.schema} == {
        name: kind.replace("float64", "double") for name, kind in COLUMNS.items()
    }
    assert [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in table.to_pylist()
    ] == rows
    assert [row["name"] for row in rows] == NAMES
    good, bad, exact, halves = table.to_pylist()
    assert good["tags"] == "cnn small"
    assert good["of_allowed"] == pytest.approx(0.02)
    assert (good["report"], good["page"], good["kind"]) == ("good/report.json", None, None)
    assert bad["signatures"].splitlines() == [f"unsupported: The operator {x} is not supported." for x in "AB"]
    assert (bad["max_abs"], bad["exit_code"]) == (None, None)
    assert exact["of_allowed"] == math.inf
    assert halves["message"] == "half ?"


def test_an_empty_run_is_a_table_without_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an optional extra and not installed")
    ResultStore(tmp_path / "run").close()
    assert export(tmp_path / "run", tmp_path / "a.csv").read_text().strip() == ",".join(COLUMNS)
    assert parquet.read_table(export(tmp_path / "run", tmp_path / "a.parquet")).num_rows == 0


def test_more_rows_than_a_page_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an optional extra and not installed")
    monkeypatch.setattr("converter.zoo.results.export._ROWS", 3)
    names = [f"m{i}" for i in range(8)]
    with ResultStore(tmp_path / "run") as store:
        store.plan([entry(name) for name in names], dict.fromkeys(names, "k"))
        for name in names:
            store.add(verified(name))
    table = parquet.read_table(export(tmp_path / "run", tmp_path / "a.parquet"))
    assert table["name"].to_pylist() == names


def test_what_is_missing_is_said(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"must end in .csv or .parquet"):
        export(run, tmp_path / "a.xlsx")
    with pytest.raises(UsageError, match="is not a run"):
        export(tmp_path, tmp_path / "a.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="needs pyarrow") as refused:
        export(run, tmp_path / "a.parquet")
    assert "pip install 'keraport[zoo]'" in (refused.value.hint or "")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
