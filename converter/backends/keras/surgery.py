"""A converted model is cut where its modules end: layers by the names of torch, features as models that share weights.

Only Keras is needed: what is here works on a loaded `.keras` file, on every backend, nested or flat.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from typing import Any

import keras

SEPARATOR = "-"
"""Between the parts of a module path. Keras's torch backend registers variables under their layers' names, and torch
forbids dots there; attributes of a module never hold a hyphen, so that `layer1-0-conv1` says `layer1.0.conv1` and
nothing else."""

MOST_SUGGESTED = 5


def find(model: keras.Model, name: str) -> Any:
    """The layer, nested model or operation that is called `layer1.0.conv1` in torch, at any depth.

    A module that has become a single layer is found by its own path and by those of the modules around it.

    Args:
        name: the path of a module, or the name that Keras has for it (`layer1-0-conv1`).
    Raises:
        ValueError: there is none; the message has those with names like it.
    """
    wanted = _in_keras(name)
    everything = list(_operations(model))
    found = [operation for operation in everything if operation.name == wanted]
    if not found:
        found = [operation for operation in everything if operation.name.startswith(wanted + SEPARATOR)]
    if not found or (len(set(map(id, found))) > 1 and found[0].name != wanted):
        names = [operation.name for operation in everything]
        raise ValueError(f"{model.name!r} has no layer {name!r}.{_suggestion(wanted, names)}")
    # An output that is called after the layer that gives it, in a nested model, is an Identity of the same name.
    return next((one for one in found if not isinstance(one, keras.layers.Identity)), found[0])


def features(model: keras.Model, names: str | Sequence[str]) -> keras.Model:
    """A model from the same inputs to what these layers give, on the way to the outputs. Weights are shared.

    `keras.Model(model.inputs, model.get_layer(name).output)` does this for flat models only: the output of a layer in
    a nested model belongs to that model's own inputs.

    Args:
        names: as for `find`. Of a module that torch calls several times the last call counts, as for a hook that keeps
            what it has seen last: without weights it is as many layers (`relu`, `relu_1`, …), and each of them can be
            had by the name that Keras has for it.
    Returns:
        A model that gives a tensor for one name, and a list in their order for several. Axes are Keras's.
    Raises:
        ValueError: a layer does not exist.
    """
    wanted = [_last_call(model, name) for name in ([names] if isinstance(names, str) else names)]
    if not wanted:
        raise ValueError("No layers are named.")
    found: dict[int, Any] = {}
    _run(model, model.inputs, {id(operation) for operation in wanted}, found)
    outputs = [found[id(operation)] for operation in wanted]
    return keras.Model(model.inputs, outputs[0] if len(outputs) == 1 else outputs, name=f"{model.name}_features")


def _run(model: Any, inputs: Any, wanted: set[int], found: dict[int, Any]) -> Any:
    """Call every operation of the model again, inside of nested models as far as something is wanted there."""

    def in_place_of(operation: Any) -> Any:
        opened = isinstance(operation, keras.Model) and any(id(inner) in wanted for inner in _operations(operation))

        def call(*args: Any, **kwargs: Any) -> Any:
            result = _run(operation, args[0], wanted, found) if opened else operation(*args, **kwargs)
            if id(operation) in wanted:
                found[id(operation)] = result
            return result

        return call

    return model._run_through_graph(inputs, operation_fn=in_place_of)


def _last_call(model: keras.Model, name: str) -> Any:
    first = find(model, name)
    if SEPARATOR in name or getattr(first, "weights", None):
        return first
    named = {operation.name: operation for operation in _operations(model) if type(operation) is type(first)}
    later = takewhile(lambda call: call in named, (f"{first.name}_{number}" for number in count(1)))
    return named[[first.name, *later][-1]]


def _operations(model: Any) -> Iterator[Any]:
    """What the model consists of, level by level from the outside."""
    pending = [model]
    while pending:
        level = pending.pop(0)
        yield from level.operations
        pending.extend(operation for operation in level.operations if isinstance(operation, keras.Model))


def _in_keras(name: str) -> str:
    return name.replace(".", SEPARATOR)


def _suggestion(wanted: str, names: Sequence[str]) -> str:
    """Layers below that path, or such as are spelled alike."""
    below = [name for name in names if name.startswith(wanted + SEPARATOR)]
    near = below or difflib.get_close_matches(wanted, names, n=MOST_SUGGESTED, cutoff=0.6)
    shown = ", ".join(dict.fromkeys(near[:MOST_SUGGESTED]))
    return f" There are: {shown}." if shown else ""
