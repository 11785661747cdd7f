"""Options that several commands have: what the source is, and how it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

SOURCE_HELP = (
    "model.onnx, program.pt2, package.module:factory, torchvision:NAME, timm:NAME or transformers:FOLDER. "
    "A factory and a named model take their weights from --checkpoint."
)
SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="Weights: .pt, .safetensors, .pt2, a folder."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="SPEC", help="name=float32\\[batch,3,224,224]; a name is a dynamic dimension."),
]
RandomWeights = Annotated[
    int | None, typer.Option("--random-weights", metavar="SEED", help="Draw the weights at random instead.")
]
ModelArgs = Annotated[
    list[str] | None,
    typer.Option("--model-arg", metavar="NAME=VALUE", help="Given to the factory or builder: num_classes=10."),
]
Constants = Annotated[
    list[str] | None,
    typer.Option("--constant", metavar="NAME=VALUE", help="An input of an ONNX file that has always this value."),
]
State = Annotated[
    Literal["refuse", "inputs"],
    typer.Option("--state", help="Buffers that forward() writes to: refuse, or make each an input and an output."),
]
Trust = Annotated[bool, typer.Option("--trust", help="Load pickled modules and TorchScript, which can run code.")]
MaxBytes = Annotated[
    int | None, typer.Option("--max-bytes", metavar="N", help="Refuse larger models. Default: half of the memory.")
]
