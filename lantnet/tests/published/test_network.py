"""The published network: its size, its attention and its loss, by hand."""

import math

import pytest
import torch

from lantnet.published.loss import NoiseTolerantLoss
from lantnet.published.network import LANTNet, LayerAttention, PatchByPatch


def test_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in LANTNet().parameters()) == 24_944


def test_gives_two_logits_a_patch() -> None:
    assert LANTNet()(torch.rand(5, 3, 7, 7)).shape == (5, 2)


def test_attention_equals_the_formula_entry_by_entry() -> None:
    torch.manual_seed(0)
    attention = LayerAttention(4)
    with torch.no_grad():
        attention.weight.copy_(torch.tensor([0.5, 1.0, 1.5, 2.0]))
    layers = torch.randn(2, 4, 3, 2, 2) * 0.3
    result = attention(layers).view(2, 4, 12)
    for sample in range(2):
        group = layers[sample].reshape(4, 12).double()
        weighted = [[attention.weight[i].item() * value.item() for value in group[i]] for i in range(4)]
        for i in range(4):
            similar = [sum(a * b for a, b in zip(weighted[i], weighted[j], strict=True)) for j in range(4)]
            scores = [math.exp(max(similar) - value) for value in similar]
            for k in range(12):
                mixed = sum(scores[j] / sum(scores) * weighted[j][k] for j in range(4))
                assert result[sample, i, k].item() == pytest.approx(mixed + group[i, k].item(), abs=1e-5)


def test_patch_by_patch_is_the_network_on_every_patch() -> None:
    torch.manual_seed(1)
    network = LANTNet().eval()
    images = torch.rand(2, 3, 9, 8)
    with torch.inference_mode():
        found = PatchByPatch(network).eval()(images)
        logits = network(images[1:, :, 2:9, 1:8])
    assert found.shape == (2, 1, 3, 2)
    assert found[1, 0, 2, 1].item() == pytest.approx((logits[0, 1] - logits[0, 0]).item(), abs=1e-5)


def published_loss(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """From two logits, one pixel after the other."""
    total = 0.0
    for pair, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(pair[label]) / (math.exp(pair[0]) + math.exp(pair[1]))
        total += 0.1 * -math.log(p) + 0.9 * (2 - 2 * p)
    return total / len(labels)


def test_loss_equals_the_published_one_on_two_logits() -> None:
    torch.manual_seed(2)
    logits, labels = torch.randn(6, 2) * 2, torch.tensor([0, 1, 1, 0, 1, 0])
    found = NoiseTolerantLoss()((logits[:, 1] - logits[:, 0])[:, None, None], labels[:, None, None].float(), ones(6))
    assert found.item() == pytest.approx(published_loss(logits, labels), rel=1e-5)


def test_loss_by_hand_with_weights_and_plain_cross_entropy() -> None:
    logits = torch.tensor([math.log(3.0), -math.log(4.0), 9.0]).view(3, 1, 1)  # of the label: 3/4, 1/5, and left out
    target, weight = ones(3), torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1)
    entropy = -(math.log(0.75) + math.log(0.2)) / 2
    tolerant = ((2 - 2 * 0.75) + (2 - 2 * 0.2)) / 2
    assert NoiseTolerantLoss()(logits, target, weight).item() == pytest.approx(0.1 * entropy + 0.9 * tolerant, rel=1e-5)
    assert NoiseTolerantLoss(1.0)(logits, target, weight).item() == pytest.approx(entropy, rel=1e-5)
    assert NoiseTolerantLoss()(logits, target, 0 * weight).item() == 0


def ones(count: int) -> torch.Tensor:
    return torch.ones(count, 1, 1)
