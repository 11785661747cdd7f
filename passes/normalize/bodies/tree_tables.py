"""What the attributes of an ensemble of trees say, as tables by place: leaves first, then nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import BadSource, describe

Array = np.ndarray[Any, np.dtype[Any]]

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
"""By the numbers that TreeEnsemble has for them."""


MOST_WEIGHTS = 1 << 27
"""Of leaves for targets."""


@dataclass(frozen=True)
class Trees:
    """An ensemble.

    Attributes:
        weights: of each leaf for each target.
        roots: the first place of each tree.
        feature: the column of X that a place asks.
        split: what it is compared with.
        modes: how.
        yes: the place that follows if so.
        no: and else.
        missing: whether NaN goes the way of yes.
        aggregate: what becomes of the trees' weights.
        transform: what comes after.
        base: what is added for each target, if anything is.
        is_whole: whether each leaf has a weight for each target.
        is_told: which targets each leaf has a weight for.
    """

    weights: Array
    roots: Array
    feature: Array
    split: Array
    modes: Array
    yes: Array
    no: Array
    missing: Array
    aggregate: str
    transform: str
    base: Array
    is_whole: bool
    is_told: Array

    @cached_property
    def depth(self) -> int | None:
        """The levels of the deepest tree; None where one leads back to itself."""
        levels, places = 0, np.unique(self.roots)
        while places.size and places[-1] >= len(self.weights):
            if levels > len(self.split):
                return None
            places, levels = np.unique([self.yes[places], self.no[places]]), levels + 1
        return levels


def read(node: ir.Node) -> Trees:
    """The trees of a TreeEnsemble, a TreeEnsembleRegressor or a TreeEnsembleClassifier.

    Raises:
        BadSource: the attributes do not fit together.
    """
    try:
        trees = _READERS[node.op_type](_Held(node))
    except (IndexError, TypeError, ValueError) as error:
        raise BadSource(f"The attributes of the ensemble do not fit together: {error}", node=describe(node)) from error
    if trees.depth is None:
        raise BadSource("A tree of the ensemble leads back to itself.", node=describe(node))
    return trees


def _ensemble(held: _Held) -> Trees:
    """Leaves are apart from nodes, and have one target each."""
    splits, leaf_weights = held.numbers("nodes_splits"), held.numbers("leaf_weights")
    leaves, nodes = len(leaf_weights), len(splits)
    weights = np.zeros((leaves, held.targets(leaves)), leaf_weights.dtype)
    weights[np.arange(leaves), held.below("leaf_targetids", weights.shape[1])] = leaf_weights

    def children(side: str) -> Array:
        ids, is_leaf = held.numbers(f"nodes_{side}nodeids"), held.numbers(f"nodes_{side}leafs").astype(bool)
        held.check(ids[is_leaf], leaves)
        held.check(ids[~is_leaf], nodes)
        return np.where(is_leaf, ids, ids + leaves)

    return _placed(
        weights,
        roots=held.below("tree_roots", nodes) + leaves,
        feature=held.numbers("nodes_featureids"),
        split=splits,
        modes=np.array(MODES)[held.below("nodes_modes", len(MODES))],
        sides=(children("true"), children("false")),
        missing=held.numbers("nodes_missing_value_tracks_true", [0] * nodes),
        aggregate=held.choice("aggregate_function", 1, AGGREGATES),
        transform=held.choice("post_transform", 0, TRANSFORMS),
    )


def _regressor(held: _Held) -> Trees:
    return _named(held, "target", held.targets)


def _classifier(held: _Held) -> Trees:
    """Classes are targets, as many as there are labels."""
    labels = max(len(held.numbers("classlabels_int64s", [])), len(held.texts_or_none("classlabels_strings")))
    return _named(held, "class", lambda leaves: held.at_most(labels, leaves))


def _named(held: _Held, kind: str, count: Callable[[int], int]) -> Trees:
    """Leaves are among the nodes, which are called by tree and number."""
    names = held.pairs("nodes_treeids", "nodes_nodeids")
    modes = np.array([mode.removeprefix("BRANCH_") for mode in held.texts("nodes_modes")])
    is_leaf = modes == "LEAF"
    inner = np.flatnonzero(~is_leaf)
    place = {names[index]: number for number, index in enumerate([*np.flatnonzero(is_leaf), *inner])}

    def children(side: str) -> Array:
        ids = held.numbers(f"nodes_{side}nodeids")
        return np.array([held.found(place, (names[index][0], int(ids[index]))) for index in inner], np.int64)

    yes, no = children("true"), children("false")
    led_to, roots = {*yes.tolist(), *no.tolist()}, dict[int, int]()
    for name in names:
        if place[name] not in led_to:
            roots.setdefault(name[0], place[name])
    given = held.floats(f"{kind}_weights")
    leaf_count = len(names) - len(inner)
    weights = np.zeros((leaf_count, count(leaf_count)), given.dtype)
    leaves = np.array([held.found(place, name) for name in held.pairs(f"{kind}_treeids", f"{kind}_nodeids")], np.int64)
    held.check(leaves, len(weights))
    targets = held.below(f"{kind}_ids", weights.shape[1])
    np.add.at(weights, (leaves, targets), given)
    is_told = np.zeros(weights.shape, bool)
    is_told[leaves, targets] = True
    base = held.floats("base_values", [])
    return _placed(
        weights,
        roots=np.array(list(roots.values()), np.int64),
        feature=held.numbers("nodes_featureids")[inner],
        split=held.floats("nodes_values")[inner],
        modes=modes[inner],
        sides=(yes, no),
        missing=held.numbers("nodes_missing_value_tracks_true", [0] * len(names))[inner],
        aggregate=held.text("aggregate_function", "SUM"),
        transform=held.text("post_transform", "NONE"),
        base=base if base.any() else base[:0],
        is_whole=len(given) == weights.size,
        is_told=is_told,
    )


def _placed(
    weights: Array,
    *,
    roots: Array,
    feature: Array,
    split: Array,
    modes: Array,
    sides: tuple[Array, Array],
    missing: Array,
    aggregate: str,
    transform: str,
    base: Array | None = None,
    is_whole: bool = False,
    is_told: Array | None = None,
) -> Trees:
    """With leaves in front, which ask the first column something, and send to themselves whatever it is."""
    if any(len(each) != len(split) for each in (feature, modes, *sides, missing)):
        raise ValueError("Nodes have more of one attribute than of another.")
    leaves = np.arange(len(weights))
    yes, no = (np.concatenate([leaves, side]).astype(np.int64) for side in sides)
    return Trees(
        weights,
        roots,
        feature=np.concatenate([np.zeros_like(leaves), feature]),
        split=np.concatenate([np.zeros(len(leaves), split.dtype), split]),
        modes=np.concatenate([np.full(len(leaves), modes[0] if len(modes) else "LEQ"), modes]),
        yes=yes,
        no=no,
        missing=np.concatenate([np.zeros(len(leaves), bool), missing.astype(bool)]),
        aggregate=aggregate,
        transform=transform,
        base=np.zeros(0) if base is None else base,
        is_whole=is_whole,
        is_told=np.ones(weights.shape, bool) if is_told is None else is_told,
    )


_READERS = {
    "TreeEnsemble": _ensemble,
    "TreeEnsembleClassifier": _classifier,
    "TreeEnsembleRegressor": _regressor,
}


class _Held:
    """The attributes of a node, as arrays."""

    def __init__(self, node: ir.Node) -> None:
        self._node = node

    def numbers(self, name: str, default: Sequence[int] | None = None) -> Array:
        attribute = self._attribute(name, default)
        if attribute is None:
            return np.asarray(default, np.int64)
        is_tensor = attribute.type == ir.AttributeType.TENSOR
        return attribute.as_tensor().numpy() if is_tensor else np.asarray(attribute.as_ints(), np.int64)

    def floats(self, name: str, default: Sequence[float] | None = None) -> Array:
        """Of 64 bits where they are in the attribute for these."""
        if f"{name}_as_tensor" in self._node.attributes:
            return self.numbers(f"{name}_as_tensor")
        attribute = self._attribute(name, default)
        return np.asarray(default if attribute is None else attribute.as_floats(), np.float32)

    def texts(self, name: str) -> Sequence[str]:
        attribute = self._attribute(name, None)
        return [] if attribute is None else attribute.as_strings()

    def texts_or_none(self, name: str) -> Sequence[str]:
        return self.texts(name) if name in self._node.attributes else []

    def text(self, name: str, default: str) -> str:
        return self._node.attributes.get_string(name, default) or default

    def number(self, name: str, default: int) -> int:
        return self._node.attributes.get_int(name, default)

    def targets(self, leaves: int) -> int:
        """How many there are, if a table of so many for each leaf can be made."""
        return self.at_most(self.number("n_targets", 1), leaves)

    def at_most(self, count: int, leaves: int) -> int:
        if not 1 <= count <= MOST_WEIGHTS // max(leaves, 1):
            raise BadSource(f"{count} targets of {leaves} leaves are asked for.", node=describe(self._node))
        return count

    def choice(self, name: str, default: int, options: Sequence[str]) -> str:
        number = self.number(name, default)
        self.check(np.array([number]), len(options))
        return options[number]

    def pairs(self, first: str, second: str) -> list[tuple[int, int]]:
        return list(zip(self.numbers(first).tolist(), self.numbers(second).tolist(), strict=True))

    def below(self, name: str, most: int) -> Array:
        """Numbers that count among so many."""
        numbers = self.numbers(name)
        self.check(numbers, most)
        return numbers

    def check(self, numbers: Array, most: int) -> None:
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < most):
            raise self._refers_to_nothing()

    def found(self, place: dict[tuple[int, int], int], name: tuple[int, int]) -> int:
        if name not in place:
            raise self._refers_to_nothing()
        return place[name]

    def _attribute(self, name: str, default: Sequence[float] | None) -> ir.Attr | None:
        attribute = self._node.attributes.get(name)
        if attribute is None and default is None:
            raise BadSource(f"The attribute {name} is missing.", node=describe(self._node))
        return attribute

    def _refers_to_nothing(self) -> BadSource:
        return BadSource("The ensemble refers to what there is not.", node=describe(self._node))
