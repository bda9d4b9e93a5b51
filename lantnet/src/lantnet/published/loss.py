"""The noise-tolerant loss (arXiv 2208.04481, section II-C)."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class NoiseTolerantLoss:
    """.1 * cross-entropy + .9 * mean(2 - 2 p), p the probability of the label.

    A wrong label costs at most 2 in the second part, however sure the network is, so single wrong labels do not steer
    the training. `cross_entropy` is the share of the first part: .1 as published, 1 is plain cross-entropy.
    """

    cross_entropy: float = 0.1

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Mean over the pixels (B, H, W) by weight; a batch without weight costs nothing.

        logits: of change, so the published network's difference of its two. Targets lie in 0..1: our choice, which for
        0 and 1 is the published loss.
        """
        total = weight.sum().clamp_min(1)
        entropy = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / total
        if self.cross_entropy >= 1:
            return entropy
        probability = logits.sigmoid()
        wrong = target * (1 - probability) + (1 - target) * probability
        return self.cross_entropy * entropy + (1 - self.cross_entropy) * (2 * wrong * weight).sum() / total
