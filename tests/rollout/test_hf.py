"""The rollout engine: one prefill per prompt, repeatable draws, the learner's own log-probs."""

import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reeltune.models.policy import Policy, load_policy
from reeltune.models.shared_prefix.row import group_log_probs, prefill
from reeltune.models.types import Group
from reeltune.rollout import hf
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine

FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"]
SIDE = {"qwen2_vl": 56, "qwen2_5_vl": 56, "qwen3_vl": 64}
PARAMS = SamplingParams(temperature=0.9, max_new_tokens=12)


@pytest.fixture(scope="module", params=FAMILIES)
def policy(request: Any, tiny_models: Any) -> Policy:
    return load_policy(tiny_models(request.param)).eval()


def make_requests(policy: Policy, clip_of: Any, count: int, *, fps: float = 2.0) -> list[Request]:
    side = SIDE[policy.family.config.model_type]
    requests = []
    for index in range(count):
        clip = clip_of(4 + 2 * (index % 2), side, seed=index, fps=fps)
        with torch.no_grad():
            [features] = policy.encode([clip])
        requests.append(Request(policy.prompt("When?" * (1 + index), clip), features, seed=100 + index))
    return requests


def test_log_probs_of_what_was_sampled_are_the_learners(policy: Policy, clip_of: Any) -> None:
    requests = make_requests(policy, clip_of, 3)
    for params in (PARAMS, replace(PARAMS, top_p=0.8), replace(PARAMS, top_k=5)):
        rollouts = HFEngine(policy).generate(requests, 4, params)
        groups = [Group(r.prompt, r.features, o.completions) for r, o in zip(requests, rollouts, strict=True)]
        learned = group_log_probs(policy, groups, temperature=params.temperature)
        for rollout, values in zip(rollouts, learned, strict=True):
            mask = rollout.completions.mask
            assert torch.allclose(values[mask], rollout.log_probs[mask], atol=1e-4)


def test_draws_depend_on_the_seed_and_not_on_the_neighbours(policy: Policy, clip_of: Any) -> None:
    requests = make_requests(policy, clip_of, 3)
    together = HFEngine(policy).generate(requests, 4, PARAMS)
    alone = [HFEngine(policy).generate([request], 4, PARAMS)[0] for request in requests]
    one_per_pass = HFEngine(policy, token_budget=1).generate(requests, 4, PARAMS)
    assert [rollout.texts for rollout in together] == [rollout.texts for rollout in alone]
    assert [rollout.texts for rollout in together] == [rollout.texts for rollout in one_per_pass]
    other = HFEngine(policy).generate([replace(requests[0], seed=5)], 4, PARAMS)
    assert other[0].texts != together[0].texts


def test_greedy_is_what_the_stock_model_gives(policy: Policy, clip_of: Any) -> None:
    [request] = make_requests(policy, clip_of, 1)
    params = SamplingParams(temperature=0.0, max_new_tokens=10)
    [rollout] = HFEngine(policy).generate([request], 1, params)
    # Token by token, the whole stock pass each time, at our positions: generate() makes its own, which forget time.
    ids, positions = request.prompt.input_ids[None], request.prompt.position_ids
    with torch.no_grad():
        for step in range(params.max_new_tokens):
            extra = policy.family.stock_inputs(ids, request.prompt.media)
            logits = policy.model(input_ids=ids, position_ids=positions[:, None], **extra).logits[0, -1]
            logits[policy.banned] = float("-inf")
            ids = torch.cat([ids, logits.argmax()[None, None]], dim=1)
            after = torch.full((3, 1), request.prompt.next_position + step)
            positions = torch.cat([positions, after], dim=1)
            if int(ids[0, -1]) in policy.stop_ids:
                break
    expected = ids[0, len(request.prompt) :].tolist()
    assert rollout.completions.ids[0].tolist() == expected


def test_prompts_are_prefilled_once_and_finished_rows_leave(policy: Policy, clip_of: Any) -> None:
    requests = make_requests(policy, clip_of, 2)
    shapes: list[tuple[int, int]] = []
    hook = policy.language_model.register_forward_pre_hook(
        lambda _m, _a, kwargs: shapes.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    # Many stop tokens, so that rows end at different steps.
    stops, policy.stop_ids = policy.stop_ids, tuple(range(0, 340, 6))
    try:
        rollouts = HFEngine(policy).generate(requests, 8, PARAMS)
    finally:
        hook.remove()
        policy.stop_ids = stops
    assert shapes[0] == (1, sum(len(request.prompt) for request in requests))
    decoded = [rows for rows, length in shapes[1:]]
    assert all(length == 1 for _, length in shapes[1:])
    assert decoded == sorted(decoded, reverse=True) and decoded[-1] < 16
    for rollout in rollouts:
        ends = [
            row[length - 1].item()
            for row, length in zip(rollout.completions.ids, rollout.completions.lengths, strict=True)
        ]
        assert [end % 6 != 0 for end in ends] == rollout.truncated.tolist()


def test_vision_tokens_are_never_sampled(policy: Policy, clip_of: Any) -> None:
    [request] = make_requests(policy, clip_of, 1)
    with torch.no_grad():
        kept = policy.head.weight.clone()
        # A model that wants nothing but vision tokens.
        policy.head.weight[policy.banned] = 50 * kept[20]
    try:
        [rollout] = HFEngine(policy).generate([request], 16, SamplingParams(max_new_tokens=20))
    finally:
        with torch.no_grad():
            policy.head.weight.copy_(kept)
    assert not torch.isin(rollout.completions.ids[rollout.completions.mask], policy.banned).any()
    assert torch.isfinite(rollout.log_probs).all()


def test_kept_prompts_are_given_back(policy: Policy, clip_of: Any) -> None:
    """With their graphs, used or not, as soon as nobody holds them: a run of many steps must not grow."""
    requests = make_requests(policy, clip_of, 2)
    used, unused = HFEngine(policy).generate(requests, 3, PARAMS, keep_graph=True)
    assert used.state is not None and unused.state is not None
    [log_probs] = group_log_probs(
        policy, [Group(requests[0].prompt, requests[0].features, used.completions, used.state)]
    )
    log_probs.sum().backward()
    watched = [weakref.ref(key) for state in (used.state, unused.state) for key, *_ in state.layers]
    del used, unused, log_probs
    assert not any(each() is not None for each in watched)
    policy.zero_grad()


@pytest.mark.parametrize("keep_graph", [False, True])
def test_the_prompts_own_cache_lives_on_only_for_an_update(
    keep_graph: bool, policy: Policy, clip_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While completions are decoded, the prefill's keys exist beside the decoder's only where a graph needs them."""
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def noted(*args: Any) -> Any:
        states = prefill(*args)
        made.extend(weakref.ref(key) for state in states for key, *_ in state.layers)
        return states

    def decode(self: Policy, *args: Any) -> torch.Tensor:
        alive.append(sum(key() is not None for key in made))
        return original(self, *args)

    original = Policy.decode
    monkeypatch.setattr(hf, "prefill", noted)
    monkeypatch.setattr(Policy, "decode", decode)
    HFEngine(policy).generate(make_requests(policy, clip_of, 2), 3, PARAMS, keep_graph=keep_graph)
    assert made and alive
    assert set(alive) == ({len(made)} if keep_graph else {0})


@pytest.mark.parametrize("look_every", [3, 16])
def test_looking_seldom_for_ended_rows_changes_nothing(
    policy: Policy, clip_of: Any, look_every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = make_requests(policy, clip_of, 2)
    monkeypatch.setattr(policy, "stop_ids", tuple(range(0, 300, 6)))
    params = replace(PARAMS, max_new_tokens=20)
    often = HFEngine(policy).generate(requests, 4, params)
    seldom = HFEngine(policy, look_every=look_every).generate(requests, 4, params)
    lengths = [length for rollout in often for length in rollout.completions.lengths]
    assert len(set(lengths)) > 1 and min(lengths) < look_every  # rows end at different times, between two looks
    for one, other in zip(often, seldom, strict=True):
        assert torch.equal(one.completions.ids, other.completions.ids)
        assert torch.equal(one.completions.mask, other.completions.mask)
        assert torch.allclose(one.log_probs, other.log_probs, atol=1e-5)
        assert torch.equal(one.truncated, other.truncated) and one.texts == other.texts


class Waits(TorchDispatchMode):
    """Counts the operations for which a CPU must wait until a GPU has come so far."""

    NAMES = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "_unique2", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in self.NAMES:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_decoding_does_not_wait_for_the_device_at_every_token(policy: Policy, clip_of: Any) -> None:
    requests = make_requests(policy, clip_of, 1)
    counts = {}
    for length in (8, 40):
        with Waits() as waits:
            HFEngine(policy, look_every=16).generate(requests, 2, replace(PARAMS, max_new_tokens=length))
        counts[length] = len(waits.seen)
    with Waits() as waits:
        HFEngine(policy, look_every=1).generate(requests, 2, replace(PARAMS, max_new_tokens=40))
    assert len(waits.seen) >= 39  # the counter counts
    assert counts[40] - counts[8] <= 4  # two looks, whatever they ask
