"""The options of an inspector: what is known of the camera, their ranges, and what every answer depends on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypedDict

from tools.errors import InputError
from tools.pixel_values import ValueRange
from tools.profiles.catalog import digests

if TYPE_CHECKING:
    from agent.calibration.maps import Calibration
    from tools.profiles.catalog import Profile


class CameraOptions(TypedDict, total=False):
    """What is known of the camera that takes the photos."""

    mm_per_px: float | None
    """Millimetres that a pixel shows."""
    value_range: ValueRange | None
    """Pixel values that become black and white, of photos of more than 8 bits."""


def check_numbers(prior: float, false_alarm: float | None, looks: int, camera: CameraOptions) -> None:
    """Refuse options of an inspector that are out of range."""
    mm_per_px, value_range = camera.get("mm_per_px"), camera.get("value_range")
    if not 0 < prior < 1:
        raise InputError(f"prior is {prior}; give a probability between 0 and 1, such as 0.5.")
    if false_alarm is not None and not 0 < false_alarm < 1:
        raise InputError(f"the false-alarm rate is {false_alarm}; give a share between 0 and 1, such as 0.02.")
    if mm_per_px is not None and not (math.isfinite(mm_per_px) and mm_per_px > 0):
        raise InputError(f"mm_per_px is {mm_per_px}; give millimetres for each pixel, such as 0.05.")
    if value_range is not None and not -math.inf < value_range[0] < value_range[1] < math.inf:
        low, high = value_range
        raise InputError(f"the range is {low:g} to {high:g}; give the lower value first, such as 0 4095.")
    if looks < 0:
        raise InputError(f"looks is {looks}; give 0 or more second looks.")


def identity_of(profile: Profile, calibration: Calibration) -> dict[str, Any]:
    """What every answer of an inspector depends on, as JSON values."""
    return {
        "profile": profile.model_dump(mode="json"),
        "weights": digests(profile),
        "calibration": calibration.model_dump(mode="json"),
    }
