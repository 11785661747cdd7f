"""`keraport convert` and `keraport verify`: files, streams and exit codes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnx_ir as ir
import pytest

from tests.conftest import SMALL, Keraport
from tests.harness import graph


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_is_converted_verified_written_and_reported(
    keraport: Keraport, small_onnx: Path, tmp_path: Path
) -> None:
    out, report, page = tmp_path / "out.keras", tmp_path / "report.json", tmp_path / "report.html"
    ran = keraport("convert", small_onnx, "-o", out, "--report", report, "--html", page)
    assert ran.code == 0, ran.err
    assert files(tmp_path) == ["out.keras", "report.html", "report.json", "small.onnx"]
    assert "greatest error" in ran.out
    assert str(out) in ran.out
    assert str(report) in ran.out
    assert [line.split()[1] for line in ran.err.splitlines() if line.startswith("✓")] == [
        "load",
        "passes",
        "emit",
        "save",
        "verify",
    ]
    values = json.loads(report.read_text())
    assert values["verification"]["passed"]
    assert "error" not in values
    assert values["inputs"][0]["permutation"] == [0, 2, 3, 1]
    assert [output["name"] for output in values["outputs"]] == ["features", "pooled"]
    shapes = [tuple(case["shape"]["image"]) for case in values["verification"]["cases"]]
    assert {shape[0] for shape in shapes} == {1, 2, 3}
    assert len({shape[2:] for shape in shapes}) == 3
    assert values["transposes"] == 0
    assert values["parameters"] == 112
    assert all(stage["ok"] for stage in values["stages"])
    assert "Converted and verified" in page.read_text()
    model = keras.models.load_model(out)
    features, pooled = model(np.zeros((1, 9, 11, 3), np.float32))
    assert (features.shape, pooled.shape) == ((1, 5, 6, 4), (1, 4))


def test_an_input_that_cannot_be_read_is_reported_too(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    assert keraport("convert", small_onnx, "--input", "x=float32", "--report", report).code == 1
    values = json.loads(report.read_text())
    assert [stage["ok"] for stage in values["stages"]] == [False]
    assert values["error"]["kind"] == "usage" and "cannot be read" in values["error"]["message"]


def test_the_layout_of_the_source_is_kept_when_asked_for(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.keras", tmp_path / "r.json"
    assert keraport("convert", small_onnx, "-o", out, "--layout", "source", "--report", report).code == 0
    assert json.loads(report.read_text())["inputs"][0]["permutation"] is None
    assert keras.models.load_model(out)(np.zeros((1, 3, 9, 11), np.float32))[0].shape == (1, 4, 5, 6)


def test_a_flat_structure_without_verification(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    ran = keraport("convert", small_onnx, "-o", out, "--structure", "flat", "--no-verify")
    assert ran.code == 0
    assert "verify" not in ran.err
    with zipfile.ZipFile(out) as archive:
        config = json.loads(archive.read("config.json"))
    assert {layer["class_name"] for layer in config["config"]["layers"]}.isdisjoint({"Functional", "Model"})


def test_without_an_output_nothing_is_written(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    ran = keraport("convert", small_onnx)
    assert ran.code == 0
    assert "nothing: give -o OUT.keras" in ran.out
    assert files(tmp_path) == ["small.onnx"]


def test_an_older_output_is_replaced(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    out.write_text("old")
    assert keraport("convert", small_onnx, "-o", out, "--no-verify").code == 0
    assert zipfile.is_zipfile(out)


@pytest.mark.parametrize("layout", ["channels_last", "source"])
def test_a_saved_model_is_verified_in_the_layout_it_has(
    keraport: Keraport, small_onnx: Path, tmp_path: Path, layout: str
) -> None:
    out, report = tmp_path / "out.keras", tmp_path / "r.json"
    assert keraport("convert", small_onnx, "-o", out, "--layout", layout, "--no-verify").code == 0
    ran = keraport("verify", out, small_onnx, "--report", report)
    assert ran.code == 0, ran.err
    values = json.loads(report.read_text())
    assert values["verification"]["passed"]
    assert (values["inputs"][0]["permutation"] is None) == (layout == "source")


def test_a_square_image_of_three_pixels_fits_both_layouts_and_the_right_one_is_found(
    keraport: Keraport, tmp_path: Path
) -> None:
    text = SMALL.replace("float[batch,3,h,w]", "float[batch,3,3,3]")
    ir.save(graph(text), tmp_path / "m.onnx")
    for layout in ("channels_last", "source"):
        out = tmp_path / f"{layout}.keras"
        assert keraport("convert", tmp_path / "m.onnx", "-o", out, "--layout", layout, "--no-verify").code == 0
        assert keraport("verify", out, tmp_path / "m.onnx").code == 0


def test_another_reference_is_not_equivalent(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    assert keraport("convert", small_onnx, "-o", out, "--no-verify").code == 0
    ir.save(graph(SMALL.replace("-0.25", "-0.125")), tmp_path / "other.onnx")
    ran = keraport("verify", out, tmp_path / "other.onnx", "--report", tmp_path / "r.json")
    assert ran.code == 3
    assert "Output 'features' at inputs image" in ran.err
    values = json.loads((tmp_path / "r.json").read_text())
    assert values["error"]["kind"] == "not-equivalent"
    assert not values["verification"]["passed"]
    assert out.exists()


def test_a_reference_with_other_inputs_is_named(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    assert keraport("convert", small_onnx, "-o", out, "--no-verify").code == 0
    ir.save(graph("g (float[batch,5] x) => (float[batch,5] y) { y = Relu(x) }"), tmp_path / "other.onnx")
    ran = keraport("verify", out, tmp_path / "other.onnx")
    assert ran.code == 3
    assert "The model takes inputs (?, ?, ?, 3); the reference takes x (batch, 5)." in ran.err


def test_a_model_that_is_missing_or_no_model(keraport: Keraport, small_onnx: Path, tmp_path: Path) -> None:
    ran = keraport("verify", tmp_path / "none.keras", small_onnx)
    assert ran.code == 1
    assert "does not exist" in ran.err
    (tmp_path / "no.keras").write_text("no")
    ran = keraport("verify", tmp_path / "no.keras", small_onnx)
    assert ran.code == 3
    assert "does not load in plain Keras" in ran.err
