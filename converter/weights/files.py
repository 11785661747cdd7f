"""State_dicts as files: read without torch where the format allows, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.atomic_output import Output
from converter.sources.checkpoints.fit import listed, strip_prefixes
from converter.sources.checkpoints.header import check_header, foreign
from converter.sources.checkpoints.shards import is_sharded
from passes.errors import BadSource, ConversionError, UsageError

KINDS = (".safetensors", ".pt", ".pth")


def read_state(path: Path, expected: Mapping[str, Any], *, trust: bool = False) -> dict[str, np.ndarray]:
    """The state_dict in a checkpoint, with the prefixes of training frameworks off its names.

    Raises:
        BadSource: there is none, it cannot be read safely, or holds no state_dict.
    """
    if not path.exists():
        raise BadSource(f"There is no checkpoint {str(path)!r}.")  # at once, not after torch is imported
    if path.suffix == ".safetensors" and path.is_file() and not is_sharded(path):
        return strip_prefixes(_read_safetensors(path), expected)
    return _read_with_torch(path, expected, trust=trust)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    import ml_dtypes  # noqa: F401 (numpy knows bfloat16 by its name from then on)
    from safetensors.numpy import load_file

    try:
        check_header(path)
        return {name: readable(array) for name, array in load_file(path).items()}
    except ConversionError:
        raise
    except Exception as error:  # SafetensorError is derived from Exception alone
        raise BadSource(f"The checkpoint {path.name} cannot be read: {error}", hint=foreign(path)) from error


def _read_with_torch(path: Path, expected: Mapping[str, Any], *, trust: bool) -> dict[str, np.ndarray]:
    from converter.sources.checkpoints.file import read_checkpoint
    from converter.sources.checkpoints.load import state_dicts

    found = [strip_prefixes(state, expected) for _, state in state_dicts(read_checkpoint(path, trust=trust))]
    if not found:
        raise BadSource(f"The checkpoint {path.name} holds no state_dict.")
    best = max(found, key=lambda state: len(state.keys() & expected.keys()))
    return {name: _as_numpy(tensor.detach().cpu()) for name, tensor in best.items()}


def _as_numpy(tensor: Any) -> np.ndarray:
    """numpy has no floats of 8 bits, and no bfloat16: float32 holds them exactly."""
    try:
        array: np.ndarray = tensor.numpy()
    except TypeError:
        array = tensor.float().numpy()
    return array


def readable(array: np.ndarray) -> np.ndarray:
    """The same of numpy's arrays, whose small floats are not its own, and which HDF5 does not take."""
    is_own = array.dtype.kind in "biufc"
    return array if is_own else array.astype(np.float32)


def check_name(target: Path) -> None:
    """Raises:
    UsageError: no state_dict is written under this name."""
    if target.suffix not in KINDS:
        raise UsageError(f"A state_dict is written as {listed(list(KINDS))}. Received: {str(target)!r}")


def write_state(state: Mapping[str, np.ndarray], target: Path) -> Path:
    """Write a state_dict; `.pt` and `.pth` need torch.

    Raises:
        UsageError: the name has another ending, or the file cannot be written.
    """
    check_name(target)
    with Output(target) as output:
        if target.suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file(dict(state), output.temporary)
        else:
            import torch

            with output.temporary.open("wb") as file:  # by its name, torch forgets why a disk takes no more
                torch.save({name: torch.from_numpy(array.copy()) for name, array in state.items()}, file)
        return output.commit()
