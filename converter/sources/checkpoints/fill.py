"""A module built for a checkpoint: with its weights in place of others, not beside them, where that can be.

on meta     built without numbers; the checkpoint's tensors become its parameters, mapped from their file
in place    built with numbers, as it has some that the checkpoint does not give; its parameters are exchanged
copied      the checkpoint's into the module's own, because something else holds on to those: a view, a list
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from converter.sources import memory_budget
from converter.sources.checkpoints.assign import Held, assign, count_from_zero, members, replace
from converter.sources.checkpoints.file import read_checkpoint
from converter.sources.checkpoints.load import copy_weights, fitting
from converter.sources.checkpoints.mapped_file import MappedFile, in_own_maps, mapped_tensors
from converter.sources.checkpoints.on_meta import META, NotOnMeta, build_on_meta
from converter.sources.quiet import first_lines
from passes.errors import BadSource, LimitExceeded

NOTED = 512 << 20
"""Bytes of weights from which on it matters, and is told, that there were others before."""

Build = Callable[[], torch.nn.Module]


@dataclass(frozen=True)
class Filled:
    """A module as it was built or filled.

    Attributes:
        notes: for the report.
        weights: the checkpoint's name.
        files: that its parameters are mapped from.
    """

    module: torch.nn.Module
    notes: list[str] = field(default_factory=list)
    weights: str | None = None
    files: tuple[MappedFile, ...] = ()


def fill(
    build: Build, path: Path, *, trust: bool = False, max_bytes: int | None = None, is_factory: bool = True
) -> Filled:
    """A module with the weights in `path`.

    Args:
        build: gives a new module each time, which is what other calls give.
        is_factory: whether it makes tensors; elsewise it copies some.

    Raises:
        BadSource: the file cannot be read safely, or its keys do not fit the module; they are named.
        LimitExceeded: the module or the file is larger than `max_bytes`.
    """
    content, why = read_checkpoint(path, trust=trust, max_bytes=max_bytes), ""
    if is_factory:
        try:
            return _on_meta(build, content, path, max_bytes)
        except LimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - a factory that needs numbers raises anything
            why = _NUMBERS.format(first_lines(error, lines=1, width=200))
    module = _checked(build(), max_bytes)
    try:
        notes, state = fitting(module, content, path)
        state, files = in_own_maps(state)
        replace(module, state)
        filled = Filled(module, notes, path.name, files)
    except Held:
        module = build()
        filled, why = Filled(module, copy_weights(module, content, path), path.name), _HELD
    _refuse_meta(module, path)
    if is_factory and memory_budget.module_bytes(module) > NOTED:
        filled.notes.append(f"{type(module).__name__} {why}")
    return filled


_NUMBERS = "was first built with weights of its own, because it needs numbers then: {}."
_HELD = "holds on to the weights that it was built with, so the checkpoint's were copied: both were in memory."


def in_own_files(build: Build) -> Filled:
    """A module that a library has filled, its parameters in our maps of the files that they lie in."""
    module = build()
    mapped, files = in_own_maps(mapped_tensors(dict(module.named_parameters(remove_duplicate=False))))
    try:
        replace(module, mapped)
    except Held:
        return Filled(build())
    return Filled(module, files=files)


def _on_meta(build: Build, content: Any, path: Path, max_bytes: int | None) -> Filled:
    module, made = build_on_meta(build)
    _checked(module, max_bytes)
    notes, state = fitting(module, content, path)
    state, files = in_own_maps(state)
    assign(module, state)
    count_from_zero(module)
    if not made.are_gone:
        raise NotOnMeta("it computes numbers that the checkpoint does not hold")
    return Filled(module, notes, path.name, files)


def _refuse_meta(module: torch.nn.Module, path: Path) -> None:
    """A module that came from the meta device may need more than a checkpoint has."""
    missing = [name for name, tensor in members(module) if tensor.device == META]
    if missing:
        raise BadSource(
            f"{type(module).__name__} is on the meta device, and {path.name} gives no numbers for {missing[0]!r}.",
            hint="Give what builds it in its place (package.module:factory), or build it on the CPU.",
        )


def _checked(module: torch.nn.Module, max_bytes: int | None) -> torch.nn.Module:
    memory_budget.check_module(module, max_bytes)
    return module
