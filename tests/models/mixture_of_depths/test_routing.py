"""Who is kept, with which weight, and how kept tokens are taken out and put back: against loops over tokens."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.models.mixture_of_depths.routing import (
    Routing,
    Selection,
    kept_vision,
    router_weights,
    softmax_weight,
    tanh_norm,
)


def routing_of(samples: list[list[int]], real: list[list[bool]] | None = None) -> Routing:
    grid = torch.tensor(samples)
    mask = None if real is None else torch.tensor(real)
    return Routing.of(grid, grid.shape, mask, custom_mask=False)


def test_tanh_norm_is_one_at_zero_and_stays_within_alpha() -> None:
    logits = torch.tensor([-50.0, -1.0, 0.0, 1.0, 50.0])
    expected = [0.8, 1 - 0.2 * math.tanh(1), 1.0, 1 + 0.2 * math.tanh(1), 1.2]
    assert torch.allclose(tanh_norm(logits, 0.2), torch.tensor(expected))
    assert float(tanh_norm(torch.zeros(1), 0.2)) == 1.0


def test_softmax_weights_sum_to_one_in_each_sample() -> None:
    sample = torch.tensor([0, 0, 0, 1, 1])
    logits = torch.tensor([1.0, 200.0, 199.0, -3.0, -3.0])
    found = softmax_weight(logits, sample, 2)
    assert torch.allclose(found, torch.cat([logits[:3].softmax(0), logits[3:].softmax(0)]))
    assert torch.equal(router_weights("sigmoid", logits, 0.2, routing_of([[0]])), torch.sigmoid(logits))


def test_equal_logits_are_kept_in_the_order_of_the_tokens() -> None:
    routing = routing_of([[-1, 0, 0, 0, 0, -1], [1, 1, 1, -1, -1, -1]])
    kept = kept_vision(torch.tensor([0.0, 1.0, 0.0, 0.0, 2.0, 2.0, 2.0]), routing, [2, 1])
    assert kept.tolist() == [True, True, False, False, True, False, False]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_kept_tokens_come_out_and_go_back_as_a_loop_over_tokens_would(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 3))
    length = data.draw(st.integers(2, 9))
    kinds = st.lists(st.sampled_from([-2, -1, 0]), min_size=length, max_size=length)
    layout = [data.draw(kinds) for _ in range(rows)]  # -2 padding, -1 text, 0 vision
    for row in layout:
        row[-1] = -1
    ratio = data.draw(st.floats(0.05, 0.95))
    samples = [[row if kind == 0 else -1 for kind in kinds] for row, kinds in enumerate(layout)]
    real = [[kind != -2 for kind in kinds] for kinds in layout]
    routing = routing_of(samples, real)
    logits = torch.tensor(
        data.draw(st.lists(st.integers(-2, 2), min_size=len(routing.vision), max_size=99))[: len(routing.vision)]
    ).float()
    quotas = routing.quotas(ratio)
    kept = torch.tensor(real).flatten().index_copy(0, routing.vision, kept_vision(logits, routing, quotas))
    selection = Selection.of(kept.view(rows, length), routing.kept_lengths(quotas))

    values = torch.arange(rows * length, dtype=torch.float32).view(rows, length, 1)
    gathered = selection.gather(values)[..., 0]
    given_logits = dict(zip(routing.vision.tolist(), logits.tolist(), strict=True))
    expected_kept = []
    for row, kinds in enumerate(layout):
        vision = [row * length + place for place, kind in enumerate(kinds) if kind == 0]
        best = sorted(vision, key=lambda flat: (-given_logits[flat], flat))[: int(len(vision) * ratio)]
        text = [row * length + place for place, kind in enumerate(kinds) if kind == -1]
        mine = sorted(best + text)
        expected_kept += mine
        width = gathered.shape[1]
        assert gathered[row, width - len(mine) :].tolist() == mine
        if selection.real is not None:
            assert selection.real[row].tolist() == [False] * (width - len(mine)) + [True] * len(mine)
        else:
            assert width == len(mine)
    back = selection.put_back(values, -selection.gather(values)).flatten().tolist()
    assert back == [-flat if flat in expected_kept else float(flat) for flat in range(rows * length)]


def test_a_4d_mask_is_cut_to_the_kept_tokens() -> None:
    mask = torch.arange(16.0).view(1, 1, 4, 4)
    selection = Selection.of(torch.tensor([[True, False, True, True]]), [3])
    places = [0, 2, 3]
    assert torch.equal(selection.mask(mask)[0, 0], mask[0, 0][places][:, places])


@pytest.mark.parametrize("samples", [[[-1, -1, -1]], [[0]]])
def test_text_and_single_tokens_are_never_routed(samples: list[list[int]]) -> None:
    assert routing_of(samples).counts == ()


def test_several_samples_in_one_row_are_counted_apart() -> None:
    routing = routing_of([[0, 0, 0, -1, 4, 4, -1, 4]])
    assert routing.counts == (3, 3) and routing.rows == (0, 0)
    assert routing.sample.tolist() == [0, 0, 0, 1, 1, 1]
    assert routing.kept_lengths([1, 2]) == [5]
