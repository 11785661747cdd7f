"""A named model with random weights as an .onnx file, as keraport exports it before it converts.

python -m scripts.export_onnx torchvision:resnet50 FILE.onnx [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from scripts.children import Result, reply


def main(arguments: Sequence[str]) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    import onnx_ir as ir

    from converter.sources import load

    ir.save(load(options.name, random_weights=options.seed).model, options.file)
    return {"file": str(options.file), "bytes": options.file.stat().st_size}


if __name__ == "__main__":
    reply(main)
