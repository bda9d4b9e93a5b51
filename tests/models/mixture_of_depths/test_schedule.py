"""The progressive schedule and its ablations, as numbers."""

import pytest
from pydantic import ValidationError

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models.mixture_of_depths.schedule import kept_count, layer_ratios, mean_ratio

# The released model's 32 layers, of 576 vision tokens (LLaVA-1.5).
PAPER_RATIOS = [
    0.8445, 0.8061, 0.7645, 0.7202, 0.6737, 0.6253, 0.5757, 0.5253, 0.4747, 0.4243, 0.3747, 0.3263, 0.2798, 0.2355,
    0.1939, 0.1555,
]  # fmt: skip
PAPER_KEPT = [486, 464, 440, 414, 388, 360, 331, 302, 273, 244, 215, 187, 161, 135, 111, 89]


def test_the_papers_schedule_of_32_layers() -> None:
    ratios = layer_ratios(MixtureOfDepthsConfig(), 32)
    assert ratios[:8] == [None] * 8
    assert [round(ratio, 4) for ratio in ratios[8:24]] == PAPER_RATIOS
    assert ratios[24:] == [0.15] * 8
    assert [kept_count(576, ratio) for ratio in ratios[8:]] == PAPER_KEPT + [86] * 8
    assert mean_ratio(ratios) == pytest.approx(0.5375)


@pytest.mark.parametrize("layers", [4, 12, 28, 36])
@pytest.mark.parametrize("schedule", ["cosine", "constant", "interleaved"])
def test_other_depths_and_flat_schedules_keep_the_same_mean(schedule: str, layers: int) -> None:
    ratios = layer_ratios(MixtureOfDepthsConfig(schedule=schedule), layers)
    assert ratios[0] is None
    assert mean_ratio(ratios) == pytest.approx(0.5375)


def test_interleaved_routes_every_second_layer_and_constant_all_but_the_first() -> None:
    interleaved = layer_ratios(MixtureOfDepthsConfig(schedule="interleaved", mean_ratio=0.75), 8)
    assert interleaved == [None, 0.5] * 4
    assert layer_ratios(MixtureOfDepthsConfig(schedule="constant", mean_ratio=1.0), 3) == [None, 1.0, 1.0]


def test_linear_falls_evenly_between_threshold_and_floor() -> None:
    ratios = layer_ratios(MixtureOfDepthsConfig(schedule="linear", floor=0.2, dense_above=0.9), 11)
    assert ratios[0] is None and ratios[1] == pytest.approx(0.9)
    assert ratios[2:9] == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    assert ratios[9:] == [0.2, 0.2]


def test_counts_are_truncated_and_never_above_the_tokens() -> None:
    assert [kept_count(n, 0.15) for n in (0, 6, 7, 13, 14)] == [0, 0, 1, 1, 2]
    assert kept_count(5, 1.0) == 5


def test_layer_0_is_never_routed() -> None:
    with pytest.raises(ValueError, match="layer 0 must stay dense"):
        layer_ratios(MixtureOfDepthsConfig(dense_above=1.0), 8)


def test_an_impossible_mean_says_what_each_layer_would_have_to_keep() -> None:
    with pytest.raises(ValueError, match=r"its 4 routed layers would each have to keep -0\.6"):
        layer_ratios(MixtureOfDepthsConfig(schedule="interleaved", mean_ratio=0.2), 8)


@pytest.mark.parametrize(
    "values", [{"floor": 1.5}, {"alpha": 1.0}, {"schedule": "sine"}, {"mean_ratio": 0.5}, {"route": []}, {"depth": 3}]
)
def test_values_outside_their_rule_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MixtureOfDepthsConfig.model_validate(values)
