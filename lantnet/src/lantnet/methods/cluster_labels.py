"""Labels from the published clustering of the difference image, on a scene of any size."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lantnet.methods.calibration import Calibration
from lantnet.methods.inputs import DIFFERENCE, DIFFERENCE_HALO, difference_of
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
        context.plan.keep(scene, _computed, [DIFFERENCE], halo=DIFFERENCE_HALO, name="difference image")
        for window, found in context.plan.each(scene, _difference, halo=0, name="clustering"):
            difference[window.slices] = found
        if np.nanmin(difference) == np.nanmax(difference):
            return Clustered(None, members)
        return Clustered(hierarchical_clustering(difference.ravel()), members)


def _computed(view: View, window: Window, outer: Window) -> Float32:
    """(1, H, W)."""
    cut: Float32 = window.cut(difference_image(view.before, view.after)[None], outer)
    return cut


def _difference(view: View, window: Window, outer: Window) -> Float32:
    """The difference image of a window, NaN without data."""
    found = np.where(view.valid, difference_of(view), np.float32(np.nan))
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

    def classes(self, view: View) -> Labels:
        """(H, W) of UNCHANGED, UNCERTAIN, CHANGED."""
        if self.borders is None:
            raise ValueError("there is nothing to label")
        return self.borders.label(difference_of(view))

    def targets(self, view: View) -> Float32:
        """(2 members, H, W): target and weight, the same for every member."""
        classes = self.classes(view)
        one = np.stack([classes == CHANGED, classes != UNCERTAIN]).astype(np.float32)
        return np.concatenate([one] * self.members)

    def support(self, view: View) -> Float32:
        """Nothing: the published method decides by the network alone."""
        return np.zeros(view.valid.shape, dtype=np.float32)

    def evidence(self, view: View) -> Mask:
        """Everywhere: the published method asks for none besides the network's."""
        return np.ones(view.valid.shape, dtype=bool)
