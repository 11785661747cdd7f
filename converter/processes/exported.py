"""A SavedModel or a LiteRT file as something to call, in the child that replays: each by its own runtime.

Loaded by `replay_child.py` from beside it, never imported as a part of keraport.
"""

from __future__ import annotations

from typing import Any


class SavedModel:
    """The default signature of a SavedModel folder."""

    inputs: tuple[Any, ...] = ()

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        import tensorflow as tf

        self._loaded = tf.saved_model.load(path)
        self._names, self._outputs = inputs, outputs

    def __call__(self, arrays: Any, *, training: bool = False) -> list[Any]:
        import tensorflow as tf

        given = {name: tf.constant(array) for name, array in zip(self._names, _listed(arrays), strict=True)}
        found = self._loaded.signatures["serving_default"](**given)
        return [found[name] for name in self._outputs]


class Lite:
    """A LiteRT file; its sizes are set to those of each call."""

    inputs: tuple[Any, ...] = ()

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        self._interpreter = _interpreter(path)
        self._names, self._outputs = inputs, outputs

    def __call__(self, arrays: Any, *, training: bool = False) -> list[Any]:
        run = self._interpreter.get_signature_runner("serving_default")
        found = run(**dict(zip(self._names, _listed(arrays), strict=True)))
        return [found[name] for name in self._outputs]


def _interpreter(path: str) -> Any:
    """LiteRT's own package where it is installed; TensorFlow still has the same."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import warnings

        import tensorflow as tf

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TensorFlow will drop it
            return tf.lite.Interpreter(model_path=path)
    return Interpreter(model_path=path)


def _listed(arrays: Any) -> list[Any]:
    return list(arrays) if isinstance(arrays, list | tuple) else [arrays]
