"""The shapes found so far, reconciled with what the file says of them.

A size that was computed from the inputs beats a declared one: files carry value_info from before a batch was made
dynamic. A declared size fills in where nothing was computed, or where what was computed ends in a symbol of our own
making; a symbol that the file invented for a computed size is bound to that size wherever it occurs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir

from passes.dims.bounds import solved, substitute
from passes.dims.parse import is_nameless, parse
from passes.dims.polynomial import Dim, Expr, TooComplex, is_symbol, symbol, symbols
from passes.errors import BadSource, Unsupported, describe
from passes.graph.unsupported import REFUSED, refusal

Shape = tuple[Dim, ...]

FRESH = "unk__"
"""Prefix of symbols made here, for sizes that depend on data: how many boxes are left, say."""


LARGEST = (1 << 62) - 1


class KnownShapes:
    """Shapes by value, in expressions of the symbols of the graph's inputs.

    Args:
        constant_shape: the shape of a constant, None for any other value.
    Attributes:
        settled: inputs' own sizes that operators need to be a number, or another input's.
    """

    def __init__(self, constant_shape: Callable[[ir.Value], Shape | None]) -> None:
        self._constant_shape = constant_shape
        self._shapes: dict[ir.Value, Shape] = {}
        self._bindings: dict[str, Dim] = {}
        self._same: dict[Dim, Dim] = {}
        self._before: dict[ir.Value, tuple[ir.Shape | None, ir.DataType | None]] = {}
        self._of_inputs: set[str] = set()
        self.settled: dict[str, Dim] = {}

    @property
    def demanded(self) -> dict[Dim, int]:
        """Arithmetic on sizes of the inputs that has to come to a number, or an operator does not run."""
        return {one: same for one, same in self._same.items() if isinstance(same, int)}

    @property
    def modified(self) -> bool:
        """Whether a value is not as it was: some are written twice, and the second time as they were."""
        return any((value.shape, value.dtype) != before for value, before in self._before.items())

    def of(self, value: ir.Value | None) -> Shape | None:
        """The shape of a value: None for no value, and for one that nothing is known of yet."""
        if value is None:
            return None
        shape = self._shapes.get(value)
        if shape is None:
            shape = self._constant_shape(value)
            if shape is not None:
                self._shapes[value] = shape
        return shape

    def enter(self, value: ir.Value) -> None:
        """Take an input of the graph as it is declared; a size without a name gets one."""
        if value.shape is None or value.dtype is None:
            raise BadSource(
                f"Input {value.name!r} has no {'shape' if value.shape is None else 'element type'}.",
                hint=f"say what it is: --input {value.name}=float32[batch,3,224,224]",
            )
        dims: list[Dim] = []
        for axis, dim in enumerate(value.shape):
            known = read_dim(dim)
            dims.append(symbol(name_of_open(value, axis)) if known is None else known)
            self._of_inputs |= symbols(dims[-1])
        self._set(value, tuple(dims), value.dtype)

    def settle(
        self, node: ir.Node, output: ir.Value, found: Sequence[Dim | None] | None, dtype: ir.DataType | None
    ) -> None:
        """Record the shape of an output: what was found, completed by what the file declares.

        Raises:
            Unsupported: neither tells the rank, or the element type.
        """
        declared = None if output.shape is None else [self._declared(dim) for dim in output.shape]
        if found is None:
            found = declared
        elif declared is not None and len(declared) == len(found):
            found = [self._choose(dim, other) for dim, other in zip(found, declared, strict=True)]
        dtype = dtype or output.dtype
        if found is None or dtype is None:
            if any(node.op_type in group.operators for group in REFUSED):
                raise refusal(node)
            missing = "shape" if found is None else "element type"
            raise Unsupported(
                f"The {missing} of {output.name!r} cannot be told before the model runs.",
                node=describe(node),
                hint="export the model with static shapes, or run onnx's shape inference on it first",
            )
        fresh = f"{FRESH}{output.name}"
        dims = (symbol(_identifier(f"{fresh}_{axis}")) if dim is None else dim for axis, dim in enumerate(found))
        self._set(output, tuple(dims), dtype)

    def equate(self, one: Dim, simpler: Dim) -> None:
        """An operator needs both to be equal: they are one size, and where they are not the source fails as well."""
        if one == simpler or not isinstance(one, Expr):
            return
        if isinstance(simpler, int):
            if symbols(one) <= self._of_inputs and not is_symbol(one):
                self._same[one] = simpler
            return
        if symbols(one) == symbols(simpler) <= self._of_inputs and not is_symbol(one):
            self._same[one] = simpler

    def demand(self, one: Dim, other: Dim) -> None:
        """An operator needs sizes to be equal that are inputs' own, one of them at least."""
        for size, wanted in ((one, other), (other, one)):
            if not isinstance(size, Expr) or not is_symbol(size) or size.text not in self._of_inputs:
                continue
            if isinstance(wanted, int) or (is_symbol(wanted) and wanted != size):
                self.settled.setdefault(size.text, wanted)
                return

    def take_over(self, old: ir.Value, new: ir.Value) -> None:
        """What is known of a value holds for the one in its place."""
        self._shapes[new] = self._shapes.pop(old)

    def finish(self) -> None:
        """Put what symbols turned out to be where they were recorded before that was known."""
        replaced: dict[Dim, Dim] = {}
        numbers: dict[str, Dim] = {one.text: same for one, same in self._same.items() if isinstance(one, Expr)}
        for atom, number in filter(None, (solved(dim, number) for dim, number in self.demanded.items())):
            numbers[atom.text] = number
        for value, shape in self._shapes.items():
            for dim in shape:
                if isinstance(dim, Expr) and dim not in replaced:
                    replaced[dim] = self._settled(self._meaning(dim), numbers)
            final = tuple(dim if isinstance(dim, int) else replaced[dim] for dim in shape)
            if final != shape and value.dtype is not None:
                self._set(value, final, value.dtype)

    def _settled(self, dim: Dim, factors: Mapping[str, Dim]) -> Dim:
        """With what operators need it, or a factor of it, to be."""
        while dim in self._same:
            dim = self._same[dim]
        try:
            return substitute(dim, factors)
        except TooComplex:
            return dim

    def _declared(self, dim: int | ir.SymbolicDim) -> Dim | None:
        known = read_dim(dim)
        return None if known is None else self._meaning(known)

    def _meaning(self, dim: Dim) -> Dim:
        try:
            return substitute(dim, self._bindings)
        except TooComplex:
            return dim

    def _choose(self, found: Dim | None, declared: Dim | None) -> Dim | None:
        if found is None or declared is None or found == declared:
            return declared if found is None else found
        if not self._is_certain(found) and self._is_certain(declared):
            self._bind(found, declared)
            return declared
        self._bind(declared, found)
        return found

    def _is_certain(self, dim: Dim) -> bool:
        """Whether a size follows from those of the inputs."""
        return symbols(dim) <= self._of_inputs

    def _bind(self, dim: Dim, meaning: Dim) -> None:
        if not isinstance(dim, Expr) or not is_symbol(dim) or dim.text in self._of_inputs | symbols(meaning):
            return
        self._bindings[dim.text] = meaning
        for name, bound in self._bindings.items():
            self._bindings[name] = self._meaning(bound)

    def _set(self, value: ir.Value, shape: Shape, dtype: ir.DataType) -> None:
        impossible = next((dim for dim in shape if isinstance(dim, int) and not 0 <= dim <= LARGEST), None)
        if impossible is not None:
            producer = value.producer()
            raise BadSource(
                f"{value.name!r} would have an axis of {impossible} elements.",
                node=None if producer is None else describe(producer),
                hint="the input may be too small for this model: --input NAME=float32[batch,3,224,224]",
            )
        self._shapes[value] = shape
        written = ir.Shape([dim if isinstance(dim, int) else ir.SymbolicDim(dim.text) for dim in shape])
        if value.shape != written or value.dtype != dtype:
            self._before.setdefault(value, (value.shape, value.dtype))
            value.shape, value.dtype = written, dtype


def read_dim(dim: int | ir.SymbolicDim) -> Dim | None:
    """A dimension as a file has it; None where it says nothing (old exporters write -1)."""
    if isinstance(dim, int):
        return None if dim < 0 else dim
    return None if dim.value is None or is_nameless(dim.value) else parse(dim.value)


def name_of_open(value: ir.Value, axis: int) -> str:
    """What the size of an input is called for which the file has no name."""
    return _identifier(f"{value.name}_dim{axis}")


def _identifier(text: str) -> str:
    return re.sub(r"\W", "_", text)
