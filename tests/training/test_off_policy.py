"""The correction for completions that were drawn by other probabilities, by hand."""

import math

import pytest
import torch

from reeltune.training.off_policy import importance, off_policy_metrics

OWN = torch.log(torch.tensor([[0.5, 0.3, 0.1], [0.2, 0.9, 0.4]]))
BEHAVIOR = torch.log(torch.tensor([[0.25, 0.3, 0.4], [0.05, 0.9, 0.9]]))
MASK = torch.tensor([[True, True, True], [True, True, False]])
# Ratios: 2, 1, 1/4 and 4, 1, (not carried).


def test_none_leaves_every_token_as_it_is() -> None:
    weights, capped = importance(OWN, BEHAVIOR, MASK, "none", 1.5)
    assert torch.equal(weights, torch.ones(2, 3)) and not capped.any()


def test_truncated_caps_from_above_alone() -> None:
    weights, capped = importance(OWN, BEHAVIOR, MASK, "truncated", 3.0)
    assert weights.flatten().tolist() == pytest.approx([2, 1, 0.25, 3, 1, 1])
    assert capped.tolist() == [[False, False, False], [True, False, False]]


def test_masked_drops_what_is_beyond_the_cap_either_way() -> None:
    weights, capped = importance(OWN, BEHAVIOR, MASK, "masked", 3.0)
    assert weights.flatten().tolist() == pytest.approx([2, 1, 0, 0, 1, 1])
    assert capped.tolist() == [[False, False, True], [True, False, False]]


def test_what_carries_no_loss_is_never_looked_at() -> None:
    behavior = BEHAVIOR.clone()
    behavior[1, 2] = -math.inf
    for kind in ("truncated", "masked"):
        weights, _ = importance(OWN, behavior, MASK, kind, 3.0)  # type: ignore[arg-type]
        assert torch.isfinite(weights).all() and weights[1, 2] == 1.0


def test_metrics_are_means_over_tokens_and_groups() -> None:
    sums = {"tokens": 4.0, "mismatch_kl": 2.0, "correction": 6.0, "capped": 1.0, "clipped": 1.0}
    assert off_policy_metrics(sums, [0, 2, 1]) == {
        "staleness": 1.0,
        "mismatch_kl": 0.5,
        "correction_mean": 1.5,
        "clipped_share": 0.5,
    }
