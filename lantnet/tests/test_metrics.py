"""Scores against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lantnet import InputError, evaluate


def test_scores_of_the_paper() -> None:
    """Sulzberger 2 as printed by the authors: FP 990, FN 921 of 16352 changed pixels in 65536: PCC 97.08, KC 92.22."""
    truth = np.zeros(65536, dtype=bool)
    truth[:16352] = True
    mask = truth.copy()
    mask[:921] = False
    mask[16352 : 16352 + 990] = True
    scores = evaluate(mask.reshape(256, 256), truth.reshape(256, 256))
    assert (scores.fp, scores.fn, scores.oe) == (990, 921, 1911)
    assert round(scores.pcc, 2) == 97.08
    assert round(scores.kc, 2) == 92.22


@given(arrays(np.bool_, (6, 5)), arrays(np.bool_, (6, 5)))
def test_equal_the_textbook_formulas(mask: np.ndarray, truth: np.ndarray) -> None:
    tp, fp, fn, tn = (int((mask == m)[truth == t].sum()) for m, t in ((1, 1), (1, 0), (0, 1), (0, 0)))
    scores = evaluate(mask, truth)
    agreement = (tp + tn) / 30
    chance = ((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn)) / 900
    assert scores.pcc == pytest.approx(100 * agreement)
    if chance < 1:
        assert scores.kc == pytest.approx(100 * (agreement - chance) / (1 - chance), abs=1e-9)
    if tp + fp + fn:
        assert scores.iou == pytest.approx(100 * tp / (tp + fp + fn))
        assert scores.f1 == pytest.approx(100 * 2 * tp / (2 * tp + fp + fn))


@given(st.booleans())
def test_full_agreement_on_one_class_is_full_marks(value: bool) -> None:
    both = np.full((3, 3), value)
    scores = evaluate(both, both)
    assert (scores.kc, scores.f1, scores.iou, scores.pcc) == (100, 100, 100, 100)


def test_only_valid_pixels_count() -> None:
    mask, truth = np.array([[True, True]]), np.array([[True, False]])
    assert evaluate(mask, truth, valid=np.array([[True, False]])).oe == 0
    with pytest.raises(InputError, match="no pixel is valid"):
        evaluate(mask, truth, valid=np.zeros((1, 2), dtype=bool))


def test_sizes_must_agree() -> None:
    with pytest.raises(InputError, match=r"mask is 3 x 2 .* truth 2 x 2"):
        evaluate(np.zeros((2, 3), bool), np.zeros((2, 2), bool))
