"""Options that several commands have: what the source is, how it is loaded, and how it is converted."""

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
LayoutOption = Annotated[
    Literal["channels_last", "source"],
    typer.Option("--layout", help="Axes of image inputs and outputs: the Keras way, or as in the source."),
]
StructureOption = Annotated[
    Literal["modules", "flat"], typer.Option("--structure", help="A nested model per module, or one flat model.")
]
Examples = Annotated[
    list[Path] | None,
    typer.Option("--example", metavar="FILE", help="Inputs of your own: .npz by name, .npy or an image per input."),
]
Normalise = Annotated[
    Literal["0-1", "0-255", "imagenet"], typer.Option("--normalise", help="What the pixels of --example images become.")
]
VerifyOn = Annotated[
    str | None,
    typer.Option("--verify-on", metavar="BACKENDS", help="Keras backends to verify on: tensorflow,jax,torch."),
]
LeastSignal = Annotated[
    float | None,
    typer.Option("--min-signal", metavar="DB", help="What a file of fewer bits keeps. Default: 10 to 40 dB."),
]
FoldBatchnorm = Annotated[bool, typer.Option("--fold-batchnorm", help="Fold BatchNorm into the layer before it.")]
Portable = Annotated[
    bool, typer.Option("--portable", help="Refuse what plain Keras cannot say, instead of a layer of keraport.layers.")
]
Dequantise = Annotated[
    bool, typer.Option("--dequantise", help="Of a quantised file: the float model that it stands for.")
]
NoDropout = Annotated[bool, typer.Option("--no-dropout", help="Leave the source's Dropout layers out.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.json", help="Write what was done, on failure too.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE.html", help="The same as a page.")]
