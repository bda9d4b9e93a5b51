"""A recipe: what the networks see, what they learn from, what they are and how they learn, each a value.

The published method, the default and every row of the ablation are `Recipe`s that differ in values (recipes.py,
benchmarks/variants.py); this file is the one way from such values to a model of a scene.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch

from lantnet.methods.calibration import Calibration, calibrate
from lantnet.methods.networks import Ensemble
from lantnet.methods.recipe import Context, Model, NoChange
from lantnet.methods.sampling import draw, gather
from lantnet.methods.training import RADIUS, LossStage, NetworkStage, Training
from lantnet.published.prelabels import CHANGED, UNCERTAIN, UNCHANGED
from lantnet.scene.scene import Scene, View
from lantnet.scene.windows import Window
from lantnet.types import Float32, Int64, Labels, Mask

NO_DATA = 255
NOTHING = "Nothing stands out from the speckle, so nothing is reported as changed."


class InputStage(Protocol):
    """What the networks see: `images` (channels, H, W) that depend on `halo` pixels around, continued at the border."""

    @property
    def channels(self) -> int: ...
    @property
    def halo(self) -> int: ...
    @property
    def border(self) -> Literal["constant", "reflect"]: ...
    def images(self, view: View, calibration: Calibration) -> Float32: ...


class Labeling(Protocol):
    """What was found to be surely changed and unchanged in a scene, from amplitudes (H, W) of both dates.

    empty: nothing stands out. fewest: sure changed pixels below which nothing is learned. shift: nepers that the dates
    differ by without change. record, notes: for the run report.
    """

    @property
    def empty(self) -> bool: ...
    @property
    def halo(self) -> int: ...
    @property
    def fewest(self) -> int: ...
    @property
    def shift(self) -> float: ...
    @property
    def record(self) -> dict[str, Any]: ...
    @property
    def notes(self) -> list[str]: ...

    def classes(self, view: View) -> Labels:
        """(H, W) of UNCHANGED, UNCERTAIN, CHANGED: where crops are drawn around."""

    def targets(self, view: View) -> Float32:
        """(2 members, H, W): for each member the target, 0 to 1, and its weight."""

    def support(self, view: View) -> Float32:
        """(H, W): log-odds of change that the labels add to those of the networks."""

    def evidence(self, view: View) -> Mask:
        """(H, W): where a change may be at all."""


class LabelStage(Protocol):
    def measure(self, scene: Scene, context: Context, calibration: Calibration, members: int) -> Labeling: ...


@dataclass(frozen=True)
class Recipe:
    """One fixed setting for all scenes."""

    name: str
    inputs: InputStage
    labels: LabelStage
    network: NetworkStage
    loss: LossStage
    training: Training

    def learn(self, scene: Scene, context: Context) -> Model:
        calibration = calibrate(scene, context)
        labeling = self.labels.measure(scene, context, calibration, self.training.members)
        notes = [*calibration.remarks(), *labeling.notes]
        record: dict[str, Any] = {
            "settings": asdict(self),
            "calibration": asdict(calibration) | {"shift_db": round(calibration.decibel, 3)},
            "looks": round(calibration.looks, 2),
            "notes": notes,
        } | labeling.record
        if labeling.empty:
            return NoChange(record | {"notes": [*notes, NOTHING]})
        wanted = {UNCHANGED: self.training.unchanged, CHANGED: self.training.changed}
        chosen = draw(_classes(scene, context, labeling, record), wanted, context.seed, scene.width)
        record["samples"] = {"unchanged": len(chosen[UNCHANGED]), "changed": len(chosen[CHANGED])}
        if record["pre_labels"]["changed"] < labeling.fewest or not len(chosen[UNCHANGED]):
            return NoChange(record | {"notes": [*notes, NOTHING]})
        index = np.concatenate([chosen[UNCHANGED], chosen[CHANGED]])
        reach = self.training.side // 2 + RADIUS
        work = _Crops(self.inputs, labeling, calibration, index, reach, scene.width)
        crops = np.zeros(
            (len(index), self.inputs.channels + 2 * self.training.members, *[2 * reach + 1] * 2), np.float32
        )
        halo = max(labeling.halo, self.inputs.halo) + reach
        for _, (inside, found) in context.plan.each(scene, work, halo=halo, name="samples"):
            crops[inside] = found
        sure = record["pre_labels"]["changed"] + record["pre_labels"]["unchanged"]
        networks = self.training.ensemble(
            torch.from_numpy(crops),
            self.inputs.channels,
            record["pre_labels"]["changed"] / sure,
            self.network,
            self.loss,
            context,
        )
        return Learned(
            networks,
            self.inputs,
            self.network.pixels_at_once,
            self.training.temperature,
            calibration,
            labeling,
            record,
        )


@dataclass(frozen=True)
class _Classes:
    """Sure classes of a window, NO_DATA where nothing was measured."""

    labeling: Labeling

    def __call__(self, view: View, window: Window, outer: Window) -> Labels:
        classes = self.labeling.classes(view)
        classes[~view.valid] = NO_DATA
        cut: Labels = window.cut(classes, outer)
        return cut


@dataclass(frozen=True)
class _Crops:
    """Which of the drawn pixels lie in a window, and around each of them what the networks see, then target and weight
    of every member."""

    inputs: InputStage
    labeling: Labeling
    calibration: Calibration
    index: Int64
    reach: int
    width: int

    def __call__(self, view: View, window: Window, outer: Window) -> tuple[Mask, Float32]:
        rows, columns = np.divmod(self.index, self.width)
        inside = (rows >= window.top) & (rows < window.bottom) & (columns >= window.left) & (columns < window.right)
        targets = self.labeling.targets(view)
        targets[1::2] *= view.valid
        images = self.inputs.images(view, self.calibration)
        stack = np.concatenate([images, targets]).astype(np.float32)
        found = gather([(window, outer, stack)], self.index[inside], self.reach, self.width, self.inputs.border)
        return inside, found


def _classes(
    scene: Scene, context: Context, labeling: Labeling, record: dict[str, Any]
) -> Iterator[tuple[Window, Labels]]:
    """Sure classes window by window; their counts go into the record."""
    found = np.zeros(3, dtype=np.int64)
    for window, classes in context.plan.each(scene, _Classes(labeling), halo=labeling.halo, name="labels"):
        found += np.bincount(classes.ravel(), minlength=256)[:3]
        yield window, classes
    names = {"unchanged": UNCHANGED, "uncertain": UNCERTAIN, "changed": CHANGED}
    record["pre_labels"] = {name: int(found[code]) for name, code in names.items()}


@dataclass
class Learned:
    """What the networks make of a window, and 0 where the labeling sees no evidence of change."""

    network: Ensemble
    inputs: InputStage
    pixels_at_once: int
    temperature: float
    calibration: Calibration
    labeling: Labeling
    record: dict[str, Any]

    @property
    def halo(self) -> int:
        return max(self.labeling.halo, self.inputs.halo + RADIUS)

    @property
    def shift(self) -> float:
        return self.labeling.shift

    def probability(self, view: View) -> Float32:
        """(H, W) of a view."""
        images = self.inputs.images(view, self.calibration)
        padded = np.pad(images, ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode=self.inputs.border)
        height, width = view.valid.shape
        odds = self.labeling.support(view)
        rows = max(self.pixels_at_once // width, 1)
        with torch.inference_mode():
            for top in range(0, height, rows):
                strip = torch.from_numpy(padded[None, :, top : top + rows + 2 * RADIUS])
                odds[top : top + rows] += self.network(strip)[0, 0].numpy()
        probability = torch.from_numpy(odds / np.float32(self.temperature)).sigmoid().numpy()
        return np.where(self.labeling.evidence(view), probability, np.float32(0))
