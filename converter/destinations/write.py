"""SavedModel folders, LiteRT, ONNX and OpenVINO files, weights and code, by Keras and the tools made for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.destinations.kinds import Destination
from converter.destinations.lite_file import write_lite
from converter.temporary import temporary_folder
from passes.errors import ConversionError, Unsupported, UsageError, first_line

if TYPE_CHECKING:
    import keras

    from converter.destinations.quantise import Quantisation


SignatureNames = tuple[Sequence[str], Sequence[str]]
"""Of the inputs and the outputs in a signature, in the order of the model's."""


def write(
    model: keras.Model,
    destination: Destination,
    names: SignatureNames,
    to: Path,
    quantisation: Quantisation | None = None,
    samples: Sequence[Sequence[Any]] = (),
    classes: Mapping[str, str] | None = None,
) -> None:
    """Write the model in the format of the destination.

    Args:
        to: where it is written, before it has been proven.
        quantisation: of a LiteRT file.
        samples: inputs of the model to calibrate it with.
        classes: of the source's modules, by the names of their nested models: functions of code are called so.

    Raises:
        UsageError: Keras does not run on TensorFlow.
        Unsupported: TensorFlow, or what reads its SavedModel, cannot write it, with its reason.
    """
    import keras

    if destination.format == "weights":
        model.save_weights(to)
        return
    if destination.format == "code":
        from converter.destinations.code.module import write_code

        write_code(model, classes or {}, to)
        return
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"{destination.format} is written by TensorFlow, and Keras runs on {keras.backend.backend()}.",
            hint="Set KERAS_BACKEND=tensorflow.",
        )
    try:
        if destination.format == "savedmodel":
            _saved_model(model, names, to)
        elif destination.format == "onnx":
            from converter.destinations.onnx_file import write_onnx

            write_onnx(*_endpoint(model, names), to)
        else:
            with temporary_folder("export") as folder:
                saved = Path(folder) / "model"
                _saved_model(model, names, saved)
                if destination.format == "openvino":
                    from converter.destinations.openvino_files import write_openvino

                    write_openvino(saved, names, to)
                else:
                    given = [dict(zip(names[0], arrays, strict=True)) for arrays in samples]
                    write_lite(saved, to, quantisation, given)
    except (ConversionError, ImportError, OSError, MemoryError):
        raise
    except Exception as error:  # what writes these files is not ours, and raises what it likes
        reason = first_line(error)
        raise Unsupported(f"TensorFlow cannot write the model as {destination.format}: {reason}") from error


def _endpoint(model: keras.Model, names: SignatureNames) -> tuple[Any, list[Any]]:
    """The model as a function of tensors, with the outputs by name, and what it takes."""
    import keras
    import tensorflow as tf

    inputs, outputs = names

    def serve(*tensors: Any) -> dict[str, Any]:
        given = list(tensors) if len(tensors) > 1 else tensors[0]
        with _functions_inlined():
            return dict(zip(outputs, keras.tree.flatten(model(given, training=False)), strict=True))

    signature = [
        tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for tensor, name in zip(model.inputs, inputs, strict=True)
    ]
    return serve, signature


@contextmanager
def _functions_inlined() -> Iterator[None]:
    """Functions of TensorFlow that are called while another is traced become a part of it.

    Keras compiles grouped convolutions by XLA for the sake of their gradients; tf2onnx does not look into a call of
    such a function.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _saved_model(model: keras.Model, names: SignatureNames, to: Path) -> None:
    import keras

    serve, signature = _endpoint(model, names)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, input_signature=signature)
    archive.write_out(str(to), verbose=False)
