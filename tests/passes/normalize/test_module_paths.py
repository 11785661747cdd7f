"""Every node says which module of the source it came from."""

from __future__ import annotations

import pytest

from passes.errors import MODULE_KEY
from passes.normalize.module_paths import CLASS_KEY, ModulePaths
from tests.harness import graph

SCOPES, CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"


def described(name: str | None = None, **metadata: str) -> dict[str, str]:
    model = graph("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    node = model.graph[0]
    node.name = name
    node.metadata_props.update(metadata)
    assert ModulePaths()(model).modified
    assert not ModulePaths()(model).modified
    return dict(node.metadata_props)


@pytest.mark.parametrize(
    ("scopes", "module"),
    [
        ("['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_3']", "layer1.0.conv1"),
        ("['', 'add_3']", ""),
        ("['', 'block', 'block@1', 'relu']", "block"),
        ("['', 'block', 'block@1', 'block@1.conv', 'conv2d']", "block.conv"),
        ("['', '_empty_nn_module_stack_from_metadata_hook', 'sym_size_int_3']", ""),
        ("['']", ""),
        ("not a list", ""),
        ("[1, 2]", ""),
        ("__import__('os').system('true')", ""),
    ],
)
def test_paths_from_torch(scopes: str, module: str) -> None:
    assert described(**{SCOPES: scopes})[MODULE_KEY] == module


def test_the_class_of_the_module() -> None:
    metadata = described(
        **{
            SCOPES: "['', 'layer1', 'layer1.0', 'conv2d_3']",
            CLASSES: "['torchvision.models.resnet.ResNet', 'torch.nn.modules.container.Sequential', "
            "'torchvision.models.resnet.BasicBlock', 'aten.conv2d.default']",
        }
    )
    assert metadata[CLASS_KEY] == "torchvision.models.resnet.BasicBlock"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/features/features.1/features.1.0/attn/MatMul_2", "features.1.0.attn"),
        ("/encoder/layers/layers.0/self_attn/Softmax", "encoder.layers.layers.0.self_attn"),
        ("/Add", ""),
        ("/conv1/Conv", "conv1"),
        ("Conv_12", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_paths_from_torchscript(name: str | None, module: str) -> None:
    assert described(name)[MODULE_KEY] == module


def test_a_path_that_is_known_stays() -> None:
    model = graph("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    model.graph[0].metadata_props[MODULE_KEY] = "mine"
    assert not ModulePaths()(model).modified
    assert model.graph[0].metadata_props[MODULE_KEY] == "mine"


def test_nodes_of_branches_have_paths_too() -> None:
    model = graph(
        """g (float[2] x, bool c) => (float[2] y) {
            y = If (c) <then_branch = a () => (t) { t = Relu(x) }, else_branch = b () => (e) { e = Neg(x) }>
        }"""
    )
    ModulePaths()(model)
    assert all(MODULE_KEY in node.metadata_props for graph_ in model.graphs() for node in graph_)
