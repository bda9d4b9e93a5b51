"""LANTNet: what changed between two co-registered radar (SAR) images, without labels.

>>> import lantnet
>>> result = lantnet.detect(before, after)      # arrays (H, W)      # doctest: +SKIP
>>> result.mask, result.probability, result.direction                # doctest: +SKIP
"""

from lantnet.api import Detection, detect
from lantnet.errors import InputError
from lantnet.metrics import Scores, evaluate

__all__ = ["Detection", "InputError", "Scores", "detect", "evaluate"]
__version__ = "0.1.0"
