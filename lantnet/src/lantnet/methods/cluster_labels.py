"""Labels from the published clustering of the difference image, on a scene of any size."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lantnet.methods.calibration import Calibration
from lantnet.methods.inputs import DIFFERENCE_HALO
from lantnet.methods.recipe import Context
from lantnet.published.prelabels import CHANGED, UNCERTAIN, PreLabels, difference_image, hierarchical_clustering
from lantnet.scene.scene import Scene, View
from lantnet.scene.windows import Window
from lantnet.types import Float32, Labels, Mask


@dataclass(frozen=True)
class ClusterLabels:
    """Hierarchical fuzzy c-means, pixel by pixel: 4 bytes a pixel of memory."""

    def measure(self, scene: Scene, context: Context, calibration: Calibration, members: int) -> "Clustered":
        difference = np.full((scene.height, scene.width), np.nan, dtype=np.float32)
        for window, found in context.plan.each(scene, _difference, halo=DIFFERENCE_HALO, name="difference image"):
            difference[window.slices] = found
        if np.nanmin(difference) == np.nanmax(difference):
            return Clustered(None, members)
        return Clustered(hierarchical_clustering(difference.ravel()), members)


def _difference(view: View, window: Window, outer: Window) -> Float32:
    """The difference image of a window, NaN without data."""
    found = np.where(view.valid, difference_image(view.before, view.after), np.float32(np.nan))
    cut: Float32 = window.cut(found, outer)
    return cut


@dataclass(frozen=True)
class Clustered:
    """What the clustering says of a scene; without `borders` the difference image is constant."""

    borders: PreLabels | None
    members: int
    halo: int = DIFFERENCE_HALO
    shift: float = 0.0
    fewest: int = 1

    @property
    def empty(self) -> bool:
        return self.borders is None

    @property
    def record(self) -> dict[str, Any]:
        return {} if self.borders is None else {"thresholds": asdict(self.borders)}

    @property
    def notes(self) -> list[str]:
        return []

    def classes(self, before: Float32, after: Float32) -> Labels:
        """(H, W) of UNCHANGED, UNCERTAIN, CHANGED."""
        if self.borders is None:
            raise ValueError("there is nothing to label")
        return self.borders.label(difference_image(before, after))

    def targets(self, before: Float32, after: Float32) -> Float32:
        """(2 members, H, W): target and weight, the same for every member."""
        classes = self.classes(before, after)
        one = np.stack([classes == CHANGED, classes != UNCERTAIN]).astype(np.float32)
        return np.concatenate([one] * self.members)

    def evidence(self, before: Float32, after: Float32) -> Mask:
        """Everywhere: the published method asks for none besides the network's."""
        return np.ones(before.shape, dtype=bool)
