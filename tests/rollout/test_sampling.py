"""Drawing by inverse transform: the right frequencies, exact truncation."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltune.rollout.engine import SamplingParams, derive_seed
from reeltune.rollout.sampling import draw, truncate


def test_frequencies_are_the_probabilities() -> None:
    probs = torch.tensor([0.5, 0.0, 0.3, 0.2])
    uniforms = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    drawn = draw(probs.log().expand(1000, -1), uniforms, SamplingParams())
    assert torch.bincount(drawn, minlength=4).tolist() == [500, 0, 300, 200]


def test_extreme_uniforms_draw_tokens_with_probability() -> None:
    log_probs = torch.tensor([[0.0, 1.0, 1.0, 0.0]]).softmax(-1).log().index_fill(-1, torch.tensor([0, 3]), -torch.inf)
    for uniform in (0.0, 1 - 1e-16, 1.0):
        token = draw(log_probs, torch.tensor([uniform], dtype=torch.float64), SamplingParams())
        assert token.item() in (1, 2)


def test_temperature_zero_takes_the_likeliest() -> None:
    log_probs = torch.tensor([[0.1, 0.7, 0.2]]).log()
    assert draw(log_probs, torch.tensor([0.99]), SamplingParams(temperature=0.0)).item() == 1


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass() -> None:
    probs = torch.tensor([[0.1, 0.5, 0.15, 0.25]], dtype=torch.float64)
    assert (truncate(probs, top_k=0, top_p=0.5) > 0).tolist() == [[False, True, False, False]]
    assert (truncate(probs, top_k=0, top_p=0.6) > 0).tolist() == [[False, True, False, True]]
    assert (truncate(probs, top_k=0, top_p=0.95) > 0).all()
    assert (truncate(probs, top_k=2, top_p=1.0) > 0).tolist() == [[False, True, False, True]]


@given(st.integers(0, 2**31), st.integers(0, 6), st.floats(0.01, 1.0))
def test_the_likeliest_token_always_stays(seed: int, top_k: int, top_p: float) -> None:
    probs = torch.rand(3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)
    kept = truncate(probs, top_k=top_k, top_p=top_p)
    assert (kept.argmax(-1) == probs.argmax(-1)).all()
    assert ((kept == probs) | (kept == 0)).all()


def test_seeds_depend_on_every_part() -> None:
    assert derive_seed(1, "a", 2) == derive_seed(1, "a", 2)
    assert len({derive_seed(1, "a", 2), derive_seed(1, "b", 2), derive_seed(1, "a", 3), derive_seed(2, "a", 2)}) == 4
