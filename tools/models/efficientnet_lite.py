"""EfficientNet-Lite as a backbone whose stages are read out together (Tan and Le 2019, without squeeze-excitation)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import timm
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import PretrainedConfig, PreTrainedModel

STAGES = 5
"""Stages that are read out: timm's blocks[1] to blocks[5], at strides 4, 8, 16, 16 and 32."""


class EfficientNetLiteConfig(PretrainedConfig):  # type: ignore[misc]  # transformers has no types here
    """Which of the sizes of EfficientNet-Lite."""

    model_type = "looktwice_efficientnet_lite"

    def __init__(self, architecture: str = "tf_efficientnet_lite0", **others: Any) -> None:
        """Take the name of timm's architecture."""
        self.architecture = architecture
        super().__init__(**others)


class EfficientNetLite(PreTrainedModel):  # type: ignore[misc]  # transformers has no types here
    """The network of timm, in evaluation mode; its classifier is kept with the weights and never run."""

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"
    image_mean = image_std = (0.5, 0.5, 0.5)
    any_size = True
    """Whether it takes photos of any size whose sides are multiples of 32."""

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        """Build the network without weights."""
        super().__init__(config)
        self.network = timm.create_model(config.architecture, pretrained=False)
        self.post_init()

    def fold_batch_norms(self) -> None:
        """Takes each normalisation into the convolution before it, for evaluation: equal, and a third faster.

        The names of the normalisations' tensors are gone afterwards, so that the model is no longer saved or loaded.
        """
        for module in list(self.network.modules()):
            children = list(module.named_children())
            for (name, convolution), (norm_name, norm) in pairwise(children):
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, BatchNormAct2d):
                    setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                    setattr(module, norm_name, norm.act)

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Run the network up to stride 32.

        Args:
            pixel_values: (N, 3, H, W) in [-1, 1]; H and W are multiples of 32.

        Returns:
            `STAGES` feature maps (N, C, h, w), the largest first.
        """
        x = self.network.bn1(self.network.conv_stem(pixel_values))
        found = []
        for block in list(self.network.blocks)[: STAGES + 1]:
            x = block(x)
            found.append(x)
        return found[1:]
