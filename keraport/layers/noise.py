"""Random numbers, drawn anew at each call, in training and out of it: Keras' own layers draw in training only."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keraport.layers.size_arithmetic import checked, computed, known
from keraport.layers.tensors import as_list

DISTRIBUTIONS = ("normal", "uniform")
MOST_SEED = 0x7FFF_FFFF
"""On torch Keras (3.15) keeps the state of a seed as int32."""


@keras.saving.register_keras_serializable(package="keraport")
class Noise(keras.layers.Layer):
    """x, or [x, other tensors] → independent random numbers of these sizes; of the inputs the sizes alone matter.

    Args:
        distribution: "normal", of mean 0 and variance 1, or "uniform", from 0 to below 1.
        sizes: a list of sizes, written as size_arithmetic.py says.
        seed: of the layer's `SeedGenerator`, from 0 to 2³¹ - 1; chosen where it is None.
    """

    def __init__(self, distribution: str, sizes: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if distribution not in DISTRIBUTIONS:
            raise ValueError(f"distribution is one of {', '.join(DISTRIBUTIONS)}. Received: {distribution!r:.80}")
        if seed is not None and (type(seed) is not int or not 0 <= seed <= MOST_SEED):
            raise ValueError(f"seed is a number from 0 to {MOST_SEED}. Received: {seed!r:.80}")
        if not keras.backend.is_float_dtype(self.compute_dtype):
            raise ValueError(f"Noise is drawn as floating-point numbers. Received: dtype={self.compute_dtype}")
        self.distribution = distribution
        self.sizes = checked(sizes)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._given: Any = None

    def call(self, inputs: Any) -> Any:
        shapes = [ops.shape(tensor) for tensor in as_list(inputs)]
        sizes = tuple(computed(size, shapes) for size in self.sizes)
        if self._given is None:
            return self.draw(sizes)
        wanted, given = tuple(int(size) for size in sizes), tuple(self._given.shape)
        if wanted != given:
            raise ValueError(f"{self.name} was given numbers of shape {given}. It would draw numbers of shape {wanted}")
        return ops.convert_to_tensor(self._given, dtype=self.compute_dtype)

    def give(self, numbers: Any) -> None:
        """Hand on this array instead of what would be drawn, until it is None; what is compiled keeps what it had."""
        self._given = numbers

    def draw(self, sizes: tuple[Any, ...]) -> Any:
        """The next numbers."""
        draw = keras.random.normal if self.distribution == "normal" else keras.random.uniform
        return draw(sizes, dtype=self.compute_dtype, seed=self.seed_generator)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        shapes = [tuple(tensor.shape) for tensor in as_list(inputs)]
        return keras.KerasTensor(tuple(known(size, shapes) for size in self.sizes), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "distribution": self.distribution, "sizes": self.sizes, "seed": self.seed}
