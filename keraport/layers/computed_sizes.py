"""A reshape and a broadcast to sizes that are arithmetic on the sizes of the inputs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keraport.layers.size_arithmetic import checked, computed, known
from keraport.layers.tensors import as_list


class _Computed(keras.layers.Layer):
    """The first input, brought to `sizes`, in which "size" counts the axes of all inputs.

    Args:
        sizes: a list of sizes, written as size_arithmetic.py says.
    """

    def __init__(self, sizes: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = checked(sizes)

    def _targets(self, inputs: Any) -> tuple[Any, tuple[Any, ...]]:
        tensors = as_list(inputs)
        shapes = [ops.shape(tensor) for tensor in tensors]
        return tensors[0], tuple(computed(size, shapes) for size in self.sizes)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        tensors = as_list(inputs)
        shapes = [tuple(tensor.shape) for tensor in tensors]
        sizes = tuple(known(size, shapes) for size in self.sizes)
        return keras.KerasTensor(sizes, dtype=tensors[0].dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": self.sizes}


@keras.saving.register_keras_serializable(package="keraport")
class ComputedReshape(_Computed):
    """x, or [x, other tensors] → x with these sizes: the same numbers in the same order."""

    def call(self, inputs: Any) -> Any:
        x, sizes = self._targets(inputs)
        return ops.reshape(x, sizes)


@keras.saving.register_keras_serializable(package="keraport")
class ComputedExpand(_Computed):
    """x, or [x, other tensors] → x repeated along its axes of size 1, and along new ones in front."""

    def call(self, inputs: Any) -> Any:
        x, sizes = self._targets(inputs)
        return ops.broadcast_to(x, sizes)
