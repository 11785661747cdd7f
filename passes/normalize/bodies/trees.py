"""Ensembles of decision trees, all of them taken down a level at a time.

A sample stands at one place of each tree, [batch, trees]. What a place asks, and where it sends a sample, is looked up
in tables; leaves send it where it is. After as many levels as the deepest tree has, every place is a leaf.

    v = X[n, feature[place]];  place = yes[place] where v ≤ split[place] else no[place]        in turn
    Y = Σ weight[place]                                                                       over the trees

Source: ONNX operators of ai.onnx.ml; where missing values (NaN) go, as onnxruntime has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.normalize.bodies.made import TRANSFORMS, Made
from passes.normalize.bodies.tree_tables import Trees, read

COMPARISONS = {"LEQ": "LessOrEqual", "LT": "Less", "GTE": "GreaterOrEqual", "GT": "Greater", "EQ": "Equal"}
AGGREGATES = {"AVERAGE": "ReduceMean", "SUM": "ReduceSum", "MIN": "ReduceMin", "MAX": "ReduceMax"}
FLOATS = (None, ir.DataType.FLOAT, ir.DataType.DOUBLE)
MOST_LEVELS = 200
DIFFERS = "of which onnxruntime computes something else than the standard says"


def tree_ensemble(node: ir.Node) -> ir.Function:
    """The composition for TreeEnsemble, whose tables have the type of X."""
    trees = _read(node)
    made = Made()
    return made.function(_result(made, trees, made.constant(trees.split), made.constant(trees.weights)))


def tree_ensemble_regressor(node: ir.Node) -> ir.Function:
    """The composition for TreeEnsembleRegressor: X is of 32 or 64 bits, and what comes out of 32."""
    trees = _read(node)
    made = Made()
    split, weights = (made("CastLike", made.constant(table), made.x) for table in (trees.split, trees.weights))
    return made.function(made("Cast", _result(made, trees, split, weights), to=ir.DataType.FLOAT))


FUNCTIONS = {
    "ai.onnx.ml::TreeEnsemble": tree_ensemble,
    "ai.onnx.ml::TreeEnsembleRegressor": tree_ensemble_regressor,
}
"""By operator, the function for a node."""


def _read(node: ir.Node) -> Trees:
    """The trees.

    Raises:
        BadSource: they are none.
        Unsupported: they ask, or end in, what is not converted.
    """
    trees = read(node)
    targets = trees.weights.shape[1]
    check_questions(node, trees)
    if trees.aggregate not in AGGREGATES or (trees.aggregate in ("MIN", "MAX") and targets > 1):
        raise Unsupported(f"{trees.aggregate} of {targets} targets is not converted.", node=describe(node))
    if trees.transform not in TRANSFORMS:
        raise Unsupported(f"Trees that end in {trees.transform} are not converted.", node=describe(node))
    if trees.transform != "NONE" and (node.op_type == "TreeEnsemble" or targets == 1):
        raise Unsupported(f"Trees that end in {trees.transform}, {DIFFERS}, are not converted.", node=describe(node))
    if trees.base.size and targets > 1 and not trees.is_whole:
        raise Unsupported(
            f"Leaves that have no weight for a target, beside base values, {DIFFERS}, are not converted.",
            node=describe(node),
        )
    return trees


def check_questions(node: ir.Node, trees: Trees) -> None:
    """Raises:
    Unsupported: nodes ask what is not converted."""
    if "MEMBER" in trees.modes:
        raise Unsupported("Trees that ask whether a value is in a set are not converted.", node=describe(node))
    if node.inputs[0] is not None and node.inputs[0].dtype not in FLOATS:
        raise Unsupported("Trees that ask whole numbers are not converted.", node=describe(node))
    if not trees.depth or trees.depth > MOST_LEVELS:
        raise Unsupported(f"Trees of {trees.depth} levels are not converted.", node=describe(node))


def _result(made: Made, trees: Trees, split: ir.Value, weights: ir.Value) -> ir.Value:
    """What the operator gives, [batch, targets]."""
    leaves = made("Gather", weights, leaves_of(made, trees, split), axis=0)
    found = made(AGGREGATES[trees.aggregate], leaves, made.constant(np.array([1])), keepdims=0)
    if trees.base.size:
        found = made("Add", found, made("CastLike", made.constant(trees.base), found))
    return made(TRANSFORMS[trees.transform], found, **({"axis": 1} if trees.transform == "SOFTMAX" else {}))


def leaves_of(made: Made, trees: Trees, split: ir.Value) -> ir.Value:
    """At which leaf of each tree a sample ends, [batch, trees]."""
    tables = {name: made.constant(getattr(trees, name)) for name in ("feature", "yes", "no")} | {"split": split}
    if trees.missing.any():
        tables["missing"] = made.constant(trees.missing)
    modes = sorted(set(trees.modes.tolist()))
    if len(modes) > 1:
        tables |= {mode: made.constant(trees.modes == mode) for mode in modes}
    place = made.constant(trees.roots)
    for level in range(trees.depth or 0):
        at = {name: made("Gather", table, place, axis=0) for name, table in tables.items()}
        value = made("GatherElements" if level else "Gather", made.x, at["feature"], axis=1)
        place = made("Where", _goes_yes(made, value, at, modes), at["yes"], at["no"])
    return place


def _goes_yes(made: Made, value: ir.Value, at: Mapping[str, ir.Value], modes: Sequence[str]) -> ir.Value:
    """Which values go the way of yes."""
    ways = []
    for mode in modes:
        way = made(COMPARISONS.get(mode, "Equal"), value, at["split"])
        way = made("Not", way) if mode == "NEQ" else way
        ways.append(made("And", way, at[mode]) if mode in at else way)
    if "missing" in at:
        ways.append(made("And", made("IsNaN", value), at["missing"]))
    found, *others = ways
    for way in others:
        found = made("Or", found, way)
    return found
