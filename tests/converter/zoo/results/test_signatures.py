"""Signatures: one reason, one text; two reasons, two."""

from __future__ import annotations

import pytest

from converter.zoo.results.signatures import LONGEST, SameSignature, group, signature, signatures
from passes.errors import Unsupported, joined


def of(message: str, kind: str | None = "bug", **detail: object) -> str:
    return signature({"kind": kind, "message": message, **detail})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("shape is (2, 10), expected (1, 10, 3)", "shape is (4, 7, 7), expected (5,)", "shape is (N), expected (N)"),
        ("mat1 [3, None] at 0x7f12ab00", "mat1 [7, None] at 0xdeadbeef", "mat1 [N] at …"),
        ("max|d| is 1.3e-05, allowed 1e-05", "max|d| is 2, allowed 0.5", "max|d| is N, allowed N"),
        ("'resnet18' has no weights", "'vit_b_16' has no weights", "… has no weights"),
        ("Key layer1.0.conv1.weight is absent", "Key features.12.bias is absent", "Key … is absent"),
        ("No file /data/a/b.onnx", "No file ../other/c.onnx", "No file …"),
        ("No file s3://bucket/a.onnx", "No file gs://b/c/d.onnx", "No file …"),
        ("conv2d_12 fails", "add_3 fails", "… fails"),
        ("At Relu node '/a/r' in module a.b", "At Relu node '' in module c", "At Relu node …"),
        ("a\nsecond line", "a\nother line", "a"),
        (
            "Output 'y' at inputs x (2, 3, 8, 8): shape is (2, 1), expected (2,).",
            "Output 'logits' at inputs a (1, 3), b (2,): shape is (3, 3), expected (2,).",
            "Output … at inputs …: shape is (N), expected (N).",
        ),
    ],
)
def test_models_that_fail_for_one_reason_share_it(one: str, other: str, expected: str) -> None:
    assert of(one) == of(other) == f"bug: {expected}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The operator NonZero is not supported.", "The operator Unique is not supported."),
        ("The operator a::Foo is not supported.", "The operator b::Foo is not supported."),
        ("Input 2 of Resize is not supported.", "Input 3 of Resize is not supported."),
        ("GridSample with mode='cubic' is not converted.", "GridSample with mode='linear' is not converted."),
        ("Pad mode 'wrap' is not supported.", "Pad mode 'reflect' is not supported."),
        ("Cast to torch.float16 is not converted.", "Cast to torch.int64 is not converted."),
        ("Conv1D fails.", "Conv2D fails."),
    ],
)
def test_different_reasons_stay_different(one: str, other: str) -> None:
    assert of(one, "unsupported") != of(other, "unsupported")
    assert of(one, "unsupported") != of(one, "bad-source")


def test_an_unsupported_model_has_one_for_each_operator() -> None:
    error = joined(
        [
            Unsupported("The operator NonZero is not supported.", node="NonZero node 'a' in module x.1"),
            Unsupported("The operator com.x::Foo is not supported.", node='com.x::Foo node "it\'s"'),
            Unsupported("The operator NonZero is not supported.", node="NonZero node 'b'"),
            Unsupported("A list of tensors is handed on as a whole."),
        ]
        + [Unsupported("Input 3 of Resize is not supported.", node=f"Resize node '{i}'") for i in range(30)]
    )
    assert signatures(error.to_dict()) == [
        "unsupported: The operator NonZero is not supported.",
        "unsupported: The operator com.x::Foo is not supported.",
        "unsupported: A list of tensors is handed on as a whole.",
        "unsupported: Input 3 of Resize is not supported.",
    ]


def test_what_is_not_an_error_of_keraport_is_told_apart_by_its_stage() -> None:
    assert of("ValueError: no", stage="emit") == "bug: ValueError: no (in stage emit)"
    assert of("It died in stage emit.", "crashed", stage="emit") == "crashed: It died in stage emit."
    assert of("Not so.", "bad-source", stage="load") == "bad-source: Not so."
    assert of("", None, signal="SIGSEGV", stage="verify") == "SIGSEGV (in stage verify)"
    assert of("", None, exit_code=3) == "exit code 3"
    assert signatures({}) == []
    assert signatures({"kind": "unsupported", "message": ""}) == ["unsupported"]


def test_messages_that_go_on_for_pages_are_cut() -> None:
    assert len(of("word " * 100_000)) == LONGEST


def test_groups_come_in_the_order_of_what_they_would_fix() -> None:
    failures = [("a", ["x", "y"]), ("b", ["y"]), ("c", ["z", "y"]), ("d", ["w"]), ("e", ["w"]), ("f", ["x", "z"])]
    assert group(failures) == [
        SameSignature("w", ("d", "e"), ("d", "e")),
        SameSignature("y", ("a", "b", "c"), ("b",)),
        SameSignature("x", ("a", "f"), ()),
        SameSignature("z", ("c", "f"), ()),
    ]
