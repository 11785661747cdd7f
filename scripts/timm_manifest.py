"""Write models/timm.toml: of every architecture module of timm the model with the fewest parameters.

python -m scripts.timm_manifest [--check]

Every model of timm is built for that, without memory for its weights: a quarter of an hour. `--check` writes nothing
and ends with 1 where models/timm.toml is not up to date.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence

import torch
from rich.console import Console
from rich.progress import track

from converter.sources.torchvision_import import import_torchvision
from scripts.children import ROOT

OUTPUT = ROOT / "models" / "timm.toml"
HEAD = """\
# Of every architecture module of timm {version} the model with the fewest parameters, with random weights.
# Made by scripts/timm_manifest.py.
"""
MODEL = """
[[model]]
source = "timm:{name}"
random_weights = true
tags = ["timm", "{module}"]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    text = manifest()
    if check:
        return int(text != OUTPUT.read_text())
    OUTPUT.write_text(text)
    return 0


def manifest() -> str:
    import_torchvision()
    import timm

    chosen = {
        module: min(_sizes(timm.list_models(module=module)))[1]
        for module in track(timm.list_modules(), "timm", console=Console(stderr=True))
    }
    models = "".join(MODEL.format(name=name, module=module) for module, name in sorted(chosen.items()))
    return HEAD.format(version=timm.__version__) + models


def _sizes(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """How many parameters each has."""
    import timm

    for name in names:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated names, and initialisation that does nothing
            model = timm.create_model(name, pretrained=False)
        yield sum(parameter.numel() for parameter in model.parameters()), name


if __name__ == "__main__":
    raise SystemExit(main())
