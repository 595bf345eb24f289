"""The type of the world's layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""A value for each pixel of a sheet, (H, W); float32 throughout, which NumPy's stubs cannot follow."""
