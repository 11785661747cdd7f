"""Types of transformers: each is built, is small, and takes what its manifest says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import converter
from converter.input_spec import parse_inputs
from converter.sources.by_name.factory import find_factory
from converter.sources.torch.call import examples
from converter.zoo.manifests.manifest import read
from converter.zoo.records.entry import Entry
from models import transformers_types
from models.transformers_types import small
from scripts.children import ROOT
from tests.zoo import needs

needs("transformers")

MAX_PARAMETERS = 500_000
ENTRIES = read([ROOT / "models" / "transformers.toml"])


def test_there_are_as_many_as_are_promised() -> None:
    assert len(ENTRIES) >= 150
    assert {entry.folder for entry in ENTRIES} == {str(ROOT)}


def test_every_type_is_in_the_manifest() -> None:
    """A builder is a line of a file of its own kind; small.py has none."""
    folder = Path(transformers_types.__file__).parent
    files = {path.stem: path.read_text() for path in folder.glob("*.py")}
    defined = [
        f"models.transformers_types.{stem}:{line.partition(' ')[0]}"
        for stem, text in files.items()
        if stem != Path(small.__file__).stem
        for line in text.splitlines()
        if " = partial(" in line
    ]
    assert sorted(defined) == sorted(entry.source for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_type(entry: Entry) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = find_factory(entry.source)().eval()
    assert sum(parameter.numel() for parameter in module.parameters()) <= MAX_PARAMETERS
    call = examples.from_specs(module, parse_inputs(entry.inputs))
    with torch.no_grad():
        output = module(*call.args, **call.kwargs)
    tensors = output if isinstance(output, tuple) else (output,)
    assert tensors
    assert all(isinstance(tensor, torch.Tensor) and bool(tensor.isfinite().all()) for tensor in tensors)


@pytest.mark.parametrize(
    "name", ["bert", "llama", *(pytest.param(name, marks=pytest.mark.slow) for name in ("t5", "deberta_v2"))]
)
def test_converted_for_any_batch_and_length(name: str) -> None:
    """Masks by lookup, rotary positions and shared heads, biases by distance, heads merged into the batch."""
    entry = next(entry for entry in ENTRIES if entry.name == f"transformers:{name}")
    conversion = converter.convert(entry.source, inputs=entry.inputs, random_weights=17)
    assert conversion.verified
    compared = [tuple(case["shape"]["input_ids"]) for case in conversion.report.verification["cases"]]
    assert len({batch for batch, _ in compared}) > 1
    assert len({length for _, length in compared}) > 1
