"""How a change mask compares with the truth."""

from dataclasses import asdict, dataclass

from lantnet.errors import InputError
from lantnet.types import Mask


@dataclass(frozen=True)
class Scores:
    """Counts of pixels (fp, fn, oe) and shares in percent (pcc, kc, f1, iou)."""

    fp: int
    fn: int
    oe: int
    pcc: float
    kc: float
    f1: float
    iou: float

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self)


def evaluate(mask: Mask, truth: Mask, *, valid: Mask | None = None) -> Scores:
    """Scores of a mask (H, W) against the truth (H, W), both True if changed; only `valid` pixels count.

    OE = FP + FN, PCC = 1 - OE/N, kappa KC = (PCC - PRE)/(1 - PRE) with
    PRE = ((Nc + FP - FN) Nc + (Nu + FN - FP) Nu)/N^2; F1 and IoU of the class "changed".
    If truth and mask agree on a single class, kappa is 0/0; it counts as 100, and so do F1 and IoU.

    >>> evaluate(np.array([[True, False]]), np.array([[True, True]])).f1.__round__(2)
    66.67
    """
    if mask.shape != truth.shape:
        raise InputError(
            f"mask and ground truth must have the same size; the mask is {_size(mask)}, the truth {_size(truth)}. "
            "Cut both to one grid first."
        )
    if valid is not None:
        mask, truth = mask[valid], truth[valid]
    total = mask.size
    if total == 0:
        raise InputError("no pixel is valid in both mask and ground truth, so nothing can be scored.")
    changed = int(truth.sum())
    fp = int((mask & ~truth).sum())
    fn = int((truth & ~mask).sum())
    hits = changed - fn
    oe = fp + fn
    pcc = 1 - oe / total
    unchanged = total - changed
    chance = ((changed + fp - fn) * changed + (unchanged + fn - fp) * unchanged) / total**2
    kappa = 1.0 if oe == 0 else (pcc - chance) / (1 - chance) if chance < 1 else 0.0
    f1 = 2 * hits / (2 * hits + oe) if hits + oe else 1.0
    iou = hits / (hits + oe) if hits + oe else 1.0
    return Scores(fp, fn, oe, 100 * pcc, 100 * kappa, 100 * f1, 100 * iou)


def _size(array: Mask) -> str:
    return " x ".join(str(length) for length in array.shape[::-1]) + " (width x height)"
