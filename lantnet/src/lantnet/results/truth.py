"""Masks and truths as files, and the scores of one against the other."""

from pathlib import Path

import numpy as np

from lantnet.errors import InputError
from lantnet.results.metrics import Scores, evaluate
from lantnet.scene.names import open_source
from lantnet.scene.windows import Window
from lantnet.types import Mask


def read_truth(path: str | Path, *, band: int | None = None) -> tuple[Mask, Mask, list[str]]:
    """A mask or truth as (changed, valid), both (H, W), and remarks.

    0 is unchanged. Where 1 is the greatest value 1 is changed, otherwise everything above 127 is.
    """
    source = open_source(path, band=band)
    values, valid = source.read(Window(0, 0, source.height, source.width))
    seen = np.unique(values[valid])
    if not seen.size:
        raise InputError(f"a mask must contain data; {path} has none.")
    if seen[0] < 0 or (seen != np.rint(seen)).any():
        raise InputError(
            f"a mask must contain 0 and 1, or 0 and 255; {path} has values from {seen[0]:g} to {seen[-1]:g}. Apply "
            "a threshold to a probability map first."
        )
    if seen[-1] <= 1:
        return values == 1, valid, []
    between = int(((values > 0) & (values < 255) & valid).sum())
    remark = f"{path}: {between} pixels are neither 0 nor 255; those above 127 count as changed."
    return values > 127, valid, [remark] if between else []


def evaluate_files(mask: str | Path, truth: str | Path) -> tuple[Scores, list[str]]:
    """Scores of a mask file against a truth file, on the pixels that hold data in both."""
    found, found_valid, remarks = read_truth(mask)
    wanted, wanted_valid, more = read_truth(truth)
    if found.shape != wanted.shape:
        evaluate(found, wanted)
    return evaluate(found, wanted, valid=found_valid & wanted_valid), remarks + more
