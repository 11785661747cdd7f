"""The child process that opens a saved model in plain Keras and computes its outputs.

It is run as a script by its path, never imported, and proves that a `.keras` file stands alone: importing keraport, the
ONNX packages or, unless it is the backend, torch is an error in here; only where a file names a layer of
`keraport.layers` is that module there. One process serves any number of models, because importing TensorFlow takes
seconds.

Protocol: one JSON object per line. Once ready the child says {"ready": true, "backend": ..., "versions": {...}}. Then

    → {"model": "a.keras", "inputs": ["x", ...], "outputs": ["y", ...], "layers": "folder of keraport.layers",
       "cases": [{"inputs": "in0.npz", "outputs": "out0.npz"}, ...]}
    ← {"ok": true, "inputs": [{"name": "x", "shape": [null, 224, 224, 3]}], "outputs": [...], "policies": ["float32"],
       "cases": [CASE, ...]}
    ← {"ok": false, "message": ...}                            when the model does not load

"outputs" is the order of a dictionary that the model returns; one without these names keeps Keras' own. A model that
is a folder, a .tflite, an .onnx or an OpenVINO file is called by the names of both. A case may have
"carried": [[input, output, permutation], ...]: those of its inputs are outputs of the case before it.
Where the request has "noise": [layer, ...], the last arrays of a case are what these layers give in place of what they
would draw, and the answer has "draws": what they do draw, measured.
CASE is {"ok": true, "dtypes": ["float32", ...]} or {"ok": false, "message": ...}.

Arrays lie in the .npz files under "0", "1", ... in the order of the model's inputs and outputs. numpy cannot name
bfloat16 in a file, so it travels as uint16 with its true dtype beside it: "dtypes" in a case, and in the answer.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import pathlib
import re
import statistics
import sys
import time
import types
import zipfile
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from typing import Any, TextIO

LAYERS = "keraport.layers"
"""What a file may need beside Keras; it does not need the rest of keraport."""

DRAWN = 1 << 16
"""Numbers for which a noise layer is asked, twice."""

MOST_CALLS, MOST_SECONDS = 20, 1.0
"""For which a call is repeated where it is timed."""

FORBIDDEN = {"converter", "keraport", "passes", "onnx", "onnx_ir", "onnxscript"}


class Without:
    """A finder of modules to which some top-level packages are not installed."""

    def __init__(self, finder: Any, hidden: set[str]) -> None:
        self._finder = finder
        self._hidden = hidden

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith(f"{LAYERS}.") or fullname == LAYERS:
            return self._finder.find_spec(fullname, path, target)  # type: ignore[no-any-return]
        if fullname.partition(".")[0] in self._hidden:
            return None
        spec: ModuleSpec | None = self._finder.find_spec(fullname, path, target)
        return spec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def hide(names: set[str]) -> None:
    """Make these packages as good as not installed, whoever looks for them."""
    sys.meta_path[:] = [Without(finder, names) for finder in sys.meta_path]


def main() -> None:
    answers = _private_stdout()
    prepare()
    answer_all(sys.stdin, answers)


def prepare() -> None:
    """Import Keras in a process that has nothing else of what keraport needs."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    hide(FORBIDDEN if backend == "torch" else FORBIDDEN | {"torch"})
    gc.disable()  # it would look through what is being imported again and again, and finds nothing to collect
    import keras  # noqa: F401 - so that the first request finds it

    gc.enable()
    gc.freeze()  # a collection after every model does not go through TensorFlow's million objects


def answer_all(requests: Iterable[str], answers: TextIO) -> None:
    """Say what is here, then answer line by line until there is no more."""
    import keras
    import numpy

    versions = {"keras": keras.__version__, "numpy": numpy.__version__}
    _answer(answers, {"ready": True, "backend": keras.backend.backend(), "versions": versions})
    opened = _Opened()
    for line in requests:
        request = json.loads(line)
        try:
            answer = _answered(request, opened)
        except Exception as error:  # noqa: BLE001 - whatever a model does wrong is the answer, and the process lives on
            answer = _failure(error)
        _answer(answers, answer)
        if not request.get("keep"):
            opened.clear()


def _answered(request: dict[str, Any], opened: _Opened) -> dict[str, Any]:
    """What a model makes of its cases; without a model the last one is forgotten."""
    if not request["model"]:
        return {"ok": True}
    model = opened.model(request)
    told: dict[str, Any] = {"inputs": _named(model.inputs), "outputs": _named(model.outputs)}
    told["policies"] = _policies(model)
    noise = [model.get_layer(name) for name in request.get("noise", ())]
    if noise:
        told["draws"] = {layer.name: _measured(layer) for layer in noise}
    answer = {"ok": True, **told, "cases": _replay_all(model, request["cases"], request["outputs"], noise)}
    return {**answer, "seconds": _seconds(model, request["cases"][0])} if request.get("timed") else answer


class _Opened:
    """The model of the last request, where the next one may ask for it again."""

    def __init__(self) -> None:
        self._path = ""
        self._model: Any = None

    def model(self, request: dict[str, Any]) -> Any:
        if self._path != request["model"] or self._model is None:
            self.clear()
            self._path, self._model = request["model"], _open(request)
        return self._model

    def clear(self) -> None:
        """Give back what it has taken."""
        if not self._path:
            return
        import keras

        self._path, self._model = "", None
        keras.backend.clear_session()
        gc.collect()


def _open(request: dict[str, Any]) -> Any:
    """A .keras file, what builds one, or a SavedModel folder, a .tflite, .onnx or .xml file, by its own runtime."""
    import keras

    path = request["model"]
    if path.endswith((".keras", ".py")) and _has_custom_layers(path):
        _import_layers(request["layers"])
    if path.endswith(".keras"):
        return keras.models.load_model(path, compile=False, safe_mode=True)
    if path.endswith(".py"):
        return _module(path).build_model()
    exported = _module(str(pathlib.Path(__file__).with_name("exported.py")))
    return exported.opened(path, request["inputs"], request["outputs"])


def _module(path: str) -> Any:
    """A file as a module that nobody else finds by its name."""
    spec = importlib.util.spec_from_file_location(f"file_{pathlib.Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _named(tensors: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"name": tensor.name, "shape": list(tensor.shape)} for tensor in tensors]


def _policies(model: Any) -> list[str]:
    """The dtype policies of the layers; of what is no Keras model there are none."""
    layers = model._flatten_layers(include_self=False) if hasattr(model, "_flatten_layers") else ()
    return sorted({layer.dtype_policy.name for layer in layers})


def _has_custom_layers(path: str) -> bool:
    """Whether a file names layers of keraport."""
    if path.endswith(".py"):
        return LAYERS in pathlib.Path(path).read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        return b'"keraport>' in archive.read("config.json")


def _import_layers(folder: str) -> None:
    """`import keraport.layers`, with nothing else of keraport there."""
    if LAYERS in sys.modules:
        return
    package, _, _ = LAYERS.partition(".")
    bare = types.ModuleType(package)
    bare.__path__ = [str(pathlib.Path(folder).parent)]
    sys.modules[package] = bare
    importlib.import_module(LAYERS)


def _private_stdout() -> TextIO:
    """Keep the real stdout for the protocol; whatever the libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _measured(layer: Any) -> dict[str, Any]:
    """Many numbers that a layer draws by itself."""
    import keras
    import numpy

    first, second = (keras.ops.convert_to_numpy(layer.draw((DRAWN,))).astype(numpy.float64) for _ in range(2))
    moments = {"mean": first.mean(), "variance": first.var(), "least": first.min(), "most": first.max()}
    told: dict[str, Any] = {name: float(number) for name, number in moments.items()}
    return {**told, "count": DRAWN, "is_new": not numpy.array_equal(first, second)}


def _replay_all(model: Any, cases: list[dict[str, Any]], names: list[str], noise: list[Any]) -> list[dict[str, Any]]:
    answers, before = [], None
    for case in cases:
        answer, before = _replay(model, case, before, names, noise)
        answers.append(answer)
    return answers


def _replay(
    model: Any, case: dict[str, Any], before: Any, names: list[str], noise: list[Any]
) -> tuple[dict[str, Any], Any]:
    """The answer to a case, and its outputs: `before` are those of the case before, None where it failed."""
    import keras
    import numpy

    with numpy.load(case["inputs"], allow_pickle=False) as file:
        arrays = [_decoded(file[str(place)], dtype) for place, dtype in enumerate(case["dtypes"])]
    try:
        for place, output, turn in case.get("carried", ()):
            if before is None:
                raise RuntimeError("the step before has failed")
            arrays[place] = numpy.transpose(before[output], turn)
        for layer in reversed(noise):
            layer.give(arrays.pop())
        result = _call(model, arrays if len(arrays) != 1 else arrays[0])
        if isinstance(result, dict) and result.keys() == set(names):
            result = [result[name] for name in names]
        outputs = [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(result)]
    except Exception as error:  # noqa: BLE001 - as above: other cases may still run
        return _failure(error), None
    numpy.savez(case["outputs"], **{str(place): _encoded(array) for place, array in enumerate(outputs)})
    return {"ok": True, "dtypes": [array.dtype.name for array in outputs]}, outputs


def _seconds(model: Any, case: dict[str, Any]) -> float | None:
    """What a call takes, the median of some; None where it stops."""
    import numpy

    with numpy.load(case["inputs"], allow_pickle=False) as file:
        arrays = [_decoded(file[str(place)], dtype) for place, dtype in enumerate(case["dtypes"])]
    given = arrays if len(arrays) != 1 else arrays[0]
    times: list[float] = []
    while len(times) < MOST_CALLS and sum(times) < MOST_SECONDS:
        start = time.perf_counter()
        try:
            _call(model, given)
        except Exception:  # noqa: BLE001 - the case has told it
            return None
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _call(model: Any, inputs: Any) -> Any:
    """As a user would. On JAX that is compiled as a whole: operation by operation it takes five times as long."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        def forward(trainable: Any, others: Any, tensors: Any) -> Any:
            return model.stateless_call(trainable, others, tensors, training=False)[0]

        groups = (model.trainable_variables, model.non_trainable_variables)
        weights = [[variable.value for variable in group] for group in groups]
        try:
            return jax.jit(forward)(*weights, inputs)
        except Exception:  # noqa: BLE001 - shapes that depend on values are for eager JAX; what fails there is told
            return model(inputs, training=False)
    return model(inputs, training=False)


def _failure(error: Exception) -> dict[str, Any]:
    return {"ok": False, "message": re.sub(r"\x1b\[[0-9;]*m", "", f"{type(error).__name__}: {error}")}


def _decoded(array: Any, dtype: str) -> Any:
    import ml_dtypes

    return array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array


def _encoded(array: Any) -> Any:
    return array.view("uint16") if array.dtype.name == "bfloat16" else array


if __name__ == "__main__":
    main()
