"""A module captured by torch.export, and what that trace assumes about the dynamic sizes."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules import transformer

from converter.sources.torch.call.examples import Call
from converter.sources.torch.open_sizes.mode import SizesStayOpen

MOST_BREAKING = 4
"""Sizes at which a guard is tried."""

_CHECKED_SIZES = range(128)
"""Guards come from strides and rounding: their period divides a small power of two times a small number."""


@dataclass(frozen=True)
class Guard:
    """An assumption of a trace.

    Attributes:
        text: what must hold.
        symbols: the sizes in it.
        fixes: those that it fixes at one value.
        breaking: sizes at which it does not hold, all dynamic sizes of the trace with one of them changed; a few.
        alone: those that were changed for that. `batch*frames != 1` is no matter of the batch.
        is_bound: whether it is the least or the greatest size that the trace is for. `forward` may fail beyond: that a
            kernel does not fit is nothing to be said, another way is.
    """

    text: str
    symbols: frozenset[str]
    fixes: frozenset[str]
    breaking: tuple[dict[str, int], ...] = ()
    alone: frozenset[str] = frozenset()
    is_bound: bool = False


def capture(module: torch.nn.Module, call: Call) -> torch.export.ExportedProgram:
    """Trace `forward`. Python itself runs it (`strict=False`); if that fails, the bytecode tracer is tried too.

    Guards about dynamic sizes are kept as assertions in the graph instead of being answered with "use a multiple of 2".
    """
    # The order in which an einsum of several is best computed would be chosen for the example's sizes.
    with _masks_without_a_look(), _modules_that_stay(), SizesStayOpen(), torch.backends.opt_einsum.flags(enabled=False):
        try:
            with _causal_by_an_open_size():
                return _capture(module, call, strict=False)
        except Exception as error:  # noqa: BLE001 - whatever forward, the tracer or the solver raise
            try:
                return _capture(module, call, strict=True)
            except Exception:  # noqa: BLE001
                raise error from None


@contextlib.contextmanager
def _masks_without_a_look() -> Iterator[None]:
    """torch's transformer layers look at the numbers of a mask to see if it is the causal one, which a trace cannot.

    It is a hint for kernels: what a mask hides stays hidden without it.
    """
    kept = transformer._detect_is_causal_mask
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: is_causal is True
    try:
        yield
    finally:
        transformer._detect_is_causal_mask = kept


@contextlib.contextmanager
def _modules_that_stay() -> Iterator[None]:
    """`self.classifier = self.classifier.to(self.dtype)` in forward, where it has that type already: a trace would
    give the layer other parameters, and is refused."""
    kept = nn.Module._apply

    def apply(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> nn.Module:
        held = [*module.parameters(recurse), *module.buffers(recurse)]
        with torch.no_grad():
            changed = (change(tensor) for tensor in held)
            if all((old.dtype, old.device) == (new.dtype, new.device) for old, new in zip(held, changed, strict=True)):
                return module
        moved: nn.Module = kept(module, change, recurse)
        return moved

    nn.Module._apply = apply  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module._apply = kept  # type: ignore[method-assign]


@contextlib.contextmanager
def _causal_by_an_open_size() -> Iterator[None]:
    """Attention takes no `is_causal` that follows from an open size, as transformers has it: `length > 1`, since a
    single token sees itself either way. What the example says becomes a guard, which is tried like all others."""
    kept = functional.scaled_dot_product_attention

    def attention(*args: Any, **kwargs: Any) -> torch.Tensor:
        if isinstance(kwargs.get("is_causal"), torch.SymBool):
            kwargs["is_causal"] = bool(kwargs["is_causal"])
        return kept(*args, **kwargs)

    functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = kept


def _capture(module: torch.nn.Module, call: Call, *, strict: bool) -> torch.export.ExportedProgram:
    # A size of 0 or 1 is no special case. Of what fails, torch prints the whole graph.
    with contextlib.redirect_stderr(io.StringIO()), torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return torch.export.export(
            module,
            call.args,
            kwargs=call.kwargs,
            dynamic_shapes=call.dynamic_shapes(),
            strict=strict,
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def size_guards(program: torch.export.ExportedProgram, names: Mapping[str, str]) -> list[Guard]:
    """The assumptions about dynamic sizes under which the trace is right.

    torch asserts more than it can prove: `2*floor((h - 3)/2) < h - 2` holds for every h. Such guards are tried on many
    sizes and left out. So is "not 1": which strides count as contiguous depends on it, the numbers do not, and every
    verification tries a batch of 1. `names` gives torch's symbols the names that the user knows; symbols of one name
    are one size.
    """
    named = _Named(names)
    traced = {named[symbol]: size for symbol, size in _traced_sizes(program).items()}
    lowest: dict[sympy.Symbol, int] = {}
    for symbol, bounds in program.range_constraints.items():
        least = bounds.lower if isinstance(bounds.lower, sympy.Integer) else 1  # numbers have no lower bound
        lowest[named[symbol]] = max(lowest.get(named[symbol], 1), int(least))
    guards: dict[str, Guard] = {}
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target is not torch.ops.aten._assert_scalar.default:
            continue
        value = node.args[0].meta.get("val") if isinstance(node.args[0], torch.fx.Node) else None
        if isinstance(value, torch.SymBool) and str(value) not in guards:
            condition = value.node.expr.xreplace({symbol: named[symbol] for symbol in value.node.expr.free_symbols})
            if not _always_true(condition, lowest) and not _is_not_one(condition):
                fixed, (breaking, alone) = _fixed(condition, traced, lowest), _breaking(condition, traced, lowest)
                guards[str(value)] = Guard(str(condition), _names(condition), fixed, breaking, alone)
    return [*guards.values(), *_bounds(program, named, traced)]


def _bounds(program: torch.export.ExportedProgram, named: _Named, traced: dict[sympy.Symbol, int]) -> Iterator[Guard]:
    """The ranges of sizes that a trace is for: a branch on a size ends up here, and in no assertion."""
    for symbol, bounds in program.range_constraints.items():
        size = named[symbol]
        if size not in traced:
            continue
        for bound, condition in ((bounds.upper, size <= bounds.upper), (bounds.lower, size >= bounds.lower)):
            if isinstance(bound, sympy.Integer) and not isinstance(condition, sympy.logic.boolalg.BooleanAtom):
                breaking, alone = _breaking(condition, {**traced, size: int(bound)}, {})
                text = f"{size} {'<=' if bound == bounds.upper else '>='} {bound}"
                yield Guard(text, frozenset({str(size)}), frozenset(), breaking, alone, is_bound=True)


class _Named(dict[sympy.Symbol, sympy.Symbol]):
    """torch's symbols to symbols with the names asked for."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, symbol: sympy.Symbol) -> sympy.Symbol:
        named = sympy.Symbol(self._names.get(str(symbol), str(symbol)), positive=True, integer=True)
        return self.setdefault(symbol, named)


def _traced_sizes(program: torch.export.ExportedProgram) -> dict[sympy.Symbol, int]:
    """The example's size for each symbol."""
    sizes: dict[sympy.Symbol, int] = {}
    for node in program.graph.nodes:
        value = node.meta.get("val") if node.op == "placeholder" else None
        for size in value.shape if isinstance(value, torch.Tensor) else ():
            if isinstance(size, torch.SymInt) and isinstance(size.node.expr, sympy.Symbol) and size.node.has_hint():
                sizes[size.node.expr] = size.node.hint
    return sizes


def _always_true(condition: sympy.Basic, lowest: dict[sympy.Symbol, int]) -> bool:
    """Whether it held for every size that was tried within the ranges."""
    symbols = sorted(condition.free_symbols, key=str)
    steps = _CHECKED_SIZES if len(symbols) == 1 else (0, 1, 2, 5, 11, 31)
    trials = itertools.product(*[[lowest.get(symbol, 1) + step for step in steps] for symbol in symbols])
    return all(_holds(condition, dict(zip(symbols, trial, strict=True))) for trial in itertools.islice(trials, 1000))


def _is_not_one(condition: sympy.Basic) -> bool:
    return isinstance(condition, sympy.Ne) and condition.rhs == 1 and condition.lhs.is_Symbol


def _fixed(condition: sympy.Basic, traced: dict[sympy.Symbol, int], lowest: dict[sympy.Symbol, int]) -> frozenset[str]:
    """The symbols for which, all others being as traced, no other size than the traced one was found to do."""
    fixed = set()
    for symbol in condition.free_symbols & traced.keys():
        others = {lowest.get(symbol, 1) + step for step in _CHECKED_SIZES}
        others |= {traced[symbol] * factor for factor in (2, 3, 4)}
        if not any(_holds(condition, {**traced, symbol: size}) for size in others - {traced[symbol]}):
            fixed.add(str(symbol))
    return frozenset(fixed)


def _breaking(
    condition: sympy.Basic, traced: dict[sympy.Symbol, int], lowest: dict[sympy.Symbol, int]
) -> tuple[tuple[dict[str, int], ...], frozenset[str]]:
    """The traced sizes with one of them changed so that the condition fails, smaller and larger, near and far; and the
    names of those."""
    found, alone = [], set()
    for symbol in sorted(condition.free_symbols & traced.keys(), key=str):
        size = traced[symbol]
        for other in (size + 1, size - 1, size * 2 + 3, size // 2, size + 7, size * 3):
            if other >= lowest.get(symbol, 1) and not _holds(condition, {**traced, symbol: other}):
                found.append({str(name): number for name, number in {**traced, symbol: other}.items()})
                alone.add(str(symbol))
    return tuple(found[:MOST_BREAKING]), frozenset(alone)


def _holds(condition: sympy.Basic, sizes: dict[sympy.Symbol, int]) -> bool:
    return bool(condition.subs(sizes) == sympy.true)


def _names(condition: sympy.Basic) -> frozenset[str]:
    return frozenset(str(symbol) for symbol in condition.free_symbols)
