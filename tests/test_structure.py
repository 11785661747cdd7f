"""The nest of modules: the same one in every run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

INTERLOCKED = """
from converter.backends.keras.structure import Group, group_by_module
from passes.errors import MODULE_KEY
from tests.harness import graph

model = graph('''
    g (float[4] x) => (float[4] y)
    {
        first = Relu(x)
        a = Relu(x)
        b = Relu(a)
        c = Neg(b)
        d = Add(a, c)
        both = Add(c, d)
        y = Add(first, both)
    }
''')
for node, module in zip(model.graph, ("X", "A", "B", "B", "A", "X", "X"), strict=True):
    node.metadata_props[MODULE_KEY] = f"{module}.part"
print([item.path if isinstance(item, Group) else item.op_type for item in group_by_module(model.graph).items])
"""
"""A and B wait for each other: without the group A all is well, without the group B alone it is not."""


def test_which_groups_go_does_not_depend_on_hashes() -> None:
    found = set()
    for seed in range(6):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parent.parent)}
        run = subprocess.run(
            [sys.executable, "-c", INTERLOCKED], env=environment, capture_output=True, text=True, check=True
        )
        found.add(run.stdout)
    assert len(found) == 1, found
