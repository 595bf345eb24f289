"""A tool: how sharp a photo is. One verb, one typed result, and no word about what a blurred photo means."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import laplace

from tools.types import Sample


@dataclass(frozen=True)
class Sharpness:
    """How sharp a photo is."""

    variance: float
    """Of the Laplacian of its grey values in [0, 1]; a blurred photo has little."""
    mean_grey: float
    """Mean grey value, in [0, 1]: in the dark nothing is sharp."""


class FocusMeter:
    """Measures focus by the variance of the Laplacian (Pech-Pacheco et al. 2000)."""

    def measure(self, sample: Sample) -> Sharpness:
        """Measures a photo of any size.

        Args:
            sample: RGB uint8 (H, W, 3).
        """
        grey = sample.image.astype(np.float64).mean(axis=2) / 255
        return Sharpness(float(laplace(grey).var()), float(grey.mean()))
