"""`transformers:FOLDER`: a model saved with save_pretrained. Local files only, and no code from the folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from converter.input_spec import InputSpec
from converter.sources.torch.call.examples import BATCH
from converter.sources.torchvision_import import import_optional, import_torchvision
from passes.errors import BadSource, UsageError

Build = Callable[[], torch.nn.Module]
Inputs = Callable[[torch.nn.Module], list[InputSpec]]


def build_transformers(folder: str, *, random: bool) -> tuple[Build, Inputs]:
    """How to build the model in `folder` (with random weights: from its configuration alone), and its inputs.

    Raises:
        UsageError: transformers is not installed, or `folder` is not a folder.
        BadSource: the folder holds no model that transformers itself defines.
    """
    transformers: Any = import_optional("transformers")
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()  # transformers imports it too, and does not get it past its missing operators
    if not Path(folder).is_dir():
        raise UsageError(f"There is no folder {folder!r}; models are not downloaded.")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **local)
    except Exception as error:  # transformers raises many kinds for a bad config.json
        raise BadSource(f"{folder} has no configuration that transformers can read: {error}") from error
    names = config.architectures or ["AutoModel"]
    try:
        architecture = getattr(transformers, names[0])
    except (AttributeError, ImportError) as error:
        raise BadSource(f"transformers has no class {names[0]!r}; code from the folder is not run.") from error
    config.use_cache = False

    def build() -> torch.nn.Module:
        try:
            if random:
                model = architecture.from_config(config) if names[0] == "AutoModel" else architecture(config)
            else:
                model = architecture.from_pretrained(folder, config=config, use_safetensors=True, **local)
        except Exception as error:  # missing, damaged or unsafe weight files
            raise BadSource(f"The model in {folder} cannot be loaded: {error}") from error
        if not isinstance(model, torch.nn.Module):
            raise BadSource(f"{names[0]} is not a torch.nn.Module.")
        return model

    return build, lambda module: _inputs(module, config)


def _inputs(module: torch.nn.Module, config: Any) -> list[InputSpec]:
    """Images of the configured size, or token ids with their mask."""
    main = str(getattr(module, "main_input_name", "input_ids"))
    if main == "pixel_values":
        size = getattr(config, "image_size", 224)
        height, width = size if isinstance(size, (list, tuple)) else (size, size)
        return [InputSpec(main, "float32", (BATCH, getattr(config, "num_channels", 3), height, width))]
    if main == "input_ids":
        return [InputSpec(name, "int64", (BATCH, "sequence")) for name in ("input_ids", "attention_mask")]
    return []
