"""The published network: its size, its attention and its loss, by hand."""

import math

import pytest
import torch

from lantnet.published.network import LANTNet, LayerAttention, noise_tolerant_loss


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


def test_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]])
    labels = torch.tensor([1, 1])  # probabilities of the label: 3/4 and 1/5
    cross_entropy = -(math.log(0.75) + math.log(0.2)) / 2
    tolerant = ((2 - 2 * 0.75) + (2 - 2 * 0.2)) / 2
    assert noise_tolerant_loss(logits, labels).item() == pytest.approx(0.1 * cross_entropy + 0.9 * tolerant, rel=1e-5)
