"""LANTNet: detect what changed between two co-registered radar (SAR) images, without labels.

    import lantnet
    result = lantnet.detect(before, after)      # arrays (H, W)
    result.mask, result.probability, result.direction

The names below are loaded on first use, so `lantnet --help` does not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lantnet.api import Detection, detect
    from lantnet.errors import InputError
    from lantnet.results.metrics import Scores, evaluate

__all__ = ["Detection", "InputError", "Scores", "detect", "evaluate"]
__version__ = "0.2.0"

_HOMES = {
    "Detection": "lantnet.api",
    "detect": "lantnet.api",
    "InputError": "lantnet.errors",
    "Scores": "lantnet.results.metrics",
    "evaluate": "lantnet.results.metrics",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lantnet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
