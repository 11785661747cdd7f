"""From ONNX tensors to Keras variables, and the map of their names.

A variable is created with the numbers of its weight as its initial value: nothing is initialised at random first, and
nothing is written twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import onnx_ir as ir

from converter.backends.keras.build.mapped import let_go
from converter.backends.keras.build.names import LayerNames
from converter.sources.source import DrawnNoise
from passes.graph.view_steps import WeightView, apply_view
from passes.graph.weight_takes import Take, taken, takes
from passes.graph.weight_views import Look, look_at, recorded_sources, recorded_view, seen_tensor


class ConstantInput:
    """A constant of the graph, not yet read: shape and dtype are known, the numbers are made by `numpy()`.

    `origin` is the weight of the source and the view of it, or "derived"; None where it is no weight. `take`, where
    the constant is a part of a parameter, says which one of the `whole`.
    """

    def __init__(
        self, value: ir.Value, tensor: ir.TensorProtocol | None = None, origin: tuple[str, WeightView] | None = None
    ) -> None:
        tensor = value.const_value if tensor is None else tensor
        if tensor is None:
            raise ValueError(f"Only constants are weights. Received: {value.name!r}")
        self.value = value
        self.tensor = tensor
        self.shape: tuple[int, ...] = tuple(tensor.shape.numpy())
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.dtype = str(tensor.dtype.numpy())
        self.sources = recorded_sources(value)
        self.origin = recorded_view(value) if origin is None else origin
        self.take: Take | None = None
        if self.origin is not None and takes(self.origin[1]):
            if isinstance(tensor, Look) and self.origin[1] == tensor.view:
                self.take = taken(tensor.simplest, tuple(tensor.base.shape.numpy()))
            self.origin = (self.origin[0], "derived")

    @property
    def whole(self) -> ConstantInput:
        """The parameter that it is taken from."""
        if self.take is None or not isinstance(self.tensor, Look):
            return self
        return ConstantInput(self.value, look_at(self.tensor.base, self.take.before), (self.name, self.take.before))

    @property
    def identity(self) -> tuple[int, WeightView]:
        """The same for the same look at the same numbers."""
        return id(seen_tensor(self.tensor)), self.tensor.simplest if isinstance(self.tensor, Look) else ()

    @property
    def name(self) -> str:
        """The weight's name in the source."""
        return self.origin[0] if self.origin else str(self.value.name)

    @property
    def is_float(self) -> bool:
        """Whether it could be trained: integers and booleans cannot."""
        return "float" in self.dtype

    @property
    def is_of_source(self) -> bool:
        """Whether the source has it, or what it was computed from: no number that an exporter filled in."""
        known = _current.get().trainable
        return bool(self.sources) if known is None else any(name in known for name in self.sources)

    def numpy(self) -> np.ndarray:
        return self.tensor.numpy()


Change = Sequence[int] | WeightView | Callable[[np.ndarray], np.ndarray]
WeightValue = ConstantInput | tuple[ConstantInput, Change] | np.ndarray | None


@dataclass
class Variables:
    """What one conversion has made so far: layers by what they are, and where each weight of the source went.

    `level` is the nested model that is being built. A layer is shared within one level only: Keras would load a layer
    that two nested models share as two. `trainable` says what the source says of its parameters and buffers; `mixed`
    are weights that are trained because their layer is, though the source does not train them. `sources` are the names
    of all weights of the source that a variable holds, or was computed from. `custom` are the layers that plain Keras
    has not, and the nodes that they are for, with their modules. `noise` is the source's.
    """

    layers: dict[Any, keras.layers.Layer] = field(default_factory=dict)
    origins: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: LayerNames = field(default_factory=LayerNames)
    level: str = ""
    trainable: dict[str, bool] | None = None
    mixed: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    custom: list[tuple[keras.layers.Layer, str | None, str | None]] = field(default_factory=list)
    noise: Mapping[str, DrawnNoise] = field(default_factory=dict)


_current: ContextVar[Variables] = ContextVar("variables")


@contextmanager
def collecting(variables: Variables) -> Any:
    """Make `variables` the collection that `with_weights` adds to."""
    token = _current.set(variables)
    try:
        yield variables
    finally:
        _current.reset(token)


def unique_name(name: str) -> str:
    """A name that no other layer of this conversion has."""
    return _current.get().names.unique(name)


def with_weights(
    layer: keras.layers.Layer,
    x: Any,
    *,
    is_weight: bool = True,
    call: Mapping[str, Any] | None = None,
    owners: Mapping[str, keras.layers.Layer] | None = None,
    **sources: WeightValue,
) -> Any:
    """Build the layer on x with these numbers and call it.

    Args:
        is_weight: whether the layer is one that has such weights, or holds a constant for want of a better one: where
            the source does not say what it trains, constants are not trained.
        call: what else the layer is called with.
        owners: the layers inside of it that make variables, by what stands before their names in `sources`.
        layer: a new layer. Where the same layer with the same weights exists already, that one is called: a module
            that the source calls twice is one layer here.
        sources: for each variable of the layer a weight; or (weight, permutation); or (weight, steps), the steps of a
            view as weight_views.py has them; or (weight, function of the array); or an array that is no weight of the
            source.

    Raises:
        ValueError: the layer makes no variable of a name given here, or makes it otherwise than by `add_weight`.
    """
    variables, arguments = _current.get(), call or {}
    given = {name: source for name, source in sources.items() if source is not None}
    key = (variables.level, _identity(layer, given))
    if key in variables.layers:
        return variables.layers[key](x, **arguments)
    _set_trainable(layer, given, variables, is_weight=is_weight)
    makers = owners or {"": layer}
    placed: dict[int, str] = {}
    for prefix, owner in makers.items():
        owner.add_weight = _placing(owner, prefix, given, placed)
    try:
        y = layer(x, **arguments)
    finally:
        for owner in makers.values():
            del owner.add_weight
    if set(placed.values()) != given.keys():
        missing = ", ".join(sorted(given.keys() - set(placed.values())))
        raise ValueError(f"The layer {layer.name!r} ({type(layer).__name__}) made no variable of: {missing}.")
    variables.layers[key] = layer
    for variable in layer.variables:
        _record(variables, variable, given.get(placed.get(id(variable), "")))
    return y


def _placing(
    owner: keras.layers.Layer, prefix: str, given: Mapping[str, WeightValue], placed: dict[int, str]
) -> Callable[..., Any]:
    """The owner's `add_weight`, with the numbers that are given for the name; what it makes is noted in `placed`."""
    create = owner.add_weight

    def add_weight(*args: Any, **kwargs: Any) -> Any:
        name = prefix + kwargs.get("name", "")
        source = given.get(name)
        if source is not None:
            kwargs["initializer"] = _initializer(owner, name, source)
        with _short_names():
            variable = create(*args, **kwargs)
        if source is not None:
            placed[id(variable)] = name
            _let_go(source)
        return variable

    return add_weight


def _let_go(source: WeightValue) -> None:
    """Its variable has the numbers: what was read of it need not stay in memory."""
    weight = _weight(source)
    tensor = None if weight is None else seen_tensor(weight.tensor)
    if isinstance(tensor, ir.Tensor) and isinstance(tensor.raw, np.ndarray):
        let_go(tensor.raw)


def _set_trainable(
    layer: keras.layers.Layer, given: Mapping[str, WeightValue], variables: Variables, *, is_weight: bool
) -> None:
    """Freeze a layer in which the source trains nothing: of a saved model Keras knows that of layers, not of variables.

    Running statistics are none of it: Keras never trains them.
    """
    asked = {name: source for name, source in given.items() if name not in ("moving_mean", "moving_variance")}
    trained = {name: _is_trained(_weight(source), variables.trainable, is_weight) for name, source in asked.items()}
    if trained and not any(trained.values()):
        layer.trainable = False
        return
    for name in trained:
        weight = _weight(asked[name])
        if not trained[name] and weight is not None:
            variables.mixed.append(weight.name)


def _is_trained(weight: ConstantInput | None, trainable: dict[str, bool] | None, is_weight: bool) -> bool:
    if weight is None:
        return False
    if trainable is None:
        return is_weight and bool(weight.sources)
    return any(trainable.get(name, False) for name in weight.sources)


def _short_names() -> AbstractContextManager[Any]:
    """TensorFlow builds a kernel for each name of a variable, a millisecond or two; Keras has the path anyway."""
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    import tensorflow as tf  # noqa: TID251 (for how it is made here, not for what is in the model)

    scope: AbstractContextManager[Any] = tf.name_scope("")
    return scope


def _initializer(layer: keras.layers.Layer, name: str, source: Any) -> Callable[..., np.ndarray]:
    def initial(shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        array = _array(source)
        if tuple(array.shape) != tuple(shape):
            raise ValueError(
                f"The variable {name!r} of layer {layer.name!r} has shape {tuple(shape)}. Received: {array.shape}"
            )
        return array

    return initial


def _array(source: Any) -> np.ndarray:
    if isinstance(source, np.ndarray):
        return source
    if isinstance(source, ConstantInput):
        return source.numpy()
    weight, change = source
    array: np.ndarray = change(weight.numpy()) if callable(change) else apply_view(weight.numpy(), _steps(change))
    return array


def _steps(change: Sequence[Any]) -> WeightView:
    """The steps of a view; a bare permutation is one step."""
    return (("transpose", tuple(change)),) if isinstance(change[0], int) else tuple(change)


def _weight(source: Any) -> ConstantInput | None:
    if isinstance(source, ConstantInput):
        return source
    return source[0] if isinstance(source, tuple) else None


def _identity(layer: keras.layers.Layer, given: dict[str, Any]) -> Any:
    """Class, configuration and weights: two calls with the same identity are calls of one layer."""
    weights = tuple((name, _seen(source)) for name, source in sorted(given.items()) if _weight(source) is not None)
    if len(weights) != len(given) or not weights:
        return layer.name
    config = {name: value for name, value in layer.get_config().items() if name != "name"}
    return type(layer), json.dumps(config, sort_keys=True, default=str), weights


def _seen(source: Any) -> Any:
    """What a variable holds: a view of a tensor, and what the layer makes of it."""
    weight = _weight(source)
    assert weight is not None
    return weight.identity, () if weight is source or callable(source[1]) else tuple(_steps(source[1]))


def _why_nameless(weight: ConstantInput | None) -> str | None:
    """Why a variable is no tensor of the source's; None where it is one."""
    if weight is None:
        return "the source has no such weight"
    if not weight.is_float:
        return "whole numbers, which an Embedding holds as floats"
    return "a constant that the source writes as a number" if weight.origin is None else None


def _record(variables: Variables, variable: Any, source: Any) -> None:
    weight = _weight(source)
    variables.sources.update(() if weight is None else weight.sources)
    reason = _why_nameless(weight)
    if weight is None or weight.origin is None or reason is not None:
        variables.origins[variable.path] = {"source": None, "view": "derived", "reason": reason}
        return
    view: Any = weight.origin[1]
    if isinstance(source, tuple):
        view = "derived" if callable(source[1]) or view == "derived" else (*view, *_steps(source[1]))
    variables.origins[variable.path] = {"source": weight.origin[0], "view": view}
    if view == "derived":
        variables.origins[variable.path]["computed_from"] = list(weight.sources)
    else:
        variables.origins[variable.path]["shape"] = [int(size) for size in seen_tensor(weight.tensor).shape.numpy()]
