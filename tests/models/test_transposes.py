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


OF_THE_SOURCE = {"clip": 1, "siglip": 1, "audio_spectrogram_transformer": 1}
"""Likenesses of texts to images are an output beside those of images to texts; patches of a spectrogram follow each
other by frequency, which it has last."""
OTHERS = {record["name"]: record["transposes"] for record in lines.read(RECORDS / "transformers.jsonl")}
TRANSFORMERS = [
    entry
    for entry in read([ROOT / "models" / "transformers.toml"])
    if entry.expected == VERIFIED and entry.name in OTHERS
]


@pytest.mark.parametrize("entry", TRANSFORMERS, ids=lambda entry: entry.name)
def test_of_transformers(entry: Entry) -> None:
    name = entry.name.removeprefix("transformers:")
    report = converter.convert(entry.source, inputs=entry.inputs, random_weights=0, verify=False).report
    assert report.transposes <= OF_THE_SOURCE.get(name, OTHERS[entry.name])
