"""Whatever is planted, the layer at fault is named, and written out as a graph that fails by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
import torch

from converter.backends.keras.emit import emit
from converter.backends.keras.emitted import Emission
from converter.options import Options
from converter.prepare import prepare
from converter.proof.guilt.diff import ValueDifference, Values
from converter.proof.guilt.repro import write_repro
from converter.proof.inputs.arrays import feeds
from converter.proof.inputs.cases import graph_inputs, plan
from converter.proof.noise import MOST, TIMES, uncertainty
from converter.proof.oracle import Oracle
from converter.sources import load
from passes.errors import describe, operator
from tests.converter.proof.guilt.planted_faults import FAULTS, MODELS, Fault

IN_CI = {"query and key swapped", "a residual read too early", "a cosine"}
"""Whose repro is run in a process of its own; the others by `make test-all`."""


@cache
def sound(name: str) -> tuple[ir.Model, Values]:
    """A model's graph as it is emitted, and what the oracle computes in it."""
    torch.manual_seed(0)
    build, shape = MODELS[name]
    source = load(build(), Options(example_inputs=torch.rand(shape)))
    final = prepare(source.model).final
    inputs = graph_inputs(source.model)
    return final, Values(final, feeds(inputs, plan(inputs)[1]))


def planted(fault: Fault) -> tuple[Emission, Values, ir.Node]:
    final, values = sound(fault.model)
    broken = final.clone()
    node = [node for node in broken.graph if operator(node) == fault.operator][fault.nth]
    fault.change(node)
    return emit(broken), values, node


def guilty(fault: Fault) -> tuple[ValueDifference, Emission, Values, ir.Node]:
    emission, values, node = planted(fault)
    found = values.guilty(emission.isolated(values.known))
    assert found is not None, "nothing was found"
    return found, emission, values, node


@pytest.mark.parametrize("name", MODELS)
def test_a_sound_model_has_no_guilty_layer(name: str) -> None:
    final, values = sound(name)
    assert len(values.nodes) >= 50
    compared = values.differences(emit(final).isolated(values.known))
    assert [found.to_dict() for found in compared if not found.isolated.passed] == []
    assert len(compared) == len(values.nodes)


def test_the_ill_conditioned_model_is_one() -> None:
    final, values = sound("ill-conditioned")
    oracle = Oracle(final)
    answer = oracle.run(values.inputs)
    assert TIMES * uncertainty(oracle, values.inputs, answer)[0] > MOST * abs(answer[0]).max()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_layer_at_fault_is_named(fault: Fault) -> None:
    found, _, _, node = guilty(fault)
    assert found.value in [output.name for output in node.outputs]
    assert found.operator in describe(node) or found.operator == fault.operator


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=() if fault.name in IN_CI else pytest.mark.slow) for fault in FAULTS],
    ids=lambda fault: fault.name,
)
def test_the_repro_fails_by_itself(fault: Fault, tmp_path: Path) -> None:
    found, emission, values, _ = guilty(fault)
    node = next(n for n in nodes_of(emission) if found.value in [output.name for output in n.outputs])
    part = emission.part(node)
    assert part is not None
    write_repro(tmp_path, found, values, part)
    assert len(onnx.load(tmp_path / "repro.onnx").graph.node) <= 3
    ran = subprocess.run(
        [sys.executable, "repro.py"],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "They differ." in ran.stderr


def nodes_of(emission: Emission) -> list[ir.Node]:
    pending, found = [emission.top], []
    while pending:
        level = pending.pop()
        found.extend(node for node, _ in level.nodes)
        pending.extend(level.children)
    return found
