"""Names of layers: the module path of the source, in characters that Keras and its files allow."""

from __future__ import annotations

import re

import onnx_ir as ir

from converter.backends.keras.surgery import SEPARATOR
from passes.errors import MODULE_KEY
from passes.graph.weight_views import recorded_view


def safe_name(name: str) -> str:
    """Map any name to [A-Za-z0-9_.-]: a slash would be a folder in the saved file."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-") or "unnamed"


def spelled(path: str) -> str:
    """The path of a module as the name of its layer or nested model: hyphens for dots."""
    return safe_name(path).replace(".", SEPARATOR)


class LayerNames:
    """Gives every layer a name of its own, the same ones in every run."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        self._kept: dict[ir.Value, str] = {}

    def unique(self, path: str, owner: ir.Value | None = None) -> str:
        """The path with hyphens for dots, and `_1`, `_2`, … behind it where the name is taken.

        A name that is kept for the owner is not taken for it.
        """
        name = spelled(path)
        return name if owner is not None and self._kept.get(owner) == name else self.reserve(name)

    def keep(self, value: ir.Value) -> None:
        """Reserve the name of an input or output of the graph, dots and all."""
        self._kept[value] = self.reserve(safe_name(str(value.name)))

    def kept(self, value: ir.Value) -> str | None:
        return self._kept.get(value)

    def reserve(self, name: str) -> str:
        """As `unique`, for a name that keeps its dots. Case does not distinguish names on some file systems."""
        while True:
            count = self._taken.get(name.lower(), 0)
            self._taken[name.lower()] = count + 1
            if not count:
                return name
            name = f"{name}_{count}"


def layer_name(node: ir.Node) -> str:
    """`layer1.0.conv1` for the convolution of that module; `layer1.0.add` for an addition written in its forward."""
    owner = _owner_of_weights(node) if node.op_type in LAYERS else None
    if owner is not None:
        return owner
    module = module_path(node)
    operation = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.op_type).lower()
    if not module:
        return operation
    return module if _is_leaf_of_its_kind(node, module) else f"{module}.{operation}"


LAYERS = {
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "Dense",
    "EinsumDense",
    "Embedding",
    "GRU",
    "Gather",
    "GroupNormalization",
    "InstanceNormalization",
    "LSTM",
    "LayerNormalization",
    "PRelu",
    "RNN",
    "RMSNormalization",
    "ReversibleEmbedding",
}
"""Operators whose weights become the variables of one layer."""


def _owner_of_weights(node: ir.Node) -> str | None:
    """The module that the weight belongs to: `fc.weight` to `fc`, `attn.in_proj_weight` to the part `attn.in_proj`."""
    for value in node.inputs:
        source = recorded_view(value) if value is not None and value.const_value is not None else None
        if source and "." in source[0]:
            module, _, weight = source[0].rpartition(".")
            part = re.sub(r"_?(weight|bias|kernel|table)(_[ih]h_l\d+(_reverse)?)?$", "", weight)
            return f"{module}.{part}" if part and weight != part else module
    return None


def module_path(node: ir.Node) -> str:
    return node.metadata_props.get(MODULE_KEY, "")


ACTIVATIONS = {
    "Relu",
    "Sigmoid",
    "Tanh",
    "Gelu",
    "HardSwish",
    "HardSigmoid",
    "Silu",
    "LeakyRelu",
    "Elu",
    "Softmax",
    "Clip",
    "Softplus",
    "Mish",
    "Selu",
    "MaxPool",
    "AveragePool",
    "ReduceMean",
    "Resize",
    "Dropout",
}


def _is_leaf_of_its_kind(node: ir.Node, module: str) -> bool:
    """Is the node what its module is about (an activation, a pool), so that it takes the module's own name?"""
    kind = node.metadata_props.get("keraport.class", "")
    known = kind.startswith("torch.nn.modules.") or kind.endswith((".StochasticDepth", ".DropPath"))
    return node.op_type in ACTIVATIONS and known
