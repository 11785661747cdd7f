"""Ensembles of decision trees, in both forms, against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import converter
from passes.errors import BadSource, Unsupported
from passes.normalize.inline_functions import InlineFunctions
from tests.harness import check_onnx, operators

FEATURES = 5
MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")


def grown(count: int, levels: int, modes: tuple[str, ...], targets: int) -> dict[str, Any]:
    """Trees as TreeEnsembleRegressor has them; some are leaves alone. Splits are of quarters, so that values tie."""
    random = np.random.default_rng(0)
    nodes: list[tuple[int, int, int, float, str, int, int, int]] = []
    leaves: list[tuple[int, int, int, float]] = []

    def grow(tree: int, left: int) -> int:
        number = sum(node[0] == tree for node in nodes)
        place = len(nodes)
        nodes.append((tree, number, 0, 0.0, "LEAF", 0, 0, 0))
        if left == 0 or (number and random.random() < 0.2):
            leaves.append((tree, number, int(random.integers(targets)), float(random.normal())))
            return number
        mode, split = modes[random.integers(len(modes))], float(random.integers(-4, 5)) / 4
        asked, missing = int(random.integers(FEATURES)), int(random.integers(2))
        yes, no = grow(tree, left - 1), grow(tree, left - 1)
        nodes[place] = tree, number, asked, split, mode if mode == "LEAF" else f"BRANCH_{mode}", yes, no, missing
        return number

    for tree in range(count):
        grow(tree, levels if tree % 4 != 3 else 0)
    names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    columns = zip((*names, "missing_value_tracks_true"), zip(*nodes, strict=True), strict=True)
    rows = zip(("treeids", "nodeids", "ids", "weights"), zip(*leaves, strict=True), strict=True)
    return {f"nodes_{name}": list(column) for name, column in columns} | {
        f"target_{name}": list(row) for name, row in rows
    }


def regressor(dtype: int, rows: dict[str, Any], targets: int, **more: Any) -> ir.Model:
    if dtype == TensorProto.DOUBLE:
        for name in ("nodes_values", "target_weights", "base_values"):
            values = more.pop(name, None) or rows.get(name)
            if values:
                more[f"{name}_as_tensor"] = numpy_helper.from_array(np.array(values, np.float64))
        rows = {name: row for name, row in rows.items() if f"{name}_as_tensor" not in more}
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=targets, **rows, **more
    )
    return model_of(node, dtype, TensorProto.FLOAT, targets, 3)


def ensemble(dtype: int, rows: Mapping[str, Any], targets: int, **more: Any) -> ir.Model:
    """The same trees as TreeEnsemble has them: leaves apart, and none alone."""
    names = list(zip(rows["nodes_treeids"], rows["nodes_nodeids"], strict=True))
    is_leaf = [mode == "LEAF" for mode in rows["nodes_modes"]]
    inner = [index for index, leaf in enumerate(is_leaf) if not leaf]
    place = {names[index]: number for number, index in enumerate(inner)}
    told = list(zip(rows["target_treeids"], rows["target_nodeids"], strict=True))
    leaf_place = {name: number for number, name in enumerate(told)}
    children: dict[str, list[int]] = {}
    for side in ("true", "false"):
        ends = [(names[index][0], rows[f"nodes_{side}nodeids"][index]) for index in inner]
        children[f"nodes_{side}nodeids"] = [place.get(end, leaf_place.get(end, 0)) for end in ends]
        children[f"nodes_{side}leafs"] = [int(end not in place) for end in ends]

    def tensor(values: Any, kind: Any) -> Any:
        return numpy_helper.from_array(np.array(values, kind))

    floats = helper.tensor_dtype_to_np_dtype(dtype)
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=targets,
        tree_roots=[place[name] for name in names if name[1] == 0 and name in place],
        nodes_featureids=[rows["nodes_featureids"][index] for index in inner],
        nodes_splits=tensor([rows["nodes_values"][index] for index in inner], floats),
        nodes_modes=tensor(
            [MODES.index(rows["nodes_modes"][index].removeprefix("BRANCH_")) for index in inner], np.uint8
        ),
        nodes_missing_value_tracks_true=[rows["nodes_missing_value_tracks_true"][index] for index in inner],
        leaf_targetids=rows["target_ids"],
        leaf_weights=tensor(rows["target_weights"], floats),
        **children,
        **more,
    )
    return model_of(node, dtype, dtype, targets, 5)


def model_of(node: Any, x: int, y: int, targets: int, version: int) -> ir.Model:
    ends = [
        helper.make_tensor_value_info(name, kind, ["n", size])
        for name, kind, size in (("x", x, FEATURES), ("y", y, targets))
    ]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", version)]
    return ir.from_proto(
        helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]), opset_imports=opsets, ir_version=10)
    )


def inputs(dtype: int, *, missing: bool = True) -> list[dict[str, np.ndarray]]:
    """Numbers that tie with splits; some are missing."""
    kind, random = helper.tensor_dtype_to_np_dtype(dtype), np.random.default_rng(1)
    found = []
    for batch in (1, 2, 40):
        x = (random.integers(-6, 7, (batch, FEATURES)) / 4).astype(kind)
        if missing and x.dtype.kind == "f":
            x[random.random(x.shape) < 0.2] = np.nan
        found.append({"x": x})
    return found


FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64


@pytest.mark.parametrize("dtype", [FLOAT, DOUBLE])
@pytest.mark.parametrize("modes", [("LEQ",), ("LT",), ("GTE", "GT"), ("LEQ", "EQ", "NEQ")], ids="-".join)
@pytest.mark.parametrize("make", [regressor, ensemble])
def test_every_way_to_compare(make: Any, modes: tuple[str, ...], dtype: int) -> None:
    check_onnx(make(dtype, grown(9, 4, modes, 1), 1), feeds=inputs(dtype))


@pytest.mark.parametrize("targets", [1, 3])
def test_the_average(targets: int) -> None:
    rows = grown(6, 3, ("LEQ",), targets)
    check_onnx(ensemble(FLOAT, rows, targets, aggregate_function=0), feeds=inputs(FLOAT))
    check_onnx(regressor(FLOAT, rows, targets, aggregate_function="AVERAGE"), feeds=inputs(FLOAT))


@pytest.mark.parametrize("how", ["SUM", "AVERAGE"])
@pytest.mark.parametrize("dtype", [FLOAT, DOUBLE])
def test_base_values(dtype: int, how: str) -> None:
    rows = grown(6, 3, ("LEQ",), 1)
    check_onnx(regressor(dtype, rows, 1, base_values=[0.5], aggregate_function=how), feeds=inputs(dtype))
    leaves = len(rows["target_ids"])
    rows |= {name: row * 2 for name, row in rows.items() if name.startswith("target")}
    rows["target_ids"] = [0] * leaves + [1] * leaves
    check_onnx(regressor(dtype, rows, 2, base_values=[0.5, -2.0], aggregate_function=how), feeds=inputs(dtype))


@pytest.mark.parametrize("how", ["SOFTMAX", "LOGISTIC"])
def test_what_comes_after_the_sum(how: str) -> None:
    check_onnx(regressor(FLOAT, grown(6, 3, ("LEQ",), 3), 3, post_transform=how), feeds=inputs(FLOAT))


@pytest.mark.parametrize(
    ("dtype", "targets", "more", "message"),
    [
        (FLOAT, 1, {"post_transform": "LOGISTIC"}, "something else than the standard"),
        (FLOAT, 3, {"base_values": [1.0, 0.0, 0.0]}, "no weight for a target"),
        (FLOAT, 1, {"aggregate_function": "PRODUCT"}, "PRODUCT"),
        (INT64, 1, {}, "whole numbers"),
    ],
)
def test_regressors_that_are_refused(dtype: int, targets: int, more: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        InlineFunctions()(regressor(dtype, grown(4, 3, ("LEQ",), targets), targets, **more))


@pytest.mark.parametrize("how", ["MIN", "MAX"])
def test_the_least_and_the_greatest(how: str) -> None:
    check_onnx(regressor(FLOAT, grown(6, 3, ("LEQ",), 1), 1, aggregate_function=how), feeds=inputs(FLOAT))


def test_behind_other_layers_and_without_missing_values() -> None:
    rows = grown(5, 3, ("LEQ",), 2) | {"nodes_missing_value_tracks_true": []}
    del rows["nodes_missing_value_tracks_true"]
    model = regressor(FLOAT, rows, 2)
    x = model.graph.inputs[0]
    tree = model.graph.node(0)
    model.graph.insert_before(tree, ir.node("Neg", [x], outputs=[ir.Value(name="less")]))
    tree.replace_input_with(0, model.graph.node(0).outputs[0])
    check_onnx(model, feeds=inputs(FLOAT, missing=False))
    result = converter.convert(model)
    assert result.verified and result.report.custom_layers == []


def test_one_lookup_a_level_for_each_table() -> None:
    model = ensemble(FLOAT, grown(3, 2, ("LEQ",), 1) | {"nodes_missing_value_tracks_true": [0] * 99}, 1)
    InlineFunctions()(model)
    found = operators(model)
    assert found.count("Where") == 2 and found.count("GatherElements") == 1 and "IsNaN" not in found


def test_trees_that_are_too_deep_or_not_deep_at_all() -> None:
    """A chain of nodes, each of which is another level."""
    rows = grown(4, 0, ("LEQ",), 1)
    with pytest.raises(Unsupported, match="0 levels"):
        InlineFunctions()(regressor(FLOAT, rows, 1))
    count = 300
    chain = {
        "nodes_treeids": [0] * (2 * count + 1), "nodes_nodeids": list(range(2 * count + 1)),
        "nodes_featureids": [0] * (2 * count + 1), "nodes_values": [0.0] * (2 * count + 1),
        "nodes_modes": ["BRANCH_LEQ", "LEAF"] * count + ["LEAF"],
        "nodes_truenodeids": [number + 1 for number in range(2 * count)] + [0],
        "nodes_falsenodeids": [number + 2 for number in range(2 * count - 1)] + [0, 0],
        "target_treeids": [0], "target_nodeids": [1], "target_ids": [0], "target_weights": [1.0],
    }  # fmt: skip
    chain["nodes_falsenodeids"][2 * count - 2] = 2 * count
    with pytest.raises(Unsupported, match="300 levels"):
        InlineFunctions()(regressor(FLOAT, chain, 1))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"nodes_modes": numpy_helper.from_array(np.full(3, 6, np.uint8))}, Unsupported, "in a set"),
        ({"post_transform": 4}, Unsupported, "PROBIT"),
        ({"post_transform": 2}, Unsupported, "something else than the standard"),
        ({"aggregate_function": 2, "n_targets": 2}, Unsupported, "MIN of 2 targets"),
        ({"aggregate_function": 9}, BadSource, "refers to what there is not"),
        ({"tree_roots": [7]}, BadSource, "refers to what there is not"),
        ({"nodes_truenodeids": [0, 0, 0], "nodes_trueleafs": [0, 0, 0]}, BadSource, "leads back to itself"),
        ({"n_targets": 1 << 40}, BadSource, "targets of 4 leaves"),
        ({"nodes_featureids": [1]}, BadSource, "do not fit together"),
        ({"nodes_featureids": None}, BadSource, "nodes_featureids is missing"),
    ],
)
def test_what_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    rows: dict[str, Any] = {
        "n_targets": 1, "tree_roots": [0], "nodes_featureids": [0, 1, 2], "leaf_targetids": [0, 0, 0, 0],
        "nodes_splits": numpy_helper.from_array(np.zeros(3, np.float32)),
        "nodes_modes": numpy_helper.from_array(np.zeros(3, np.uint8)),
        "leaf_weights": numpy_helper.from_array(np.ones(4, np.float32)),
        "nodes_truenodeids": [1, 0, 2], "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [2, 1, 3], "nodes_falseleafs": [0, 1, 1],
    }  # fmt: skip
    rows = {name: value for name, value in (rows | change).items() if value is not None}
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", **rows)
    with pytest.raises(error, match=message):
        InlineFunctions()(model_of(node, FLOAT, FLOAT, 1, 5))


def classifier(rows: dict[str, Any], labels: list[int], ids: list[int], *, positive: bool, **more: Any) -> ir.Model:
    """Leaves have weights for one of some classes, each in turn."""
    count = len(rows["target_weights"])
    rows = {name.replace("target_", "class_"): row for name, row in rows.items()}
    rows["class_ids"] = [ids[place % len(ids)] for place in range(count)]
    if positive:
        rows["class_weights"] = [abs(weight) / 5 for weight in rows["class_weights"]]
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["l", "y"], domain="ai.onnx.ml", classlabels_int64s=labels, **rows, **more
    )
    model = model_of(node, FLOAT, FLOAT, len(labels), 3)
    label = model.graph.node(0).outputs[0]
    label.shape, label.type = ir.Shape(["n"]), ir.TensorType(ir.DataType.INT64)
    model.graph.outputs.insert(0, label)
    return model


@pytest.mark.parametrize("how", ["NONE", "SOFTMAX", "LOGISTIC"])
@pytest.mark.parametrize("base", [[], [0.5, -2.0, 0.25]], ids=["", "base"])
@pytest.mark.parametrize("ids", [[0, 1, 2], [0, 2]], ids=str)
def test_one_of_three_classes(ids: list[int], base: list[float], how: str) -> None:
    model = classifier(
        grown(6, 3, ("LEQ",), 1),
        [5, 9, 1],
        ids,
        positive=False,
        post_transform=how,
        **({"base_values": base} if base else {}),
    )
    check_onnx(model, feeds=inputs(FLOAT))


@pytest.mark.parametrize("how", ["NONE", "SOFTMAX", "LOGISTIC"])
@pytest.mark.parametrize("base", [[], [0.125]], ids=["", "base"])
@pytest.mark.parametrize("positive", [True, False], ids=["positive", "of both signs"])
def test_for_or_against_the_second_class(positive: bool, base: list[float], how: str) -> None:
    rows, more = grown(6, 3, ("LEQ",), 1), {"base_values": base} if base else {}
    check_onnx(classifier(rows, [7, 3], [0], positive=positive, post_transform=how, **more), feeds=inputs(FLOAT))
    if not base:
        check_onnx(classifier(rows, [7, 3], [1], positive=positive, post_transform=how), feeds=inputs(FLOAT))


@pytest.mark.parametrize(
    ("labels", "ids", "more", "message"),
    [
        ([7, 3], [0, 1], {}, "of either of which leaves have weights"),
        ([7, 3], [1], {"base_values": [0.5]}, "others than one for the first"),
        ([7, 3], [0], {"base_values": [0.5, 0.5]}, "others than one for the first"),
        ([7, 3, 1], [0, 1, 2], {"base_values": [0.5]}, "of some of whose classes"),
        ([7, 3, 1], [0, 1, 2], {"post_transform": "PROBIT"}, "PROBIT"),
    ],
)
def test_classifiers_that_are_refused(labels: list[int], ids: list[int], more: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        InlineFunctions()(classifier(grown(6, 3, ("LEQ",), 1), labels, ids, positive=True, **more))


def test_labels_that_are_text_are_refused() -> None:
    model = classifier(grown(6, 3, ("LEQ",), 1), [7, 3, 1], [0, 1, 2], positive=True)
    model.graph.node(0).attributes.pop("classlabels_int64s")
    model.graph.node(0).attributes.add(ir.AttrStrings("classlabels_strings", ["a", "b", "c"]))
    with pytest.raises(Unsupported, match="labels are text"):
        InlineFunctions()(model)
