"""Nodes beside an old one: names stay unique, types, shapes and module paths follow."""

from __future__ import annotations

import pytest

from passes.graph.builder import Builder, FreshNames, as_attribute, set_attributes, sizes_of
from tests.harness import graph

TEXT = "g (float[batch, 4] x) => (float[batch, 4] y) <float[4] y_relu = {1, 2, 3, 4}> { y = Add(x, y_relu) }"


def test_names_are_unique_among_values_inputs_and_initializers() -> None:
    model = graph(TEXT)
    at = Builder(model.graph.node(0), FreshNames(model))
    values = [at.node("Relu", [model.graph.inputs[0]], [None, 4]) for _ in range(2)]
    assert [value.name for value in values] == ["y_relu_2", "y_relu_3"]
    constants = [at.constant([1, 2], "axes") for _ in range(2)]
    assert [value.name for value in constants] == ["y_axes", "y_axes_2"]
    assert {"y_axes", "y_axes_2"} < set(model.graph.initializers)


def test_a_new_node_is_not_called_as_another_one_is() -> None:
    model = graph(TEXT)
    model.graph.node(0).name = "y_relu_2"
    value = Builder(model.graph.node(0), FreshNames(model)).node("Relu", [model.graph.inputs[0]], [None, 4])
    assert value.name == "y_relu_3"


def test_a_replacement_takes_over_the_output() -> None:
    model = graph(TEXT)
    add = model.graph.node(0)
    add.metadata_props["keraport.module"] = "head"
    at = Builder(add, FreshNames(model))
    x = model.graph.inputs[0]
    value = at.node("Silu", [x], sizes_of(x), domain="keraport", name="act")
    at.replace(value)
    (node,) = model.graph
    assert (node.name, node.metadata_props["keraport.module"]) == ("act", "head")
    assert [output.name for output in model.graph.outputs] == ["y"]
    assert value.dtype == x.dtype
    assert value.shape == ["batch", 4]


def test_attributes_are_replaced_as_a_whole_and_only_when_they_differ() -> None:
    model = graph("g (float[1, 1, 5] x) => (float[1, 1, n] y) { y = MaxPool<kernel_shape=[2], ceil_mode=0>(x) }")
    (pool,) = model.graph
    wanted = {"kernel_shape": [2], "strides": [1]}
    assert set_attributes(pool, wanted)
    assert not set_attributes(pool, wanted)
    assert set(pool.attributes) == {"kernel_shape", "strides"}
    assert as_attribute("axes", (1, 2)).as_ints() == (1, 2)


def test_a_node_outside_of_a_graph_cannot_have_neighbours() -> None:
    model = graph(TEXT)
    node = model.graph.node(0)
    names = FreshNames(model)
    model.graph.remove(node)
    with pytest.raises(ValueError, match="in no graph"):
        Builder(node, names)
