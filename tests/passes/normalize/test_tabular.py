"""Operators of ai.onnx.ml beside trees, against onnxruntime: what scikit-learn's models are exported as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import converter
from passes.errors import Unsupported
from passes.normalize.inline_functions import InlineFunctions
from tests.harness import check_onnx

FEATURES = 4
RANDOM = np.random.default_rng(3)
FLOAT, DOUBLE, INT32, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64


def numbers(count: int) -> list[float]:
    return [float(number) for number in RANDOM.normal(size=count)]


def model(
    op_type: str, *, x: int = FLOAT, y: Sequence[int] = (FLOAT,), inputs: int = 1, version: int = 3, **attributes: Any
) -> ir.Model:
    names = [f"y{place}" for place in range(len(y))]
    given = [f"x{place}" for place in range(inputs)]
    node = helper.make_node(op_type, given, names, domain="ai.onnx.ml", **attributes)
    asked = [helper.make_tensor_value_info(name, x, ["n", FEATURES]) for name in given]
    told = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, y, strict=True)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", version)]
    graph = helper.make_graph([node], "g", asked, told)
    return ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=9))


def rows(dtype: int, inputs: int = 1, *, missing: float | None = None) -> list[dict[str, np.ndarray]]:
    """Numbers of which some are 0, and the last row all of them; in quarters, so that thresholds tie."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    found = []
    for batch in (1, 3, 8):
        each = {}
        for place in range(inputs):
            x = RANDOM.integers(-6, 7, (batch, FEATURES)) / (1 if np.dtype(kind).kind == "i" else 4)
            x[RANDOM.random(x.shape) < 0.2] = 0 if missing is None else missing
            x[1:][-1:] = 0
            each[f"x{place}"] = x.astype(kind)
        found.append(each)
    return found


@pytest.mark.parametrize("dtype", [FLOAT, DOUBLE, INT64])
@pytest.mark.parametrize("columns", [1, FEATURES])
def test_scalers(columns: int, dtype: int) -> None:
    check_onnx(model("Scaler", x=dtype, offset=numbers(columns), scale=numbers(columns)), feeds=rows(dtype))


@pytest.mark.parametrize("dtype", [FLOAT, DOUBLE, INT64])
@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_norms_of_rows(norm: str, dtype: int) -> None:
    check_onnx(model("Normalizer", x=dtype, norm=norm), feeds=rows(dtype))


def test_thresholds() -> None:
    check_onnx(model("Binarizer", threshold=0.25), feeds=rows(FLOAT))


@pytest.mark.parametrize("columns", [1, FEATURES])
@pytest.mark.parametrize("missing", [float("nan"), 0.25])
def test_missing_numbers(missing: float, columns: int) -> None:
    graph = model("Imputer", imputed_value_floats=numbers(columns), replaced_value_float=missing)
    check_onnx(graph, feeds=rows(FLOAT, missing=missing))
    whole = model("Imputer", x=INT64, y=(INT64,), imputed_value_int64s=[7] * columns, replaced_value_int64=-2)
    check_onnx(whole, feeds=rows(INT64, missing=-2))


def test_columns_side_by_side() -> None:
    check_onnx(model("FeatureVectorizer", inputs=2, inputdimensions=[FEATURES] * 2), feeds=rows(FLOAT, 2))
    with pytest.raises(Unsupported, match="Features that are not 3"):
        InlineFunctions()(model("FeatureVectorizer", inputs=2, inputdimensions=[FEATURES, 3]))


@pytest.mark.parametrize("listed", [False, True], ids=["columns", "list"])
def test_columns_by_their_places(listed: bool) -> None:
    shape, places = (["n", FEATURES], [2, 0]) if not listed else ([FEATURES], [[1, 3, 1]])
    node = helper.make_node("ArrayFeatureExtractor", ["x", "p"], ["y"], domain="ai.onnx.ml")
    x, y = (helper.make_tensor_value_info(name, FLOAT, size) for name, size in (("x", shape), ("y", None)))
    place = numpy_helper.from_array(np.array(places, np.int64), "p")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_graph([node], "g", [x], [y], [place])
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    feeds = [{"x": each["x0"][0] if listed else each["x0"]} for each in rows(FLOAT)]
    check_onnx(ir.from_proto(proto), feeds=feeds)


@pytest.mark.parametrize("dtype", [FLOAT, INT64])
def test_categories(dtype: int) -> None:
    feeds = [{name: np.trunc(array).astype(array.dtype) for name, array in each.items()} for each in rows(dtype)]
    check_onnx(model("OneHotEncoder", x=dtype, cats_int64s=[0, 2, -1], zeros=1), feeds=feeds)


TABLES: dict[str, tuple[int, int, int, dict[str, Any]]] = {
    "ints-ints": (INT64, INT64, 2, {"keys_int64s": [0, 2, -1, 2], "values_int64s": [5, 6, 7, 8], "default_int64": 9}),
    "ints-floats": (INT64, FLOAT, 2, {"keys_int64s": [0, 2], "values_floats": [0.5, 1.5]}),
    "floats-ints": (FLOAT, INT64, 2, {"keys_floats": [0.0, 0.25], "values_int64s": [3, 4]}),
    "tensors": (
        INT64,
        DOUBLE,
        4,
        {
            "keys_tensor": numpy_helper.from_array(np.array([0, 2], np.int64)),
            "values_tensor": numpy_helper.from_array(np.array([0.5, 2.5])),
            "default_tensor": numpy_helper.from_array(np.array([1.25])),
        },
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_labels(name: str) -> None:
    x, y, version, attributes = TABLES[name]
    check_onnx(model("LabelEncoder", x=x, y=(y,), version=version, **attributes), feeds=rows(x))


@pytest.mark.parametrize("targets", [1, 3])
def test_linear_regression_is_a_layer(targets: int) -> None:
    graph = model(
        "LinearRegressor",
        coefficients=numbers(FEATURES * targets),
        intercepts=numbers(targets),
        targets=targets,
    )
    checked = check_onnx(graph, feeds=rows(FLOAT))
    assert "Dense" in [type(layer).__name__ for layer in checked.model.layers]


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("classes", [2, 3])
def test_linear_classification(classes: int, transform: str) -> None:
    graph = model(
        "LinearClassifier",
        y=(INT64, FLOAT),
        coefficients=numbers(FEATURES * classes),
        intercepts=numbers(classes),
        classlabels_ints=[4, 2, 7][:classes],
        post_transform=transform,
    )
    check_onnx(graph, feeds=rows(FLOAT))


KERNELS = {"LINEAR": [0.0, 0.0, 0.0], "RBF": [0.3, 0.0, 0.0], "POLY": [0.2, 0.5, 2.0], "SIGMOID": [0.2, 0.1, 0.0]}


@pytest.mark.parametrize("kernel", KERNELS)
def test_support_vectors(kernel: str) -> None:
    graph = model(
        "SVMRegressor",
        kernel_type=kernel,
        kernel_params=KERNELS[kernel],
        n_supports=3,
        coefficients=numbers(3),
        support_vectors=numbers(3 * FEATURES),
        rho=[0.4],
    )
    check_onnx(graph, feeds=rows(FLOAT))


def test_a_pipeline_is_verified_in_plain_keras() -> None:
    graph = model("Scaler", offset=numbers(FEATURES), scale=numbers(FEATURES))
    result = converter.convert(graph)
    assert result.verified and not result.report.custom_layers


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "text": ("LinearClassifier", {"classlabels_strings": ["a", "b"], "coefficients": [1.0] * 8}, "labels are text"),
    "one-row": (
        "LinearClassifier",
        {"classlabels_ints": [0, 1], "coefficients": [1.0] * 4, "intercepts": [0.0]},
        "2 labels that 1 scores",
    ),
    "probit": (
        "LinearRegressor",
        {"coefficients": [1.0] * 4, "intercepts": [0.0], "post_transform": "PROBIT"},
        "PROBIT",
    ),
    "text-keys": ("LabelEncoder", {"keys_strings": ["a"], "values_int64s": [1]}, "is text"),
    "categories": ("OneHotEncoder", {"cats_strings": ["a"]}, "is text"),
    "fails": ("OneHotEncoder", {"cats_int64s": [1], "zeros": 0}, "unknown categories"),
    "one-class": (
        "SVMRegressor",
        {"one_class": 1, "n_supports": 1, "coefficients": [1.0], "support_vectors": [1.0] * 4},
        "one class",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    op_type, attributes, message = REFUSED[name]
    outputs = (INT64, FLOAT) if op_type == "LinearClassifier" else (FLOAT,)
    with pytest.raises(Unsupported, match=message):
        InlineFunctions()(model(op_type, y=outputs, **attributes))
