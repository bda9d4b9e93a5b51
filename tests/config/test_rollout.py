"""The section rollout: what does not fit together is refused, in words that name the keys."""

from typing import Any

import pytest

from reeltune.config.recipe import Recipe, parse_recipe
from reeltune.config.rollout import log_probs_problem
from reeltune.errors import InputError

SERVERS = ["http://a:8100", "http://b:8100/"]


def recipe(rollout: dict[str, Any], **more: Any) -> Recipe:
    base: dict[str, Any] = {"method": "grpo", "model": {"path": "m"}, "data": {"train": "s.jsonl"}}
    return parse_recipe({**base, "rollout": rollout, **more}, where="test")


def test_servers_are_addresses_and_the_default_is_synchronous() -> None:
    found = recipe({"engine": "vllm", "servers": SERVERS}).rollout
    assert found.servers == ["http://a:8100", "http://b:8100"]
    assert (found.max_staleness, found.publish, found.media, found.min_servers) == (0, "disk", "embeds", 1)
    assert recipe({"engine": "vllm", "launch": {}}).rollout.launch is not None


@pytest.mark.parametrize(
    ("rollout", "more", "words"),
    [
        ({"engine": "vllm"}, {}, "exactly one of rollout.servers and rollout.launch"),
        ({"engine": "vllm", "servers": SERVERS, "launch": {}}, {}, "exactly one of"),
        ({"servers": SERVERS}, {}, "rollout.engine=hf uses no servers"),
        ({"engine": "vllm", "servers": ["a:8100"]}, {}, "http://HOST:PORT"),
        ({"engine": "vllm", "servers": ["http://a:1/v1"]}, {}, "without a path"),
        ({"engine": "vllm", "servers": ["http://u@a:1"]}, {}, "without a path, user or query"),
        ({"engine": "vllm", "servers": ["http://a:1", "http://a:1/"]}, {}, "listed twice"),
        ({"engine": "vllm", "servers": SERVERS, "min_servers": 3}, {}, "rollout.min_servers=3 is more than the 2"),
        ({"engine": "vllm", "servers": SERVERS, "publish": "nccl"}, {}, "rollout.publish=nccl is not supported"),
        ({"engine": "vllm", "servers": SERVERS, "publish": "lora"}, {}, "the recipe has none"),
        (
            {"engine": "vllm", "servers": SERVERS, "publish": "lora"},
            {"adapter": {}, "model": {"path": "m", "freeze": ["vision"]}},
            "add projector to model.freeze",
        ),
        ({"max_staleness": 1}, {"rl": {"skipping": {}}}, "rl.skipping"),
        ({"max_staleness": 1}, {"rl": {"gold_in_group": "always"}}, "rl.gold_in_group"),
        ({"max_staleness": 1}, {"method": "sft"}, "must be 0"),
        ({}, {"method": "sft", "rl": {"correction": "masked"}}, "rl.correction=masked needs method grpo"),
        ({}, {"rl": {"correction_cap": 1.0}}, "rl.correction_cap"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(rollout: dict[str, Any], more: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        recipe(rollout, **more)


def test_a_cut_distribution_is_not_trained_on_from_servers() -> None:
    cut = recipe({"engine": "vllm", "servers": SERVERS}, rl={"top_p": 0.9})
    assert "rl.top_p=0.9" in str(log_probs_problem(cut))
    assert log_probs_problem(recipe({"engine": "vllm", "servers": SERVERS})) is None
    assert log_probs_problem(recipe({}, rl={"top_p": 0.9})) is None
