"""Seconds for a synthetic chain of nodes: conversion is to take time in proportion to their number.

python -m scripts.bench_chain 4000

A chain without module paths is one level as deep as it is long: it is cut into segments so that Keras can load it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from scripts.bench_convert import count_operations, import_everything
from scripts.children import Result, reply

CHANNELS = 8
EDGE = 6
LINKS = ("Conv", "Relu", "Add", "Sigmoid")
"""They repeat: a weight and a pad, an activation, a constant that is broadcast over channels, another activation."""


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nodes", type=int)
    nodes = parser.parse_args(arguments).nodes
    import_everything()
    import converter

    with tempfile.TemporaryDirectory(prefix="keraport-bench-") as folder:
        file = Path(folder) / "chain.onnx"
        onnx.save(chain(nodes), file)
        start = time.perf_counter()
        conversion = converter.convert(str(file), verify=False)
        seconds = time.perf_counter() - start
    stages = {stage.name: stage.seconds for stage in conversion.report.stages}
    return {"nodes": nodes, "seconds": seconds, "stages": stages, "operations": count_operations(conversion.model)}


def chain(nodes: int) -> onnx.ModelProto:
    """[batch, 8, 6, 6] → the same, through this many nodes one after the other."""
    generator = np.random.default_rng(0)
    made, weights, name = [], [], "x0"
    for index in range(nodes):
        link, result = LINKS[index % len(LINKS)], f"x{index + 1}"
        inputs = [name]
        if link in ("Conv", "Add"):
            shape = (CHANNELS, CHANNELS, 3, 3) if link == "Conv" else (CHANNELS, 1, 1)
            array = generator.normal(scale=0.1, size=shape).astype(np.float32)
            weights.append(numpy_helper.from_array(array, f"w{index}"))
            inputs.append(f"w{index}")
        made.append(helper.make_node(link, inputs, [result], name=f"node_{index}"))
        if link == "Conv":
            made[-1].attribute.append(helper.make_attribute("pads", [1, 1, 1, 1]))
        name = result
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, ["batch", CHANNELS, EDGE, EDGE]) for end in ("x0", name)
    ]
    graph = helper.make_graph(made, "chain", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


if __name__ == "__main__":
    reply(main)
