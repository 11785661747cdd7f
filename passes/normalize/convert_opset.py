"""Bring every node to the one opset that the rest of keraport speaks, or say which cannot be brought there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import onnx
import onnx_ir as ir

from passes.errors import BadSource, Unsupported, describe, operator
from passes.graph.builder import FreshNames
from passes.graph.unsupported import FOREIGN, REFUSED
from passes.lower.private_operators import DOMAINS
from passes.normalize.opset_adapters import DOWNGRADES, UPGRADES
from passes.opset import IR_VERSION, OPSET

OLDEST = 9
NEWEST = 28
"""The newest opset whose changes were read. A newer onnx is no reason to guess what its operators mean."""


class ConvertOpset(ir.passes.InPlacePass):
    """Rewrite every node of the standard domain to opset 23.

    Given    Clip<min=0, max=6>(x)      opset 9
    Result   Clip(x, 0, 6)              opset 23

    Weights are not touched, so models of any size can be converted. Nodes that come from a function with an opset of
    its own say so in `node.version`.

    Raises:
        Unsupported: an opset outside of 9 to 28, operators that are unknown or of a foreign domain (all of them are
            listed), or one that means something at its opset that 23 cannot say.
        BadSource: no opset is declared.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        imports = model.opset_imports
        modified = "ai.onnx" in imports
        if modified:
            imports.setdefault("", imports["ai.onnx"])
            del imports["ai.onnx"]
        version = imports.get("")
        nodes = [node for graph in model.graphs() for node in graph]
        for node in nodes:
            if node.domain == "ai.onnx":
                node.domain, modified = "", True
        if version is None:
            if any(node.domain == "" for node in nodes):
                raise BadSource("The model does not say which opset its operators are of.")
            version = OPSET
        _refuse_unknown(nodes, version)
        names: FreshNames | None = None
        for node in nodes:
            found, node.version = node.version or version, None
            if node.domain != "" or found == OPSET:
                continue
            _check_range(found)
            names = names or FreshNames(model)
            _settle(node, found, names)
            modified = True
        _check_range(version)
        modified = modified or imports.get("") != OPSET
        imports[""] = OPSET
        modified = modified or model.ir_version != IR_VERSION
        model.ir_version = IR_VERSION
        return ir.passes.PassResult(model, modified)


def _check_range(version: int) -> None:
    if not OLDEST <= version <= NEWEST:
        raise Unsupported(
            f"Opset {version} is not converted: supported are {OLDEST} to {NEWEST}.",
            hint="export the model again with an opset between the two",
        )


def _refuse_unknown(nodes: Iterable[ir.Node], version: int) -> None:
    """All operators that nobody knows in one message: fixing a model one error at a time is no fun."""
    found: dict[str, str] = {}
    others: dict[str, str] = {}
    never = {name for group in REFUSED for name in group.operators}
    for node in nodes:
        if (
            node.domain in DOMAINS
            or operator(node) in FOREIGN
            or (node.domain == "" and _versions(node.op_type, node.version or version))
        ):
            if node.domain == "" and node.op_type in never:
                others.setdefault(operator(node), describe(node))
            continue
        found.setdefault(operator(node), describe(node))
    if found:
        also = f" Not supported either: {', '.join(sorted(others))}." if others else ""
        raise Unsupported(
            f"{len(found)} operator{'s are' if len(found) > 1 else ' is'} unknown: {', '.join(sorted(found))}.{also}",
            node="; ".join([*found.values(), *others.values()]),
            hint="export the model with standard operators only",
        )


def _settle(node: ir.Node, version: int, names: FreshNames) -> None:
    if version > OPSET:
        for reached in reversed(_versions(node.op_type, version)):
            if reached <= OPSET:
                return
            if (node.op_type, reached) not in DOWNGRADES:
                raise Unsupported(
                    f"{node.op_type} of opset {reached} has no equal at opset {OPSET}.", node=describe(node)
                )
            if (rewrite := DOWNGRADES[node.op_type, reached]) is not None:
                rewrite(node, names)
        return
    current = _in_force(node.op_type, version)
    while following := [v for v in _versions(node.op_type, OPSET) if v > current]:
        current = following[0]
        before = node.op_type
        if (rewrite := UPGRADES.get((before, current))) is not None:
            rewrite(node, names)
        if node.domain != "":
            return


def _in_force(op_type: str, version: int) -> int:
    """The version whose meaning a node has. Upsample and Scatter were withdrawn, and yet files go on using them."""
    *older, newest = _versions(op_type, version)
    return older[-1] if older and onnx.defs.get_schema(op_type, newest).deprecated else newest


@cache
def _versions(op_type: str, version: int) -> tuple[int, ...]:
    """The versions of an operator up to an opset, oldest first; nothing where it is unknown there."""
    return tuple(found for found in _all_versions().get(op_type, ()) if found <= version)


@cache
def _all_versions() -> dict[str, list[int]]:
    versions: dict[str, list[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, []).append(schema.since_version)
    return {op_type: sorted(found) for op_type, found in versions.items()}
