"""Reading a checkpoint file without running anything in it.

`torch.load(weights_only=True)`, with no way around it but the user's own `--trust`: an error of the restricted
unpickler is exactly what somebody who wants the unrestricted one to be tried next would send.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from converter.sources import memory_budget
from converter.sources.checkpoints import legacy_pickle
from converter.sources.checkpoints.header import check_header, foreign
from converter.sources.checkpoints.program import read_program
from converter.sources.checkpoints.shards import is_sharded, read_shards
from converter.sources.torchvision_import import with_torchvision
from passes.errors import BadSource, ConversionError, first_line

_TRUST = "Save module.state_dict() instead; or give --trust if you trust whoever made the file: it can run any code."
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_checkpoint(path: Path, *, trust: bool = False, max_bytes: int | None = None) -> Any:
    """What the file, its shards or a folder hold, on the CPU, memory-mapped where the format allows.

    Raises:
        BadSource: not a checkpoint, damaged, or not loadable without running code (unless `trust`).
        LimitExceeded: larger than `max_bytes`, or more tensors than MAX_TENSORS.
    """
    if is_sharded(path):
        return read_shards(path, lambda shard: read_checkpoint(shard, trust=trust, max_bytes=max_bytes))
    if not path.is_file():
        raise BadSource(f"There is no checkpoint {str(path)!r}.")
    memory_budget.check(path.stat().st_size, f"The checkpoint {path.name}", max_bytes)
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        if path.suffix == ".pt2":
            return read_program(path, trust=trust).state_dict
        return _read_torch(path, trust, max_bytes)
    except ConversionError:
        raise
    except pickle.UnpicklingError as error:
        raise _not_only_weights(path, error) from error
    except Exception as error:  # a damaged archive surfaces as whatever it breaks first
        raise BadSource(
            f"The checkpoint {path.name} cannot be read: {type(error).__name__}: {first_line(error, 300)}",
            hint=foreign(path) or "The file is damaged, or its download was interrupted.",
        ) from error


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    import safetensors.torch

    check_header(path)
    return safetensors.torch.load_file(path)


def _read_torch(path: Path, trust: bool, max_bytes: int | None) -> Any:
    is_zip = zipfile.is_zipfile(path)
    if is_zip:
        if is_torchscript(path):
            if not trust:
                raise BadSource(f"{path.name} is a TorchScript archive: code, which loading it would run.", hint=_TRUST)
            return with_torchvision(lambda: torch.jit.load(path, map_location="cpu"))
        _check_archive(path, max_bytes)
    else:
        legacy_pickle.check_storages(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old formats, which are read all the same
        kwargs: dict[str, Any] = {"map_location": "cpu", "weights_only": not trust, "mmap": is_zip or None}
        return with_torchvision(lambda: torch.load(path, **kwargs))


def is_torchscript(path: Path) -> bool:
    """Whether a zip archive holds TorchScript: code/ beside constants.pkl."""
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def _check_archive(path: Path, max_bytes: int | None) -> None:
    """A zip archive may not hold more than its own size: PyTorch never compresses, so more would be a bomb."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    declared = sum(entry.file_size for entry in entries)
    if declared > path.stat().st_size:
        raise BadSource(
            f"The checkpoint {path.name} declares {declared:,} bytes of content in a file of {path.stat().st_size:,}."
        )
    memory_budget.check(declared, f"The checkpoint {path.name}", max_bytes)


def _not_only_weights(path: Path, error: pickle.UnpicklingError) -> BadSource:
    found = _GLOBAL.search(str(error))
    if found is not None:
        return BadSource(
            f"The checkpoint {path.name} is a pickled object, not only weights: loading it would run {found[1]}.",
            hint=_TRUST,
        )
    # torch's own text advises weights_only=False; only the reason at its end is passed on.
    reason = str(error).rpartition("WeightsUnpickler error:")[2].strip().splitlines() or ["no reason given"]
    return BadSource(
        f"The checkpoint {path.name} cannot be read as weights: {reason[0][:300]}",
        hint=foreign(path) or f"It is damaged, or a pickle of another kind. {_TRUST}",
    )
