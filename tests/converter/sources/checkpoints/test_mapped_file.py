"""Tensors of a mapped file: what lies in it, and what may be let go."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from converter.sources import load
from converter.sources.checkpoints import mapped_file
from converter.sources.checkpoints.mapped_file import MappedFile, in_own_maps
from converter.sources.torch.mapped_graph import map_weights
from models import large_transformer

WIDTH = 160
SPEC = f"x=float32[batch,8,{WIDTH}]"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "large.safetensors"
    safetensors.torch.save_file(large_transformer.build(1, WIDTH).state_dict(), path)
    return path


def mapping_of(array: Any) -> Any:
    while isinstance(array, np.ndarray):
        array = array.base
    return array


def arrays_of(source: Any) -> dict[str, Any]:
    return {name: value.const_value.raw for name, value in source.model.graph.initializers.items()}


def test_the_graph_reads_the_file(checkpoint: Path) -> None:
    told = {"inputs": [SPEC], "model_args": {"layers": 1, "width": WIDTH}}
    source = load("models.large_transformer:build", checkpoint=checkpoint, **told)
    module = large_transformer.build(1, WIDTH)
    module.load_state_dict(safetensors.torch.load_file(checkpoint))
    ordinary = load(module, inputs=[SPEC])
    assert source.model.graph.initializers.keys() == ordinary.model.graph.initializers.keys()
    for name, value in ordinary.model.graph.initializers.items():
        own, other = source.model.graph.initializers[name].const_value, value.const_value
        assert np.array_equal(own.numpy(), other.numpy()) and own.dtype == other.dtype, name
        assert isinstance(mapping_of(own.raw), mmap.mmap) is (own.nbytes >= mapped_file.LEAST), name
    before = {name: np.array(array) for name, array in arrays_of(source).items() if isinstance(array, np.ndarray)}
    source.let_go()
    assert len(before) == 6
    assert all(np.array_equal(arrays_of(source)[name], array) for name, array in before.items())


def test_the_users_module_is_as_it_was(checkpoint: Path) -> None:
    module = large_transformer.build(1, WIDTH)
    tensors = {name: (id(tensor), tensor.detach().clone()) for name, tensor in module.named_parameters()}
    source = load(module, inputs=[SPEC], checkpoint=checkpoint)
    assert any(isinstance(mapping_of(array), mmap.mmap) for array in arrays_of(source).values())
    for name, tensor in module.named_parameters():
        assert (id(tensor), True) == (tensors[name][0], torch.equal(tensor, tensors[name][1]))


def test_what_was_written_stays_and_the_file_does_too(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    state, (file,) = in_own_maps(safetensors.torch.load_file(checkpoint))
    weight = state["layers.0.up.weight"]
    assert file.is_as_read and file.bytes_of(weight) is not None
    weight += 1
    assert not file.is_as_read
    expected = weight.clone()
    file.let_go()
    assert torch.equal(weight, expected) and checkpoint.read_bytes() == content


def test_a_graph_with_a_weight_that_was_written_is_not_the_files(checkpoint: Path) -> None:
    state, files = in_own_maps(safetensors.torch.load_file(checkpoint))
    module = large_transformer.build(1, WIDTH)
    module.load_state_dict(state, assign=True)
    source = load(module, inputs=[SPEC])
    with torch.no_grad():
        module.layers[0].up.weight += 1
    map_weights(source.model, files)
    assert not any(isinstance(mapping_of(array), mmap.mmap) for array in arrays_of(source).values())


def test_small_and_odd_tensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file({"a": torch.rand(300, 200), "b": torch.rand(5)}, path)
    read = safetensors.torch.load_file(path)
    given = {**read, "turned": read["a"].T, "none": torch.zeros(0), "own": torch.rand(300, 300)}
    state, (file,) = in_own_maps(given)
    assert all(torch.equal(state[name], given[name]) for name in given)
    assert [name for name in state if file.bytes_of(state[name]) is not None] == ["a"]
    assert state["own"] is given["own"] and state["b"].data_ptr() != read["b"].data_ptr()


def test_another_file_of_that_name(checkpoint: Path) -> None:
    read = safetensors.torch.load_file(checkpoint)
    other = checkpoint.with_suffix(".other")
    other.write_bytes(b"something else")
    other.replace(checkpoint)
    state, files = in_own_maps(read)
    assert files == () and all(torch.equal(state[name], read[name]) for name in read)
    with pytest.raises(FileNotFoundError):
        MappedFile(str(checkpoint), 1)


def test_where_the_system_does_not_tell(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = safetensors.torch.load_file(checkpoint)
    _, (file,) = in_own_maps(read)
    monkeypatch.setattr(mapped_file, "_MAPS", Path("/nowhere/maps"))
    monkeypatch.setattr(mapped_file, "_PAGES", Path("/nowhere/smaps"))
    assert in_own_maps(read) == (read, ()) and not file.is_as_read
