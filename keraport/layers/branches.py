"""One of two models, as a number says: ONNX' If."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import ops

from keraport.layers.tensors import as_list, called, read_model


@keras.saving.register_keras_serializable(package="keraport")
class If(keras.layers.Layer):
    """[condition, given …] → the outputs of `then_branch` where the condition is true, else those of `else_branch`.

    Both are models of the same inputs, and give as many outputs of the same types and numbers of axes; their sizes may
    differ, so that JAX does not compile it, and takes one where it computes at once. Only one is computed.
    """

    def __init__(self, then_branch: keras.Model, else_branch: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for branch in (then_branch, else_branch):
            if not isinstance(branch, keras.Model):
                raise ValueError(f"A branch must be a Keras model. Received: {type(branch).__name__}")
        if len(then_branch.outputs) != len(else_branch.outputs):
            raise ValueError("Both branches must have as many outputs.")
        self.then_branch, self.else_branch = then_branch, else_branch
        self.built = True

    def call(self, inputs: Any) -> list[Any]:
        values = as_list(inputs)
        condition = ops.reshape(ops.cast(values[0], "bool"), ())
        if keras.backend.backend() == "jax":  # whose own needs equal sizes
            return called(self.then_branch if bool(condition) else self.else_branch, values)
        branches = (partial(called, branch, values) for branch in (self.then_branch, self.else_branch))
        return list(ops.cond(condition, *branches))

    def compute_output_spec(self, inputs: Any) -> list[keras.KerasTensor]:
        pairs = zip(self.then_branch.outputs, self.else_branch.outputs, strict=True)
        return [
            keras.KerasTensor(
                tuple(a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)), dtype=one.dtype
            )
            for one, other in pairs
        ]

    def get_config(self) -> dict[str, Any]:
        branches = {"then_branch": self.then_branch, "else_branch": self.else_branch}
        saved = {name: keras.saving.serialize_keras_object(branch) for name, branch in branches.items()}
        return {**super().get_config(), **saved}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> If:
        branches = {name: read_model(config.get(name)) for name in ("then_branch", "else_branch")}
        return cls(**{**config, **branches})
