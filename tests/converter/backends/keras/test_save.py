"""A large model is written without a second copy of its weights, and the file is the one that Keras writes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.saving import saving_lib

from converter.backends.keras import save as saving
from converter.backends.keras.build.mapped import let_go


def small() -> keras.Model:
    inputs = keras.Input((3,), name="x")
    return keras.Model(inputs, keras.layers.Dense(4, name="dense")(inputs), name="small")


def test_a_large_model_is_written_by_way_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = small(), []
    sufficient = saving_lib.is_memory_sufficient
    monkeypatch.setattr(saving_lib, "is_memory_sufficient", lambda m: asked.append(m) or sufficient(m))
    saving.save(model, tmp_path / "kept.keras")
    assert asked == [model]
    monkeypatch.setattr(saving, "LARGE", 0)
    saving.save(model, tmp_path / "streamed.keras")
    assert asked == [model]  # nobody asked again
    with zipfile.ZipFile(tmp_path / "kept.keras") as kept, zipfile.ZipFile(tmp_path / "streamed.keras") as streamed:
        assert kept.namelist() == streamed.namelist()
        assert json.loads(kept.read("config.json")) == json.loads(streamed.read("config.json"))
    loaded = keras.saving.load_model(tmp_path / "streamed.keras")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.keras", "streamed.keras"]


def test_a_keras_that_has_one_way_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "LARGE", 0)
    monkeypatch.setattr(saving, "_ENOUGH", "is_something_else")
    saving.save(small(), tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").count_params() == 16


def test_pages_of_a_file_are_let_go_and_read_again(tmp_path: Path) -> None:
    numbers = np.arange(1 << 20, dtype=np.float32)
    numbers.tofile(tmp_path / "data")
    mapped = np.memmap(tmp_path / "data", np.uint8, "r")
    part = mapped[4096 * 3 + 20 : 4096 * 9 + 28].view(np.float32).reshape(2, -1)
    before = part.copy()
    let_go(part)
    assert np.array_equal(part, before) and np.array_equal(np.asarray(mapped).view(np.float32), numbers)


def test_what_is_in_memory_stays() -> None:
    numbers = np.arange(12.0).reshape(3, 4)
    for array in (numbers, numbers[1:], np.float32(3) * np.ones(()), np.frombuffer(b"12345678", np.uint8)):
        before = array.copy()
        let_go(array)
        assert np.array_equal(array, before)
