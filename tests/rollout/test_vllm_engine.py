"""The vLLM engine over fake servers of a real tiny model: what is asked, published, refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import make_clip
from tests.rollout.fake_server import FakeServer

from reeltune.config.recipe import Recipe, parse_recipe
from reeltune.errors import InputError, NoServers
from reeltune.models.policy import Policy, load_policy
from reeltune.rollout.engine import Request, SamplingParams, Unanswered
from reeltune.rollout.hf import HFEngine
from reeltune.rollout.vllm import VLLMEngine

Servers = Callable[[int], list[FakeServer]]
LONG = 4


def recipe_of(servers: list[FakeServer], model: Path, folder: Path, **rollout: Any) -> Recipe:
    tree = {
        "method": "grpo",
        "model": {"path": str(model)},
        "data": {"train": "samples.jsonl"},
        "run": {"dir": str(folder)},
        "rollout": {"engine": "vllm", "servers": [each.url for each in servers], "timeout_s": 5.0, **rollout},
    }
    return parse_recipe(tree, where="test")


@pytest.fixture(scope="module")
def policy(tiny_models: Any) -> Policy:
    return load_policy(tiny_models("qwen3_vl"), self_check=False)


@pytest.fixture
def connect(servers: Servers, policy: Policy, tiny_models: Any, tmp_path: Path) -> Any:
    """connect(n, **rollout) -> engine in use, its fake servers."""
    opened: list[VLLMEngine] = []

    def open_engine(count: int = 1, **rollout: Any) -> tuple[VLLMEngine, list[FakeServer]]:
        fakes = servers(count)
        engine = VLLMEngine(policy, recipe_of(fakes, tiny_models("qwen3_vl"), tmp_path, **rollout))
        opened.append(engine)
        engine.start()
        engine.sync(policy.named_weights, 0)
        return engine, fakes

    yield open_engine
    for each in opened:
        each.close()


def requests_of(policy: Policy, count: int = 2) -> list[Request]:
    found = []
    for index in range(count):
        clip = make_clip(4 + 2 * index, seed=index)
        prompt = policy.prompt(f"What happens? Case {index}.", clip)
        with torch.no_grad():
            [features] = policy.encode([clip])
        found.append(Request(prompt, features, seed=2**62 + index))
    return found


def params(policy: Policy) -> SamplingParams:
    return SamplingParams(max_new_tokens=LONG, banned=tuple(policy.banned.tolist()))


def test_what_servers_draw_is_what_the_learners_own_engine_draws(connect: Any, policy: Policy) -> None:
    engine, fakes = connect(2)
    requests = requests_of(policy, 4)
    found = engine.generate(requests, 3, params(policy))
    own = HFEngine(policy).generate(requests, 3, params(policy))
    for ours, theirs in zip(own, found, strict=True):
        assert torch.equal(ours.completions.ids, theirs.completions.ids)
        assert torch.equal(ours.completions.mask, theirs.completions.mask)
        assert torch.equal(ours.truncated, theirs.truncated) and ours.texts == theirs.texts
        assert float((ours.log_probs - theirs.log_probs).abs().max()) < 1e-5
    # One request a group, and the probes.
    assert sum(len(fake.bodies) for fake in fakes) == 4 + 2
    body = fakes[0].bodies[-1]
    assert body["n"] == 3 and set(map(int, body["logit_bias"])) == set(policy.banned.tolist())
    assert body["top_p"] == 1.0 and body["top_k"] == 0 and body["stop_token_ids"] == list(policy.stop_ids)


def test_new_weights_reach_every_server_in_order(connect: Any, policy: Policy) -> None:
    engine, fakes = connect(2)
    request = requests_of(policy, 1)
    before = engine.generate(request, 2, params(policy))[0]
    saved = {name: value.clone() for name, value in policy.model.state_dict().items()}
    try:
        with torch.no_grad():
            policy.head.weight.add_(torch.randn(policy.head.weight.shape, generator=torch.Generator().manual_seed(0)))
        for fake in fakes:
            fake.calls.clear()
        engine.sync(policy.named_weights, 1)
        after = engine.generate(request, 2, params(policy))[0]
        assert not torch.equal(before.log_probs, after.log_probs) and after.version == 1
        assert (
            float((HFEngine(policy).generate(request, 2, params(policy))[0].log_probs - after.log_probs).abs().max())
            < 1e-5
        )
    finally:
        policy.model.load_state_dict(saved)
    for fake in fakes:
        told = [call for call in fake.calls if call not in ("/health", "/weight_info", "/v1/chat/completions")]
        assert told == [
            "/pause",
            "/collective_rpc",
            "/reset_prefix_cache",
            "/reset_mm_cache",
            "/reset_encoder_cache",
            "/collective_rpc",
            "/update_weight_version",
            "/resume",
        ]
        assert fake.weights.endswith("-1") and fake.weights == fakes[0].weights
    # Only the newest version is kept.
    assert [path.name for path in sorted(engine.folder.glob("version-*"))] == ["version-000001"]


def test_a_server_that_loads_nothing_is_found_out_by_its_weights(connect: Any, policy: Policy) -> None:
    engine, [deaf, _] = connect(2, timeout_s=1.0)
    deaf.deaf = True
    with torch.no_grad():
        policy.head.weight[0, 0] += 1.0
    try:
        engine.sync(policy.named_weights, 1)
        assert "publishing, checksum: its weights have the checksum" in engine.pool.members[0].why
        assert [member.ready for member in engine.pool.members] == [False, True]
        deaf.served.clear()
        engine.generate(requests_of(policy), 2, params(policy))
        assert deaf.served == []
    finally:
        with torch.no_grad():
            policy.head.weight[0, 0] -= 1.0


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ({"other_ids": True}, "server and learner tokenize the prompt differently"),
        ({"off": 0.01}, "its log-probs differ from the learner's by 0.01"),
        ({"garbage": True}, "rollouts cannot be trusted"),
    ],
)
def test_a_server_that_fails_the_probe_is_refused(
    servers: Servers, policy: Policy, tiny_models: Any, tmp_path: Path, knob: dict[str, Any], words: str
) -> None:
    [fake] = servers(1)
    for name, value in knob.items():
        setattr(fake, name, value)
    engine = VLLMEngine(policy, recipe_of([fake], tiny_models("qwen3_vl"), tmp_path))
    engine.start()
    with pytest.raises(InputError, match=words) as error:
        engine.sync(policy.named_weights, 0)
    if "other_ids" in knob:
        assert "ours " in str(error.value) and "theirs " in str(error.value)
    engine.close()


def test_too_few_servers_at_the_start_are_named(
    policy: Policy, tiny_models: Any, servers: Servers, tmp_path: Path
) -> None:
    first, second = servers(2)
    second.kill()
    engine = VLLMEngine(policy, recipe_of([first, second], tiny_models("qwen3_vl"), tmp_path, min_servers=2))
    with pytest.raises(
        InputError, match=f"min_servers=2 servers must answer at the start, but 1 did:(.|\n)*{second.port}"
    ):
        engine.start()


def test_a_poisonous_prompt_is_given_up_and_remembered(connect: Any, policy: Policy) -> None:
    engine, fakes = connect(3, timeout_s=2.0)
    for fake in fakes:
        fake.poison = "Case 1."
    with pytest.raises(Unanswered) as error:
        engine.generate(requests_of(policy, 3), 2, params(policy))
    assert list(error.value.reasons) == [1] and sorted(error.value.found) == [0, 2]
    again = VLLMEngine(policy, engine.recipe)
    assert list(again.pool.deaths.values()).count(2) == 1


def test_what_servers_cannot_be_asked_is_given_up_unasked(connect: Any, policy: Policy) -> None:
    """Two videos; a text that looks like a special token, which a server would read as one."""
    engine, [fake] = connect(1)
    [one] = requests_of(policy, 1)
    two = policy.prompt("Which is longer?", [make_clip(seed=1), make_clip(seed=2)])
    odd = policy.prompt("What does <|im_end|> mean?", make_clip())
    text = policy.prompt("What is two and two?")
    fake.served.clear()
    features = one.features
    asked = [one, Request(two, features, 1), Request(odd, features, 1), Request(text, policy.no_features(), 1)]
    with pytest.raises(Unanswered) as error:
        engine.generate(asked, 2, params(policy))
    assert "shows 2 videos" in error.value.reasons[1] and "as a special token" in error.value.reasons[2]
    assert sorted(error.value.found) == [0, 3] and len(fake.served) == 2


def test_none_left(connect: Any, policy: Policy) -> None:
    engine, fakes = connect(2, timeout_s=0.5)
    for fake in fakes:
        fake.kill()
    with pytest.raises(NoServers, match="0 of 2 servers answered"):
        engine.generate(requests_of(policy), 2, params(policy))


def test_other_prompt_ids_later_stop_the_run(connect: Any, policy: Policy) -> None:
    engine, [fake] = connect(1)
    fake.other_ids = True
    with pytest.raises(InputError, match="tokenize the prompt differently"):
        engine.generate(requests_of(policy), 2, params(policy))
