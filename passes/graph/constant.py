"""A value that is known before the model runs, and which weights of the source it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from passes.graph.view_steps import Step, WeightView, apply_view, shape_after
from passes.graph.weight_views import (
    FROZEN_KEY,
    TORCH_KIND,
    WEIGHT_KEY,
    Look,
    extend,
    is_trained,
    provenance,
    recorded_view,
)


class Weight(NamedTuple):
    """A weight of the source. Integer ones (an index table, say) do not give their name to what is computed."""

    name: str
    is_float: bool
    is_parameter: bool = False
    """Whether torch says so: what is taken from one is still a look at it."""
    is_trained: bool = False
    """Whether it is a parameter that training changes."""


NO_WEIGHTS: frozenset[Weight] = frozenset()


@dataclass(slots=True)
class Constant:
    """An array, or a view of a tensor that nobody has read yet.

    Args:
        base: the tensor that it is a view of, taking `steps`; set while nothing but views was taken.
        weights: the source weights it was made of.
        view: the steps from the one source weight it is a view of; None where it was computed otherwise.
    """

    shape: tuple[int, ...]
    dtype: ir.DataType
    array: np.ndarray | None = None
    base: ir.TensorProtocol | None = None
    steps: WeightView = ()
    weights: frozenset[Weight] = NO_WEIGHTS
    view: WeightView | None = ()

    @classmethod
    def of_tensor(cls, value: ir.Value, tensor: ir.TensorProtocol) -> Constant:
        """What an initializer is, or the output of a Constant node."""
        shape = tuple(tensor.shape.numpy())
        record = recorded_view(value)
        if record is None:
            return cls(shape, tensor.dtype, base=tensor)
        is_parameter = value.metadata_props.get(TORCH_KIND) == "PARAMETER"
        weights = frozenset([Weight(record[0], tensor.dtype.is_floating_point(), is_parameter, is_trained(value))])
        view = None if isinstance(record[1], str) else record[1]
        return cls(shape, tensor.dtype, base=tensor, weights=weights, view=view)

    @classmethod
    def computed(cls, array: np.ndarray, weights: frozenset[Weight]) -> Constant:
        """What was computed now."""
        return cls(array.shape, ir.DataType.from_numpy(array.dtype), array, weights=weights, view=None)

    def taking(self, step: Step) -> Constant:
        """The same tensor, looked at in another way."""
        shape = shape_after(self.shape, step)
        view = None if self.view is None else extend(self.view, step, self.shape)
        return Constant(shape, self.dtype, None, self.base, extend(self.steps, step, self.shape), self.weights, view)

    def numpy(self) -> np.ndarray:
        """The elements, read now."""
        if self.array is None:
            if self.base is None:
                raise ValueError("A constant without array and base.")
            self.array = apply_view(self.base.numpy(), self.steps)
        return self.array

    @property
    def is_trained(self) -> bool:
        """Whether training changes it, through parameters."""
        return self.dtype.is_floating_point() and any(weight.is_trained for weight in self.weights)

    @property
    def is_parameter(self) -> bool:
        """Whether it is a look at one parameter of the source."""
        return self.base is not None and self.view is not None and any(weight.is_parameter for weight in self.weights)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.float64) * self.dtype.itemsize)

    @property
    def name(self) -> str | None:
        """The name of the weight that it was made of, if there is one such."""
        named = {weight.name for weight in self.weights if weight.is_float} or {weight.name for weight in self.weights}
        return named.pop() if len(named) == 1 else None

    def tensor(self, name: str) -> ir.TensorProtocol:
        """As an initializer holds it: lazy while nobody has computed with it."""
        if self.base is not None:
            return Look(self.base, self.steps, self.shape) if self.steps else self.base
        array = self.numpy()
        if self.dtype == ir.DataType.STRING:
            return ir.StringTensor(array, name=name)
        return ir.Tensor(np.ascontiguousarray(array).reshape(array.shape), dtype=self.dtype, name=name)

    def metadata(self, name: str) -> dict[str, str]:
        """Where it comes from, for the initializer called `name`; nothing where no weight is in it."""
        if not self.weights:
            return {}
        of = () if self.name else [weight.name for weight in self.weights]
        known = {WEIGHT_KEY: provenance(self.name or name, "derived" if self.view is None else self.view, of)}
        kind = {TORCH_KIND: "PARAMETER"} if any(weight.is_parameter for weight in self.weights) else {}
        return known | kind | ({} if self.is_trained or not kind else {FROZEN_KEY: "frozen"})
