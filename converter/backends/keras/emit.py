"""Walk the graph, module by module, and build the Keras model."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import onnx_ir as ir

from converter.backends.keras import ops  # noqa: F401 - fills the registry
from converter.backends.keras.build.custom_layers import custom_layer, is_custom
from converter.backends.keras.build.dtypes import check_integers, input_dtype
from converter.backends.keras.build.live_constants import live_constant, live_numbers
from converter.backends.keras.build.names import layer_name, module_path, safe_name
from converter.backends.keras.build.noise import noise_tensors
from converter.backends.keras.build.outputs import name_outputs
from converter.backends.keras.build.registry import OPERATORS, attributes_of
from converter.backends.keras.build.weights import ConstantInput, Variables, collecting
from converter.backends.keras.emitted import Emission
from converter.backends.keras.nesting.calls import fixed_sizes
from converter.backends.keras.nesting.groups import Again, Group
from converter.backends.keras.nesting.levels import (
    Level,
    as_list,
    one_or_all,
)
from converter.backends.keras.nesting.structure import group_by_module, one_group
from converter.sources.source import DrawnNoise
from passes.errors import ConversionError, Unsupported, describe, first_line, operator
from passes.graph.unsupported import refusal

REFUSING = frozenset({"keras", "tensorflow", "jax", "jaxlib", "torch"})
"""Packages whose errors say that an operation cannot be done."""


def unsupported(graph: ir.Graph) -> list[Unsupported]:
    """Every node that has no function, or does not fit the function's signature: all of them at once."""
    problems: list[Unsupported] = []
    for node in graph:
        entry = OPERATORS.get(operator(node))
        if entry is None:
            problems.append(refusal(node))
        else:
            problem = entry.problem(node)
            problems.extend([problem] if problem else [])
        for attribute in node.attributes.values():
            if isinstance(attribute.value, ir.Graph):
                problems += unsupported(attribute.value)
    return problems


def emit(
    model: ir.Model,
    *,
    structure: str = "modules",
    name: str = "model",
    outputs: str = "list",
    nameless: Collection[str] = (),
    trainable: dict[str, bool] | None = None,
    noise: Mapping[str, DrawnNoise] | None = None,
) -> Emission:
    """Build a Keras model from a graph that has been through the passes.

    Args:
        structure: "modules" nests a model for each module of the source; "flat" puts all layers into one.
        name: the name of the Keras model.
        outputs: "list", or "dict" for a model that returns a dictionary.
        nameless: outputs that are called after their layers; the others keep their names.
        trainable: `Source.trainable`; without it weights are trained where an operator has weights.
        noise: `Source.noise`.

    Raises:
        Unsupported: naming the node, where an operator function refuses what it is asked.
    """
    graph = model.graph
    if not graph.inputs:
        raise Unsupported("The model has no inputs, and a Keras model needs one.")
    group = group_by_module(graph) if structure == "modules" else one_group(graph)
    variables = Variables(trainable=trainable, noise=noise or {})
    for value in (*group.inputs, *(value for value in group.outputs if value.name not in nameless)):
        variables.names.keep(value)
    with collecting(variables):
        top = _emit_level(group, safe_name(name), variables, as_dict=outputs == "dict")
    input_names = [top.tensors[value].name for value in group.inputs if value.name not in variables.noise]
    output_names = [top.tensors[value]._keras_history.operation.name for value in group.outputs]
    return Emission(
        top.model,
        variables.origins,
        top,
        input_names,
        output_names,
        mixed=variables.mixed,
        sources=variables.sources,
        custom_layers=[custom_layer(layer, node, module) for layer, node, module in variables.custom],
        noise=[
            top.tensors[value]._keras_history.operation.name for value in group.inputs if value.name in variables.noise
        ],
    )


def _emit_level(
    group: Group,
    name: str,
    variables: Variables,
    around: Mapping[ir.Value, Any] = MappingProxyType({}),
    *,
    as_dict: bool = False,
) -> Level:
    """`around` are the tensors of the level above, which this one is called with."""
    tensors: dict[ir.Value, keras.KerasTensor] = {}
    noise = [value for value in group.inputs if group.is_top and value.name in variables.noise]
    taken = [value for value in group.inputs if value not in noise]
    for value in taken:
        names = variables.names
        kept = names.kept(value) if group.is_top else None
        input_name = kept or names.unique(f"{name}.input")
        tensors[value] = _input(value, input_name, around.get(value))
    tensors |= noise_tensors(noise, variables, tensors)
    nodes: list[tuple[ir.Node, str]] = []
    children: list[Level] = []
    first_calls: dict[int, Level] = {}
    known = set(map(id, tensors.values()))
    for item in group.items:
        variables.level = name
        if isinstance(item, Group | Again):
            if isinstance(item, Group):
                child_name = variables.names.unique(item.path, item.outputs[0] if len(item.outputs) == 1 else None)
                child = first_calls[id(item)] = _emit_level(item, child_name, variables, around=tensors)
            else:
                child = first_calls[id(item.first)].again(item)
            outputs = as_list(child.model(one_or_all([tensors[value] for value in item.inputs])))
            tensors.update(zip(item.outputs, outputs, strict=True))
            known.update(map(id, outputs))
            children.append(child)
        else:
            nodes.append((item, _emit_node(item, tensors, known, variables, tensors[group.inputs[0]])))
    if group.is_top:
        variables.level = name
        _emit_constants(group, tensors, known, variables)
        tensors.update(name_outputs(group.outputs, tensors, variables.names))
    inputs, outputs = ([tensors[value] for value in values] for values in (taken, group.outputs))
    results = {y._keras_history.operation.name: y for y in outputs} if as_dict else one_or_all(outputs)
    model = keras.Model(one_or_all(inputs), results, name=name)
    return Level(model, tensors, group.inputs, nodes, children)


def _input(value: ir.Value, name: str, given: keras.KerasTensor | None) -> keras.KerasTensor:
    """An input of the graph's sizes; open where those of the tensor given are, for Keras may know less of them."""
    sizes = fixed_sizes(value)
    if given is not None:
        sizes = tuple(None if known is None else size for size, known in zip(sizes, given.shape, strict=True))
    return keras.Input(batch_shape=sizes, dtype=input_dtype(value), name=name)


def _emit_constants(group: Group, tensors: dict[ir.Value, Any], known: set[int], variables: Variables) -> None:
    """Outputs of the graph that nothing computes become tensors too."""
    for value in group.outputs:
        if value not in tensors:
            name = variables.names.unique(str(value.name), value)
            tensors[value] = live_constant(ConstantInput(value), tensors[group.inputs[0]], name=name)
            _name_operations([tensors[value]], known, name)


def _emit_node(node: ir.Node, tensors: dict[ir.Value, Any], known: set[int], variables: Variables, live: Any) -> str:
    entry = OPERATORS[operator(node)]
    arguments = [None if v is None else tensors[v] if v in tensors else ConstantInput(v) for v in node.inputs]
    name = variables.names.unique(layer_name(node), node.outputs[0])
    if arguments and isinstance(arguments[0], ConstantInput) and (entry.first_is_live or not _has_tensor(arguments)):
        arguments[0] = live_constant(arguments[0], live, name=name)
    attributes = {key: _model_of(held, variables) for key, held in attributes_of(node).items()}
    try:
        results = entry.function(*arguments, **attributes, name=name)
    except ConversionError as error:
        raise type(error)(error.message, node=error.node or describe(node), hint=error.hint) from error
    except (TypeError, ValueError, RuntimeError) as error:  # NotImplementedError is a RuntimeError
        if not _is_refusal(error):
            raise  # a mistake of ours, and told as one
        raise Unsupported(f"Keras refuses it: {first_line(error)}", node=describe(node)) from error
    results = [_as_tensor(result, live) for result in as_list(results)]
    check_integers(node, results)
    module = module_path(node) or None
    variables.custom.extend((made, node.name, module) for made in _name_operations(results, known, name))
    for value, result in zip(node.outputs, results, strict=False):
        tensors[value] = result
        known.add(id(result))
    return name


def _model_of(attribute: Any, variables: Variables) -> Any:
    """An attribute that is a graph is a model, for whose weights and layers the same map of names is kept."""
    if not isinstance(attribute, ir.Graph):
        return attribute
    level, name = variables.level, variables.names.unique("body")
    model = _emit_level(one_group(attribute), name, variables).model
    variables.level = level
    return model


def _has_tensor(arguments: list[Any]) -> bool:
    return any(isinstance(argument, keras.KerasTensor) for argument in arguments)


def _as_tensor(result: Any, live: Any) -> Any:
    """Sizes that are all known are numbers until here."""
    return result if isinstance(result, keras.KerasTensor) else live_numbers(np.asarray(result), live)


def _name_operations(results: list[Any], known: set[int], name: str) -> list[keras.layers.Layer]:
    """Operations of keras.ops that made these tensors get the node's name: Keras counts them per process otherwise.

    Returns the layers among them that are ours.
    """
    pending, made = list(results), []
    while pending:
        tensor = pending.pop()
        if id(tensor) in known:
            continue
        operation = tensor._keras_history.operation
        if operation not in made:
            made.append(operation)
            node = operation._inbound_nodes[tensor._keras_history.node_index]
            pending.extend(node.input_tensors)
    plain = [operation for operation in made if not isinstance(operation, keras.layers.Layer)]
    for count, operation in enumerate(plain, start=len(plain) < len(made)):  # a layer among them has the name itself
        operation.name = name if not count else f"{name}-{count}"
    return [operation for operation in made if is_custom(operation)]


def _is_refusal(error: Exception) -> bool:
    """Whether Keras, or what is behind it, has raised it. Raised anywhere else it is a mistake of ours."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in REFUSING
