"""Models of other libraries: each is built, is small, and takes what its manifest says, where its library is there."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch.utils._pytree import tree_leaves

from converter.input_spec import parse_inputs
from converter.sources.by_name.factory import find_factory
from converter.sources.torch.call import examples
from converter.zoo.manifests.manifest import read
from converter.zoo.records.entry import Entry
from scripts.children import ROOT
from tests.zoo import needs

needs("torchvision")

ENTRIES = read([ROOT / "models" / "other_zoos.toml"])


def test_there_are_as_many_as_are_promised() -> None:
    assert len(ENTRIES) >= 40
    assert all(entry.license for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_model(entry: Entry) -> None:
    library = entry.name.partition(":")[0]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed: pip install '.[zoos]'")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = find_factory(entry.source)().eval()
    call = examples.from_specs(module, parse_inputs(entry.inputs))
    with torch.no_grad():
        output = module(*call.args, **call.kwargs)
    tensors = tree_leaves(output)
    assert all(isinstance(tensor, torch.Tensor) and bool(tensor.isfinite().all()) for tensor in tensors)
