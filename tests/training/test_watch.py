"""What a run says of itself when nothing is learned."""

import json
from typing import Any

import pytest

from reeltune.config.recipe import WatchConfig
from reeltune.errors import InputError
from reeltune.training.watch import Watch

FINE = {
    "unparsed": 0.1, "truncated": 0.0, "groups_without_signal": 1.0, "grad_norm": 1.0, "nll": 0.5,
    "completion_tokens": 20.0, "reward": 1.0, "kl": 0.1,
}  # fmt: skip


def watch(**settings: Any) -> Watch:
    return Watch(WatchConfig(**{"every": 2, **settings}), groups=4, max_new_tokens=256)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"truncated": 0.94}, "94% of the completions are truncated at 256 tokens: raise rl.max_new_tokens"),
        ({"unparsed": 1.0}, "100% of the completions cannot be parsed"),
        ({"groups_without_signal": 4.0}, "all groups have zero variance"),
        ({"kl": 20.0}, "raise rl.kl or lower optim.lr"),
        ({"grad_norm": 1e6}, "the gradient is large"),
        ({"nll": 0.001}, "almost deterministic"),
    ],
)
def test_each_kind_is_said_once_and_again_after_it_had_gone(change: dict[str, float], words: str) -> None:
    own = watch()
    assert own.observe(1, FINE) == [] and own.observe(2, FINE) == []
    bad = FINE | change
    # The mean of two steps may tell at once, or when the last good step is out of sight.
    told = [text for step in (3, 4, 5, 6) for text in own.observe(step, bad)]
    assert len([text for text in told if words in text]) == 1
    assert any(words in text for text in own.standing().values())
    for step in (7, 8):
        own.observe(step, FINE)
    assert own.standing() == {}
    again = [text for step in (9, 10, 11, 12) for text in own.observe(step, bad)]
    assert len([text for text in again if words in text]) == 1


def test_a_reward_that_falls_is_called_out() -> None:
    own = watch()
    for step in range(1, 5):
        assert own.observe(step, FINE) == []
    told = [text for step in (5, 6) for text in own.observe(step, FINE | {"reward": 0.1})]
    assert any("the reward fell to 0.1 from 1" in text for text in told)


def test_rewards_below_zero_are_judged_by_their_rise() -> None:
    own = watch()
    for step in range(1, 5):
        assert own.observe(step, FINE | {"reward": -1.0}) == []
    for step in range(5, 9):
        assert own.observe(step, FINE | {"reward": -0.2}) == []
    told = [text for step in (9, 10) for text in own.observe(step, FINE | {"reward": -0.9})]
    assert any("the reward fell to -0.9 from -0.2" in text for text in told)


def test_what_is_not_known_of_a_step_is_not_said() -> None:
    own = watch()
    unknown = {name: value for name, value in FINE.items() if name not in ("nll", "kl", "reward")}
    for step in range(1, 4):
        assert own.observe(step, unknown) == []


def test_a_run_without_a_usable_answer_stops() -> None:
    own = watch(stop_after=5)
    for step in range(1, 5):
        own.observe(step, FINE | {"truncated": 1.0})
    told = r"step 5: no completion of the last 5 steps gave a learning signal.*raise rl.max_new_tokens"
    with pytest.raises(InputError, match=told):
        own.observe(5, FINE | {"truncated": 1.0})
    flat, row = watch(stop_after=3), FINE | {"groups_without_signal": 4.0}
    del row["kl"]
    with pytest.raises(InputError, match="all groups have zero variance"):
        for step in range(1, 4):
            flat.observe(step, row)
    pulled = watch(stop_after=3)  # a KL term still moves the weights
    for step in range(1, 9):
        pulled.observe(step, FINE | {"groups_without_signal": 4.0})
    never = watch(stop_after=0)
    for step in range(1, 50):
        never.observe(step, FINE | {"unparsed": 1.0})


def test_a_run_says_it_while_it_runs_in_its_files_and_last(workshop: Any) -> None:
    task = workshop.folder / "vowels.py"
    task.write_text(
        task.read_text()
        .replace("def rewards", "def parse(self, sample, text):\n        return Parsed(None, 'no')\n\n    def rewards")
        .replace("class Vowels", "from reeltune.tasks.base import Parsed\n\n\nclass Vowels")
    )
    output = workshop.train("run", "rl.steps=4", "eval.every=0", "watch.every=2")
    assert "step 2: WARNING: 100% of the completions cannot be parsed" in output
    assert output.strip().splitlines()[-1].startswith("reeltune: WARNING:")
    run = workshop.folder / "run"
    rows = [json.loads(line) for line in (run / "watch.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "cannot be parsed" in row["warning"]] == [2]
    assert "cannot be parsed" in (run / "report.html").read_text()
    assert workshop.train("stop", "rl.steps=9", "eval.every=0", "watch.stop_after=3", code=2)
    assert len(workshop.metrics("stop")) == 2, "the step that ends the run is not written"
