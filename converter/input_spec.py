"""The `--input` specification: `name=float32[batch,3,224,224]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passes.errors import UsageError

if TYPE_CHECKING:
    import onnx_ir as ir

FLOATS = ("float32", "float16", "bfloat16", "float64", "complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
DTYPES = FLOATS + INTEGERS
MAX_RANK = 8
_HINT = "Write it as name=float32[batch,3,224,224]: a number is a fixed size, a name is a dynamic dimension."
_SPEC = re.compile(r"(?P<name>[^=\[\]]+)=(?P<dtype>\w+)\[(?P<dims>[^\[\]]*)\]")
_SYMBOL = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class InputSpec:
    """One input: its name, its type by numpy's name, and for each dimension a size or the name of a dynamic one."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    @classmethod
    def of(cls, value: ir.Value) -> InputSpec:
        """The specification of a graph's input; a dimension without a name is called `?`."""
        shape = tuple(dim if isinstance(dim, int) else str(dim.value or "?") for dim in value.shape or ())
        dtype = "?" if value.dtype is None else _dtype_name(value.dtype)
        return cls(value.name or "", dtype, shape)

    def __str__(self) -> str:
        return f"{self.name}={self.dtype}[{','.join(str(dim) for dim in self.shape)}]"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(dim for dim in self.shape if isinstance(dim, str))


def parse_input(text: str) -> InputSpec:
    """Read one `--input`.

    Raises:
        UsageError: naming the part that cannot be read.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"Input specification {text!r} cannot be read.", hint=_HINT)
    name, dtype = match["name"].strip(), match["dtype"]
    if dtype not in DTYPES:
        raise UsageError(f"Input specification {text!r}: unknown type {dtype!r}.", hint=f"Known: {', '.join(DTYPES)}.")
    items = [item.strip() for item in match["dims"].split(",")] if match["dims"].strip() else []
    if len(items) > MAX_RANK:
        raise UsageError(f"Input specification {text!r}: {len(items)} dimensions, at most {MAX_RANK} are possible.")
    return InputSpec(name, dtype, tuple(_dimension(item, text) for item in items))


def parse_inputs(inputs: Iterable[str | InputSpec]) -> tuple[InputSpec, ...]:
    """Read all `--input` options; no name may come twice. One alone need not be in a list."""
    inputs = [inputs] if isinstance(inputs, str) else inputs
    specs = tuple(item if isinstance(item, InputSpec) else parse_input(item) for item in inputs)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Input {name!r} is specified {names.count(name)} times.")
    return specs


def _dtype_name(dtype: ir.DataType) -> str:
    return "string" if dtype.name == "STRING" else str(dtype.numpy())


def _dimension(item: str, text: str) -> int | str:
    if _SYMBOL.fullmatch(item):
        return item
    if not re.fullmatch(r"\d{1,10}", item) or int(item) == 0:
        raise UsageError(
            f"Input specification {text!r}: dimension {item!r} is neither a positive number nor a name.", hint=_HINT
        )
    return int(item)
