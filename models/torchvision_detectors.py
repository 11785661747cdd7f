"""torchvision's detectors without what torch cannot export: the choice of boxes, which goes the way the numbers say.

What a detector computes for an image comes out as it is: scores and corrections for every anchor; of a two-stage
detector, also what its second stage says of regions that are an input here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from converter.sources.torchvision_import import import_torchvision


class OneStage(nn.Module):
    """Image [N, 3, H, W] → what the head says of every anchor, by name."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head

    def forward(self, image: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return self.head(list(self.backbone(image).values()))  # type: ignore[no-any-return]


class TwoStages(nn.Module):
    """Image [1, 3, H, W] and regions [R, 4] in pixels → the proposals' scores and corrections, and the regions'."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone, self.proposals, self.regions = detector.backbone, detector.rpn.head, detector.roi_heads

    def forward(self, image: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.backbone(image)
        scores, corrections = self.proposals(list(features.values()))
        sizes = [(image.shape[2], image.shape[3])]
        said = self.regions.box_predictor(self.regions.box_head(self.regions.box_roi_pool(features, [regions], sizes)))
        return (*scores, *corrections, *said, *self._of_parts(features, regions, sizes))

    def _of_parts(self, features: Mapping[str, torch.Tensor], regions: torch.Tensor, sizes: Any) -> list[torch.Tensor]:
        """Masks or keypoints, where the detector has them."""
        heads = self.regions
        found = []
        if heads.has_mask():
            found.append(heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(features, [regions], sizes))))
        if heads.has_keypoint():
            pooled = heads.keypoint_roi_pool(features, [regions], sizes)
            found.append(heads.keypoint_predictor(heads.keypoint_head(pooled)))
        return found


def _networks(kind: type[nn.Module], name: str) -> nn.Module:
    return kind(import_torchvision().models.get_model(name, weights=None, weights_backbone=None))


fasterrcnn_mobilenet_v3_large_320_fpn = partial(_networks, TwoStages, "fasterrcnn_mobilenet_v3_large_320_fpn")
fasterrcnn_resnet50_fpn = partial(_networks, TwoStages, "fasterrcnn_resnet50_fpn")
maskrcnn_resnet50_fpn = partial(_networks, TwoStages, "maskrcnn_resnet50_fpn")
keypointrcnn_resnet50_fpn = partial(_networks, TwoStages, "keypointrcnn_resnet50_fpn")
retinanet_resnet50_fpn = partial(_networks, OneStage, "retinanet_resnet50_fpn")
fcos_resnet50_fpn = partial(_networks, OneStage, "fcos_resnet50_fpn")
ssd300_vgg16 = partial(_networks, OneStage, "ssd300_vgg16")
ssdlite320_mobilenet_v3_large = partial(_networks, OneStage, "ssdlite320_mobilenet_v3_large")
