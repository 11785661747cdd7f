"""keraport.layers.Noise: what it draws, how often, of which sizes, and what it does not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from converter.processes.replay import Replay
from keraport.layers import Noise

X = np.zeros((3, 4), "float32")


def model(**config: Any) -> keras.Model:
    x = keras.Input((4,), name="x")
    sizes = [["multiply", 2, ["size", 0, 0]], 4]
    return keras.Model(x, Noise(**{"distribution": "normal", "sizes": sizes, "name": "noise", **config})(x))


@pytest.mark.parametrize(("distribution", "mean", "variance"), [("normal", 0.0, 1.0), ("uniform", 0.5, 1 / 12)])
def test_moments(distribution: str, mean: float, variance: float) -> None:
    drawn = keras.ops.convert_to_numpy(Noise(distribution, [100_000], 1)(X))
    assert abs(drawn.mean() - mean) < 0.02 and abs(drawn.var() - variance) < 0.02
    assert distribution == "normal" or (drawn.min() >= 0 and drawn.max() < 1)


@pytest.mark.parametrize("training", [True, False])
def test_each_call_draws_anew(training: bool) -> None:
    net = model()
    assert net.output.shape == (None, 4)
    first, second = (keras.ops.convert_to_numpy(net(X, training=training)) for _ in range(2))
    assert first.shape == (6, 4) and not np.array_equal(first, second)
    assert not np.array_equal(net.predict(X, verbose=0), net.predict(X, verbose=0))


def test_a_seed_is_a_sequence() -> None:
    first, same, other = (keras.ops.convert_to_numpy(model(seed=seed)(X)) for seed in (5, 5, 6))
    assert np.array_equal(first, same) and not np.array_equal(first, other)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_it_is_saved_and_draws_on_every_backend(backend: str, tmp_path: Path) -> None:
    model(distribution="uniform").save(tmp_path / "m.keras")
    replayed = Replay.warm(backend).replay(tmp_path / "m.keras", [[X]])
    (drawn,) = replayed.cases[0]
    assert isinstance(drawn, np.ndarray) and drawn.shape == (6, 4) and len(set(drawn.ravel().tolist())) > 20


def test_given_numbers_are_handed_on_until_they_are_not() -> None:
    net = model()
    numbers = np.arange(24, dtype="float32").reshape(6, 4)
    net.get_layer("noise").give(numbers)
    assert np.array_equal(keras.ops.convert_to_numpy(net(X)), numbers)
    with pytest.raises(ValueError, match=r"given numbers of shape \(6, 4\). It would draw numbers of shape \(2, 4\)"):
        net(X[:1])
    net.get_layer("noise").give(None)
    assert not np.array_equal(keras.ops.convert_to_numpy(net(X)), numbers)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"distribution": "cauchy"}, "distribution is one of normal, uniform"),
        ({"distribution": ["normal"]}, "distribution is one of"),
        ({"seed": -1}, "seed is a number from 0"),
        ({"seed": True}, "seed is a number from 0"),
        ({"seed": 1 << 40}, "seed is a number from 0"),
        ({"sizes": "4"}, "sizes must be a list"),
        ({"sizes": [["system", 1, 2]]}, "Sizes are computed by"),
        ({"dtype": "int32"}, "floating-point numbers"),
    ],
)
def test_what_it_does_not_take(config: dict[str, Any], said: str) -> None:
    given = {**Noise("normal", [4]).get_config(), **config}
    with pytest.raises((ValueError, TypeError), match=said):
        Noise.from_config(given)
