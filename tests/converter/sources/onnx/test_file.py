"""ONNX files as the source: what is read, where the weights stay, and what is refused before it is read."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter import convert
from converter.sources import load
from converter.sources.onnx import lazy_protobuf
from converter.sources.onnx.checks import MAX_NESTING
from passes.errors import BadSource, ConversionError, LimitExceeded, Unsupported, UsageError
from tests.zoo import zoo_file

WEIGHT = np.arange(1024, dtype=np.float32).reshape(32, 32)


def model_with(weight: onnx.TensorProto, opset: int = 17) -> onnx.ModelProto:
    """y = x @ weight."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", weight.name], ["y"], name="matmul")],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 32])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def write(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def external(location: str, **entries: int) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[32, 32], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize("name", ["version-RFB-320.onnx", "yunet_n_320_320.onnx", "silero_vad_16k_op15.onnx"])
def test_real_models_are_read_as_they_are(name: str) -> None:
    path = zoo_file(name)
    source = load(path)
    reference = ir.load(path)
    assert [node.op_type for node in source.model.graph] == [node.op_type for node in reference.graph]
    assert list(source.model.graph.initializers) == list(reference.graph.initializers)
    for key, value in reference.graph.initializers.items():
        read = source.model.graph.initializers[key].const_value
        assert read is not None and value.const_value is not None
        np.testing.assert_array_equal(read.numpy(), value.const_value.numpy())
    assert source.kind == "onnx" and source.path == path and source.torch_module is None


def test_weights_listed_as_inputs_are_no_inputs() -> None:
    source = load(zoo_file("version-RFB-320.onnx"))
    assert len(source.model.graph.inputs) == 245
    assert [str(spec) for spec in source.inputs] == ["input=float32[1,3,240,320]"]


def test_dynamic_inputs_are_reported_and_can_be_fixed() -> None:
    path = zoo_file("silero_vad_16k_op15.onnx")
    assert str(load(path).inputs[0]) == "input=float32[batch,sequence]"
    source = load(path, inputs=["input=float32[1,512]"])
    assert str(source.inputs[0]) == "input=float32[1,512]"


def test_sizes_of_minus_one_are_open(tmp_path: Path) -> None:
    model = model_with(numpy_helper.from_array(WEIGHT, "w"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    path = write(model, tmp_path / "m.onnx")
    assert str(load(path).inputs[0]) == "x=float32[?,32]"
    assert str(load(path, inputs=["x=float32[5,32]"]).inputs[0]) == "x=float32[5,32]"
    conversion = convert(path)
    assert conversion.verified and conversion.model.input_shape == (None, 32)


@pytest.mark.parametrize("name", ["?", "-1", "None", "*"])
def test_two_sizes_without_a_name_are_not_one(name: str, tmp_path: Path) -> None:
    """Paddle calls every open size `?`, between the nodes too: there is nothing that says that they are equal."""
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N,2,N,N] x) => (float[N,N,N,N] y)
        <float[2,2,1,1] w = {1, 2, 3, 4}, float[N,N,N,N] c> {
        c = Conv<kernel_shape=[1, 1], strides=[2, 1]>(x, w)  y = Concat<axis=2>(x, c) }"""
    model = onnx.parser.parse_model(text.replace("N", "UNKNOWN"))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = name
    path = write(model, tmp_path / "m.onnx")
    assert str(load(path).inputs[0]) == "x=float32[?,2,?,?]"
    conversion = convert(path)
    assert conversion.verified and conversion.report.transposes == 0
    sizes = [case["shape"]["x"] for case in conversion.report.verification["cases"]]
    assert [2, 2, 64, 64] in sizes and [1, 2, 96, 128] in sizes


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("other=float32[1,512]", "no input 'other'"),
        ("input=int64[1,512]", "is float32, not int64"),
        ("input=float32[1,2,3]", "has 2 dimensions, not 3"),
        ("state=float32[3,1,128]", "fixed size 2 where 3"),
        ("state=float32[n,1,128]", "fixed size 2 where 'n'"),
    ],
)
def test_wrong_input_specifications(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(zoo_file("silero_vad_16k_op15.onnx"), inputs=[spec])


def test_the_graph_still_runs_after_a_round_trip(tmp_path: Path) -> None:
    path = zoo_file("yunet_n_320_320.onnx")
    ir.save(load(path).model, tmp_path / "copy.onnx")
    x = np.random.default_rng(0).random((1, 3, 320, 320), np.float32)
    expected = ort.InferenceSession(path).run(None, {"input": x})
    for one, other in zip(expected, ort.InferenceSession(tmp_path / "copy.onnx").run(None, {"input": x}), strict=True):
        np.testing.assert_array_equal(one, other)


def test_torch_is_not_imported() -> None:
    path = zoo_file("yunet_n_320_320.onnx")
    code = f"import sys; from converter.sources import load; load({str(path)!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("opset", [9, 13, 17, 21, onnx.defs.onnx_opset_version()])
def test_opsets_from_9_to_the_newest(tmp_path: Path, opset: int) -> None:
    source = load(write(model_with(numpy_helper.from_array(WEIGHT, "w"), opset), tmp_path / "m.onnx"))
    assert source.model.opset_imports[""] == opset


@pytest.mark.parametrize("opset", [0, onnx.defs.onnx_opset_version() + 1])
def test_other_opsets_are_refused(tmp_path: Path, opset: int) -> None:
    with pytest.raises(Unsupported, match=f"opset {opset}"):
        load(write(model_with(numpy_helper.from_array(WEIGHT, "w"), opset), tmp_path / "m.onnx"))


def test_large_weights_stay_in_the_file(tmp_path: Path) -> None:
    path = write(model_with(numpy_helper.from_array(WEIGHT, "w")), tmp_path / "m.onnx")
    tensor = load(path).model.graph.initializers["w"].const_value
    assert isinstance(tensor, ir.Tensor)
    np.testing.assert_array_equal(tensor.numpy(), WEIGHT)
    base = tensor.numpy()
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "int8", "uint16", "int64", "bool", "int4"])
def test_types_of_mapped_weights(tmp_path: Path, dtype: str) -> None:
    import ml_dtypes

    numpy_type = np.dtype(getattr(ml_dtypes, dtype)) if hasattr(ml_dtypes, dtype) else np.dtype(dtype)
    array = np.random.default_rng(0).integers(0, 2, (64, 63)).astype(numpy_type)
    model = ir.Model(
        ir.Graph([], [], nodes=[ir.node("Identity", [], name="n")], initializers=[], opset_imports={"": 21}),
        ir_version=10,
    )
    value = ir.Value(name="w", const_value=ir.tensor(array, name="w"))
    model.graph.register_initializer(value)
    node = model.graph[0]
    model.graph.remove(node)
    model.graph.append(ir.node("Identity", [value], outputs=[ir.Value(name="y")]))
    model.graph.outputs.append(model.graph[0].outputs[0])
    ir.save(model, tmp_path / "m.onnx")
    read = load(tmp_path / "m.onnx").model.graph.initializers["w"].const_value
    assert read is not None
    assert read.dtype == value.const_value.dtype  # type: ignore[union-attr]
    np.testing.assert_array_equal(read.numpy(), array)


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 64 + WEIGHT.tobytes())
    path = write(model_with(external("w.bin", offset=64, length=4096)), tmp_path / "m.onnx")
    tensor = load(path).model.graph.initializers["w"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), WEIGHT)


def test_external_data_of_constants_and_subgraphs(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    constant = helper.make_node("Constant", [], ["w"], value=external("w.bin"))
    branch = helper.make_graph(
        [constant], "branch", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, [32, 32])]
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        "graph",
        [helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [32, 32])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    loaded = load(write(model, tmp_path / "m.onnx")).model
    constants = [node for node in loaded.graph.all_nodes() if node.op_type == "Constant"]
    assert len(constants) == 2
    for node in constants:
        np.testing.assert_array_equal(node.attributes["value"].as_tensor().numpy(), WEIGHT)


def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    """A sparse file: 2.5 GB that take no room on the disk, and no memory when they are mapped."""
    size = 2_500_000_000
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(size)
    tensor = external("w.bin")
    tensor.dims[:] = [32, size // 128]
    source = load(write(model_with(tensor), tmp_path / "m.onnx"), max_bytes=2 * size)
    value = source.model.graph.initializers["w"].const_value
    assert value is not None and value.nbytes == size


def test_more_than_two_gigabytes_in_one_file(tmp_path: Path) -> None:
    """protobuf itself cannot parse such a file; with the weights left out it can."""
    size = 2_500_000_000
    marker = b"\x01" * 4096
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[32, 32], raw_data=marker)
    serialized = model_with(tensor).SerializeToString()
    # Rewritten by hand: the lengths of graph, tensor and raw_data grow by what the file grows.
    data = memoryview(serialized)
    (graph,) = [field for field in lazy_protobuf.fields(data, 0, len(data)) if field.number == 7]
    (weight,) = [field for field in lazy_protobuf.fields(data, graph.value, graph.end) if field.number == 5]
    shape = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[32, size // 128]).SerializeToString()
    raw_head = lazy_protobuf._encoded(9 << 3 | 2) + lazy_protobuf._encoded(size)
    weight_head = lazy_protobuf._encoded(5 << 3 | 2) + lazy_protobuf._encoded(len(shape) + len(raw_head) + size)
    before, after = bytes(data[graph.value : weight.begin]), bytes(data[weight.end : graph.end])
    content = len(before) + len(weight_head) + len(shape) + len(raw_head) + size + len(after)
    graph_head = lazy_protobuf._encoded(7 << 3 | 2) + lazy_protobuf._encoded(content)
    with (tmp_path / "m.onnx").open("wb") as file:
        file.write(bytes(data[: graph.begin]) + graph_head + before + weight_head + shape + raw_head)
        file.seek(size, os.SEEK_CUR)
        file.write(after + bytes(data[graph.end :]))
    value = load(tmp_path / "m.onnx", max_bytes=2 * size).model.graph.initializers["w"].const_value
    assert value is not None and value.nbytes == size and value.numpy()[0, 0] == 0


def test_a_hub_cache_of_links(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "abc" / "onnx", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1").write_bytes(WEIGHT.tobytes())
    write(model_with(external("w.bin")), blobs / "2")
    (snapshot / "w.bin").symlink_to("../../../blobs/1")
    (snapshot / "m.onnx").symlink_to("../../../blobs/2")
    tensor = load(snapshot / "m.onnx").model.graph.initializers["w"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), WEIGHT)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/etc/passwd", "absolute"),
        ("C:\\w.bin", "absolute"),
        ("../w.bin", "leads out"),
        ("sub/../../w.bin", "leads out"),
        ("..\\w.bin", "leads out"),
        ("gone.bin", "cannot be found"),
        ("", "where is not said"),
        ("loop.bin", "cannot be found"),
        ("link.bin", "outside of the model's folder"),
        ("linked/w.bin", "outside of the model's folder"),
        ("hard.bin", "hard link"),
        ("folder", "not a regular file"),
    ],
)
def test_external_data_from_elsewhere(tmp_path: Path, location: str, message: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    outside.mkdir()
    for path in (outside / "w.bin", tmp_path / "w.bin"):
        path.write_bytes(WEIGHT.tobytes())
    (folder / "link.bin").symlink_to(outside / "w.bin")
    (folder / "linked").symlink_to(outside)
    (folder / "loop.bin").symlink_to("loop.bin")
    os.link(outside / "w.bin", folder / "hard.bin")
    with pytest.raises(BadSource, match=message) as error:
        load(write(model_with(external(location)), folder / "m.onnx"))
    assert "'w'" in error.value.message


def test_a_blobs_folder_that_is_a_link_is_not_the_cache(tmp_path: Path) -> None:
    snapshot, outside = tmp_path / "cache" / "snapshots" / "abc", tmp_path / "outside"
    snapshot.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_bytes(WEIGHT.tobytes())
    (tmp_path / "cache" / "blobs").symlink_to(outside)
    (snapshot / "w.bin").symlink_to("../../blobs/secret")
    with pytest.raises(BadSource, match="outside of the model's folder"):
        load(write(model_with(external("w.bin")), snapshot / "m.onnx"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": 1}, "has 4,096"),
        ({"offset": 10**18}, "has 4,096"),
        ({"length": 8}, "4,096 bytes; the file has 8"),
        ({"offset": -4}, "unreadable offset"),
        ({"length": 10**30}, "unreadable length"),
    ],
)
def test_external_data_beyond_its_file(tmp_path: Path, entries: dict[str, int], message: str) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    with pytest.raises(BadSource, match=message):
        load(write(model_with(external("w.bin", **entries)), tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    "tensor",
    [
        TensorProto(name="w", data_type=1, dims=[10**9, 10**9], raw_data=b"1234"),
        TensorProto(name="w", data_type=1, dims=[10**9, 10**9], raw_data=b"1" * 4096),
        TensorProto(name="w", data_type=1, dims=[10**9], float_data=[1.0]),
        TensorProto(name="w", data_type=8, dims=[10**9], string_data=[b"a"]),
        TensorProto(name="w", data_type=22, dims=[10**9], int32_data=[1]),
        TensorProto(name="w", data_type=1, dims=[10**9]),
    ],
)
def test_a_tensor_declared_far_larger_than_the_file(tmp_path: Path, tensor: onnx.TensorProto) -> None:
    with pytest.raises(BadSource, match=r"'w' declares the shape \[1000000000"):
        load(write(model_with(tensor), tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (TensorProto(name="w", data_type=1, dims=[-1, 32], raw_data=b""), "impossible shape"),
        (TensorProto(name="w", data_type=99, dims=[1], raw_data=b"1234"), "unknown type"),
        (TensorProto(name="w", data_type=0, dims=[1], raw_data=b"1234"), "unknown type"),
    ],
)
def test_impossible_tensors(tmp_path: Path, tensor: onnx.TensorProto, message: str) -> None:
    with pytest.raises(BadSource, match=message):
        load(write(model_with(tensor), tmp_path / "m.onnx"))


def test_the_budget(tmp_path: Path) -> None:
    path = write(model_with(numpy_helper.from_array(WEIGHT, "w")), tmp_path / "m.onnx")
    with pytest.raises(LimitExceeded, match="more than the 4,000 bytes allowed") as error:
        load(path, max_bytes=4000)
    assert error.value.exit_code == 4 and "--max-bytes" in str(error.value.hint)


def test_the_budget_counts_external_data(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    path = write(model_with(external("w.bin")), tmp_path / "m.onnx")
    with pytest.raises(LimitExceeded, match="needs 4,096 bytes"):
        load(path, max_bytes=4000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"This is not a model.\n" * 10, "is a text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04" + b"\0" * 100, "zip archive"),
        (b"\x08\x08", "holds no ONNX graph"),
        (b"\x08\x08\x3a\x00", "holds no ONNX graph"),
        (b"\xff" * 100, "truncated or damaged"),
    ],
    ids=["empty", "text", "lfs", "html", "zip", "no graph", "empty graph", "noise"],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(BadSource, match=message) as error:
        load(tmp_path / "m.onnx")
    assert error.value.exit_code == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_files(tmp_path: Path, share: float) -> None:
    data = model_with(numpy_helper.from_array(WEIGHT, "w")).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadSource, match="truncated or damaged"):
        load(tmp_path / "m.onnx")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="There is no file"):
        load(tmp_path / "gone.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(BadSource, match="is a folder"):
        load(tmp_path / "folder.onnx")


@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 60])
def test_graphs_within_graphs(tmp_path: Path, depth: int) -> None:
    """60 is more than protobuf parses: its error must not pass for a damaged file."""
    output = onnx.GraphProto(output=[onnx.ValueInfoProto(name="y")]).SerializeToString()
    attribute = onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH).SerializeToString()
    node = onnx.NodeProto(op_type="If", input=["c"], output=["y"]).SerializeToString()
    graph = output
    for _ in range(depth - 1):  # by hand: protobuf does not even build what it does not parse
        inner = lazy_protobuf._message(5, attribute + lazy_protobuf._message(6, graph))
        graph = lazy_protobuf._message(1, node + inner) + output
    (tmp_path / "m.onnx").write_bytes(lazy_protobuf._message(7, graph))
    with pytest.raises(LimitExceeded, match=f"within graphs, {depth} deep"):
        load(tmp_path / "m.onnx")


def test_functions_that_call_themselves_or_explode(tmp_path: Path) -> None:
    def function(name: str, called: str, times: int) -> onnx.FunctionProto:
        nodes = [helper.make_node(called, ["x"], ["y"], domain="f" if called[0] == "f" else "") for _ in range(times)]
        return helper.make_function("f", name, ["x"], ["y"], nodes, [helper.make_opsetid("", 17)])

    def model(functions: list[onnx.FunctionProto]) -> Path:
        made = model_with(numpy_helper.from_array(WEIGHT, "w"))
        made.graph.node.append(helper.make_node("f0", ["x"], ["z"], domain="f"))
        made.functions.extend(functions)
        return write(made, tmp_path / "m.onnx")

    with pytest.raises(BadSource, match="calls itself"):
        load(model([function("f0", "f1", 1), function("f1", "f0", 1)]))
    with pytest.raises(LimitExceeded, match="inlined"):
        load(model([*[function(f"f{i}", f"f{i + 1}", 10) for i in range(8)], function("f8", "Relu", 1)]))


def test_values_that_nothing_computes_and_cycles(tmp_path: Path) -> None:
    model = model_with(numpy_helper.from_array(WEIGHT, "w"))
    model.graph.node[0].input[0] = "ghost"
    with pytest.raises(BadSource, match="reads 'ghost', which nothing computes"):
        load(write(model, tmp_path / "m.onnx"))
    model.graph.node[0].input[0] = "y"
    with pytest.raises(BadSource, match="cycle"):
        load(write(model, tmp_path / "m.onnx"))


def test_damage_anywhere_is_an_error_of_ours(tmp_path: Path) -> None:
    """Random bytes changed, removed and put in: whatever breaks, it arrives as a ConversionError."""
    rng = random.Random(0)
    data = model_with(numpy_helper.from_array(WEIGHT[:4, :4], "w")).SerializeToString()
    refused = 0
    for _ in range(500):
        damaged = bytearray(data)
        place = rng.randrange(len(damaged))
        damaged[place : place + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
        (tmp_path / "m.onnx").write_bytes(damaged)
        try:
            load(tmp_path / "m.onnx")
        except ConversionError:
            refused += 1
    assert refused > 100


def test_weights_for_a_file_that_has_its_own(tmp_path: Path) -> None:
    path = write(model_with(numpy_helper.from_array(WEIGHT, "w")), tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="has its own weights"):
        load(path, random_weights=0)
    with pytest.raises(UsageError, match="has its own weights"):
        load(path, checkpoint="x.pt")


def test_a_dictionary_for_each_row_is_refused(tmp_path: Path) -> None:
    """ZipMap, with which scikit-learn's classifiers are exported unless they are told not to."""
    node = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    output = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])], [output])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "m.onnx")
    with pytest.raises(Unsupported, match="'y' is a dictionary") as error:
        load(str(tmp_path / "m.onnx"))
    assert "zipmap" in str(error.value.hint)


def test_an_input_that_is_also_an_output_keeps_its_shape(tmp_path: Path) -> None:
    """Outputs need not say one."""
    x, y = (helper.make_tensor_value_info("x", TensorProto.FLOAT, shape) for shape in (["n", 2], None))
    r = helper.make_tensor_value_info("r", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "g", [x], [r, y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    assert convert(str(tmp_path / "m.onnx")).verified
