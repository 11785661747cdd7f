"""What there is to be matched: the layers of the converted source, what they were given and made, and their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonpath
from typing import Any

import keras
import numpy as np

from converter.weights.port.calls import Array, Run, feed, first_array, intercepting, linear, own_variables
from passes.graph.view_steps import WeightView


@dataclass(frozen=True)
class SourceTensor:
    """Numbers of the source as its conversion holds them.

    Attributes:
        source: the name of the tensor; of what it was computed from where `view` is None.
        view: the steps from the source's own tensor to `array`.
    """

    source: str | None
    view: WeightView | None
    array: Array


@dataclass(frozen=True)
class SourceLayer:
    """One call of a layer of the converted source.

    Attributes:
        number: in the order of calls.
        given, made: its first input, and its output without the activation that is written into it.
        tensors: by the name that Keras has for the variable.
        before: layers and operations without variables between the layer called before and this.
    """

    layer: Any
    number: int
    given: Array
    made: Array
    tensors: Mapping[str, SourceTensor]
    before: Sequence[Any] = ()

    @property
    def path(self) -> str:
        """The module that its tensors are of."""
        names = [tensor.source for tensor in self.tensors.values() if tensor.source]
        shared = commonpath([name.replace(".", "/") for name in names]).replace("/", ".") if names else ""
        return shared.rpartition(".")[0] or shared if shared in names else shared

    @property
    def is_table(self) -> bool:
        """Whether what it holds is looked up, as a parameter without a layer of its own is."""
        return isinstance(self.layer, keras.layers.Embedding)

    @property
    def is_parameter(self) -> bool:
        """Whether it is a parameter without a layer of its own."""
        return self.is_table and self.layer.input_dim == 1


@dataclass
class _Observer:
    origins: Mapping[str, Mapping[str, Any]]
    found: list[SourceLayer] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)

    def __call__(self, layer: Any, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before, given = tuple(self.before), first_array((args, kwargs))
        y = run(*args, **kwargs)
        if given is not None:
            with linear(layer):
                made = first_array(run(*args, **kwargs))
            tensors = {name: self._tensor(variable) for name, variable in own_variables(layer).items()}
            assert made is not None
            self.found.append(SourceLayer(layer, len(self.found), given, made, tensors, before))
        self.before.clear()
        return y

    def _tensor(self, variable: Any) -> SourceTensor:
        origin = self.origins.get(variable.path, {"source": None, "view": "derived"})
        view = None if origin["view"] == "derived" else tuple((kind, tuple(n)) for kind, n in origin["view"])
        return SourceTensor(origin["source"], view, np.asarray(keras.ops.convert_to_numpy(variable)))


def source_layers(model: Any, origins: Mapping[str, Mapping[str, Any]], inputs: Sequence[Array]) -> list[SourceLayer]:
    """Run the converted source once, and note its layers.

    Args:
        origins: of `Emission`: the tensor of the source that each variable holds.
        inputs: axes as the model has them.
    """
    observer = _Observer(origins)
    with intercepting(observer, observer.before.append):
        feed(model, inputs)
    return observer.found
