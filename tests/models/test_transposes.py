"""Attention in windows, with rotary embeddings, by cosine, by distance: no axis is moved for it."""

from __future__ import annotations

import pytest

import converter
from converter.zoo.manifests.manifest import read
from converter.zoo.records.entry import Entry
from converter.zoo.records.result import VERIFIED
from converter.zoo.results import lines
from scripts.children import ROOT
from scripts.zoos import RECORDS
from tests.zoo import needs

needs("torchvision", "timm", "transformers")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    [
        "torchvision:maxvit_t",
        "torchvision:swin_t",
        "torchvision:swin_v2_t",
        "timm:eva02_tiny_patch14_224",
        "timm:edgenext_xx_small",
        "timm:test_coatnet",
    ],
)
def test_no_transposes(name: str) -> None:
    assert converter.convert(name, random_weights=0, verify=False).report.transposes == 0


RECORDED = {record["name"]: record["transposes"] for record in lines.read(RECORDS / "transformers.jsonl")}
"""What docs/zoos.md says. Likenesses of texts to images, for one, are an output beside those of images to texts."""
TRANSFORMERS = [
    entry
    for entry in read([ROOT / "models" / "transformers.toml"])
    if entry.expected == VERIFIED and entry.name in RECORDED
]


@pytest.mark.parametrize("entry", TRANSFORMERS, ids=lambda entry: entry.name)
def test_of_transformers(entry: Entry) -> None:
    report = converter.convert(entry.source, inputs=entry.inputs, random_weights=0, verify=False).report
    assert report.transposes <= RECORDED[entry.name]
