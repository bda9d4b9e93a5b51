"""Which share of the vision tokens each decoder layer processes: the progressive schedule of p-MoD and its ablations.

Source: arXiv 2412.04449, with the released code's truncation. Pure numbers, no tensors.
"""

import math

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig


def layer_ratios(config: MixtureOfDepthsConfig, layers: int) -> list[float | None]:
    """The kept share of every layer; None where the layer stays dense.

    Raises ValueError when layer 0 would be routed (its cache length and mask stand for the whole model) or when
    no shares can give `mean_ratio`.
    """
    if config.schedule == "interleaved":
        ratios = _interleaved(config, layers)
    elif config.schedule == "constant":
        ratios = _constant(config, layers)
    else:
        ratios = [_dense_or(share, config) for share in _decay(config.schedule, layers)]
    if ratios[0] is not None:
        raise ValueError(f"layer 0 must stay dense; schedule {config.schedule} gives it a share of {ratios[0]:g}")
    return ratios


def mean_ratio(ratios: list[float | None]) -> float:
    """The mean share over all layers, dense ones counted as 1: the vision tokens' share of the KV cache."""
    return sum(1.0 if ratio is None else ratio for ratio in ratios) / len(ratios)


def kept_count(tokens: int, ratio: float) -> int:
    """How many of a sample's vision tokens a layer keeps: truncated, as the released code does."""
    return min(int(tokens * ratio), tokens)


def _decay(schedule: str, layers: int) -> list[float]:
    steps = max(layers - 1, 1)
    if schedule == "linear":
        return [1 - index / steps for index in range(layers)]
    return [math.cos(index * math.pi / steps) / 2 + 0.5 for index in range(layers)]


def _dense_or(share: float, config: MixtureOfDepthsConfig) -> float | None:
    return None if share > config.dense_above else max(share, config.floor)


def _target_mean(config: MixtureOfDepthsConfig, layers: int) -> float:
    return config.mean_ratio or mean_ratio([_dense_or(share, config) for share in _decay("cosine", layers)])


def _constant(config: MixtureOfDepthsConfig, layers: int) -> list[float | None]:
    """One share in every layer but the first; our reading of the ablation, at the paper's mean."""
    return _spread(config, layers, routed=range(1, layers))


def _interleaved(config: MixtureOfDepthsConfig, layers: int) -> list[float | None]:
    """Every second layer routed, as the first mixture of depths (arXiv 2404.02258) does."""
    return _spread(config, layers, routed=range(1, layers, 2))


def _spread(config: MixtureOfDepthsConfig, layers: int, *, routed: range) -> list[float | None]:
    target = _target_mean(config, layers)
    share = (target * layers - (layers - len(routed))) / len(routed) if routed else 0.0
    if not 0 <= share <= 1:
        raise ValueError(
            f"schedule {config.schedule} of {layers} layers cannot keep {target:g} of the vision tokens on "
            f"average: its {len(routed)} routed layers would each have to keep {share:.3g}; set mean_ratio"
        )
    return [share if index in routed else None for index in range(layers)]
