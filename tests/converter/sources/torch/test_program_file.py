"""torch.export programs: read when they hold a graph and weights, refused when they hold anything that runs."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

from converter.sources import load
from converter.sources.checkpoints.program_checks import check_program
from models import mtcnn
from passes.errors import BadSource, LimitExceeded, UsageError


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "pnet.pt2"
    dynamic = {0: torch.export.Dim("batch"), 2: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(mtcnn.pnet().eval(), (torch.rand(2, 3, 48, 40),), dynamic_shapes=(dynamic,))
    torch.export.save(exported, path)
    return path


def test_a_program(program: Path) -> None:
    source = load(program)
    assert source.kind == "exported" and source.description == "pnet.pt2"
    (spec,) = source.inputs
    assert spec.name == "x" and spec.shape[1] == 3 and spec.shape[3] == 40 and len(spec.symbols) == 2
    x = torch.rand(3, 3, 33, 40)
    session = ort.InferenceSession(ir.to_proto(source.model).SerializeToString())
    expected = torch.export.load(program).module()(torch.rand(3, 3, 32, 40))
    results = session.run(None, {"x": x.numpy()})
    assert [result.shape[1] for result in results] == [value.shape[1] for value in expected]
    with torch.no_grad():
        module = mtcnn.pnet().eval()
        module.load_state_dict(torch.export.load(program).state_dict)
        for one, other in zip(results, module(x), strict=True):
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


def test_its_inputs_cannot_be_changed(program: Path) -> None:
    with pytest.raises(UsageError, match="has its own inputs"):
        load(program, inputs=["x=float32[1,3,48,40]"])


def test_the_budget(program: Path) -> None:
    with pytest.raises(LimitExceeded, match="more than the 100 bytes allowed"):
        load(program, max_bytes=100)


def rewritten(
    program: Path, target: Path, change: Callable[[str, bytes], bytes], add: dict[str, bytes] | None = None
) -> Path:
    """A copy of the archive with its entries changed; names lose the archive's own folder."""
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for entry in old.infolist():
            name = entry.filename.partition("/")[2]
            new.writestr(f"{root}/{name}", change(name, old.read(entry)))
        for name, content in (add or {}).items():
            new.writestr(f"{root}/{name}", content)
    return target


def graph_change(edit: Callable[[Any], None]) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if not name.startswith("models/"):
            return content
        graph = json.loads(content)
        edit(graph)
        return json.dumps(graph).encode()

    return change


def set_target(target: str) -> Callable[[Any], None]:
    return lambda program: program["graph_module"]["graph"]["nodes"][0].update(target=target)


def set_guard(guard: str) -> Callable[[Any], None]:
    return lambda program: program.update(guards_code=[guard])


def set_size(expression: str) -> Callable[[Any], None]:
    def edit(program: Any) -> None:
        sizes = program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]
        sizes[0]["as_expr"]["expr_str"] = expression

    return edit


def set_structure(kind: str, context: str = "null") -> Callable[[Any], None]:
    def edit(program: Any) -> None:
        spec = [1, {"type": kind, "context": context, "children_spec": []}]
        program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps(spec)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_target("torch.os.system"), "calls 'torch.os.system'"),
        (set_target("torch.ops.load_library"), "calls"),
        (set_target("torch.ops.aten.__class__.mro"), "calls"),
        (set_target("torch.hub.load"), "calls"),
        (set_target("_operator.methodcaller"), "calls"),
        (set_target("#custom"), "calls"),
        (set_size("__import__('os').mkdir('ran')"), "size expression"),
        (set_size("().__class__.__base__.__subclasses__()"), "size expression"),
        (set_size("[c for c in ().__class__.__mro__]"), "size expression"),
        (set_size("exec('1')"), "size expression"),
        (set_size("9**9**9**9**9"), "size expression"),
        (set_size("Pow(10, 10000000000)"), "size expression"),
        (set_size("1+" * 5000 + "1"), "size expression"),
        (set_guard("__import__('os').mkdir('ran')"), "size expression"),
        (set_guard("L['x'].__class__"), "size expression"),
        (
            set_structure("collections.defaultdict", '{"default_factory_module": "antigravity"}'),
            "collections.defaultdict",
        ),
        (set_structure("builtins.dict", '[{"__enum__": true, "fqn": "antigravity:A", "name": "B"}]'), "builtins.dict"),
    ],
)
def test_code_in_the_graph(program: Path, tmp_path: Path, edit: Callable[[Any], None], message: str) -> None:
    path = rewritten(program, tmp_path / "evil.pt2", graph_change(edit))
    with pytest.raises(BadSource, match=message) as error:
        load(path)
    assert "--trust" in str(error.value.hint)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, (str(self.path),)


def test_pickles_in_the_archive_are_not_run(program: Path, tmp_path: Path) -> None:
    evil = pickle.dumps(Evil(tmp_path / "ran"))

    def sample_inputs(name: str, content: bytes) -> bytes:
        return evil if name.startswith("data/sample_inputs/") else content

    def pickled_weight(name: str, content: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            config = json.loads(content)
            next(iter(config["config"].values()))["use_pickle"] = True
            return json.dumps(config).encode()
        return evil if name == "data/weights/weight_0" else content

    def same(name: str, content: bytes) -> bytes:
        return content

    archives = [
        rewritten(program, tmp_path / "a.pt2", sample_inputs),
        rewritten(program, tmp_path / "b.pt2", pickled_weight),
        rewritten(program, tmp_path / "c.pt2", same, {"data/weights/model.pt": evil}),
        rewritten(program, tmp_path / "d.pt2", same, {"data/constants/opaque_obj_0": evil}),
        rewritten(program, tmp_path / "e.pt2", same, {"data/aotinductor/model/code.so": b"\x7fELF"}),
    ]
    for path in archives:
        with pytest.raises(BadSource, match="loading it could run code"):
            load(path)
    assert not (tmp_path / "ran").exists()
    check_program(rewritten(program, tmp_path / "f.pt2", same))


def test_the_layout_before_torch_2_8(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("version", "8.2")
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(BadSource, match=r"torch 2\.8"):
        load(tmp_path / "old.pt2")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"])
def test_files_that_are_no_programs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.pt2").write_bytes(content)
    with pytest.raises(BadSource, match=r"p\.pt2"):
        load(tmp_path / "p.pt2")
    with pytest.raises(BadSource, match="There is no file"):
        load(tmp_path / "gone.pt2")


def test_a_truncated_program(program: Path, tmp_path: Path) -> None:
    data = program.read_bytes()
    (tmp_path / "p.pt2").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadSource, match="truncated"):
        load(tmp_path / "p.pt2")
