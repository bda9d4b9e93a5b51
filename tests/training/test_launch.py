"""Runs inside the test process: bad input, quarantine, what is computed how often, further settings."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.damage import cut
from tests.training.whole import require_whole

from reeltune.cli import main
from reeltune.config.recipe import load_recipe
from reeltune.distributed.world import World, share_of
from reeltune.errors import InputError
from reeltune.models.policy import Policy
from reeltune.rewards.recipe import recipe_rewards
from reeltune.training.loop import Loop


@pytest.fixture
def unchecked(monkeypatch: Any) -> None:
    """Without the check that a model makes of itself when it is loaded, which has passes of its own."""
    monkeypatch.setattr("reeltune.models.policy.check_against_stock", lambda policy: None)


def run(workshop: Any, name: str, *overrides: str) -> int:
    return main(workshop.command(name, "eval.every=0", *overrides)[3:])


def edit_samples(workshop: Any, change: Any) -> None:
    rows = [json.loads(line) for line in workshop.samples.read_text().splitlines()]
    workshop.samples.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))


def test_unknown_recipe_key(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "bad", "rl.group_sise=3", "optim.lr=fast") == 2
    message = capsys.readouterr().err
    assert "rl.group_sise=3: unknown key; nearest valid key: rl.group_size" in message
    assert "optim.lr='fast'" in message
    assert not (workshop.folder / "bad").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [], "has no samples"),
        (lambda rows: [rows[0] | {"task": "vowls"}], "did you mean 'vowels'"),
        (lambda rows: [rows[0] | {"video": "gone.mp4"}], "gone.mp4"),
        (lambda rows: [rows[0]] * 3, "already used in line 1"),
        (lambda rows: [rows[0] | {"instruktion": "x"}], "instruktion"),
        (
            lambda rows: [
                {
                    "id": "a",
                    "task": "temporal_grounding",
                    "video": "0.mp4",
                    "query": "x",
                    "duration": 4.0,
                    "target": [[3.0, 1.0]],
                }
            ],
            "line 1, id 'a'",
        ),
    ],
)
def test_bad_samples(workshop: Any, capsys: Any, change: Any, words: str) -> None:
    edit_samples(workshop, change)
    assert run(workshop, "bad") == 2
    assert words in capsys.readouterr().err
    assert not (workshop.folder / "bad").exists()


def test_bad_models(workshop: Any, tmp_path: Path, capsys: Any) -> None:
    assert run(workshop, "bad", f"model.path={tmp_path / 'none'}") == 2
    assert "must be a Hugging Face model directory" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text((workshop.model / "config.json").read_text())
    assert run(workshop, "bad", f"model.path={empty}") == 2
    assert "no *.safetensors weights" in capsys.readouterr().err
    other = tmp_path / "gpt2"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "gpt2"}')
    save_file({"weight": torch.zeros(1)}, other / "model.safetensors")
    assert run(workshop, "bad", f"model.path={other}") == 2
    assert "no family supports model type 'gpt2'" in capsys.readouterr().err
    assert not (workshop.folder / "bad").exists()


def test_a_run_is_never_overwritten(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "run", "rl.steps=1") == 0
    require_whole(workshop.folder / "run")
    before = (workshop.folder / "run" / "metrics.jsonl").read_bytes()
    assert run(workshop, "run", "rl.steps=1") == 2
    assert "already contains a run; add --resume" in capsys.readouterr().err
    assert (workshop.folder / "run" / "metrics.jsonl").read_bytes() == before


def test_broken_videos_are_quarantined_and_replaced(workshop: Any, capsys: Any) -> None:
    clip = workshop.folder / "3.mp4"
    cut(clip, 300)
    assert run(workshop, "run", "video.max_broken_share=0.2") == 0
    [row] = [json.loads(line) for line in (workshop.folder / "run" / "quarantine.jsonl").read_text().splitlines()]
    assert row["id"] == "clip-3" and row["reason"]
    assert workshop.metrics("run")[-1]["quarantined"] == 1
    for path in (workshop.folder / "run" / "rollouts").iterdir():
        ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
        assert len(ids) == 4 and "clip-3" not in ids
    # A single one stops a run only where none is allowed.
    assert run(workshop, "strict", "video.max_broken_share=0") == 2
    assert "1 of 8 samples" in capsys.readouterr().err


def test_weights_kept_in_bfloat16_are_warned_of(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "run", "rl.steps=1", "model.dtype=bfloat16") == 0
    assert "steps of optim.lr 0.001 round to zero" in capsys.readouterr().err
    assert run(workshop, "other", "rl.steps=1") == 0
    assert "round to zero" not in capsys.readouterr().err


def test_a_nan_reward_names_reward_and_sample(workshop: Any, capsys: Any) -> None:
    task = workshop.folder / "vowels.py"
    task.write_text(task.read_text().replace("sum(text.count", "float('nan') * sum(text.count"))
    assert run(workshop, "run") == 2
    message = capsys.readouterr().err
    assert "reward 'vowels'" in message and "'clip-" in message and "nan" in message


def test_a_rollout_that_sees_other_inputs_is_caught(
    workshop: Any, unchecked: None, capsys: Any, monkeypatch: Any
) -> None:
    from reeltune.models.types import Prompt

    honest = Prompt.next_position.fget  # type: ignore[attr-defined]
    calls = iter(range(10**6))
    # Without the check at loading, which finds this first.
    monkeypatch.setattr("reeltune.models.policy.check_against_stock", lambda policy: None)
    # Positions drift between one reading and the next, as in trainers that rebuild the inputs twice.
    monkeypatch.setattr(Prompt, "next_position", property(lambda self: honest(self) + 3 * next(calls)))
    assert run(workshop, "run") == 2
    assert "rollout and learner must agree on the log-probs of sampled tokens" in capsys.readouterr().err


@pytest.mark.parametrize("frozen", [True, False])
def test_each_video_is_encoded_once_per_step(workshop: Any, unchecked: None, monkeypatch: Any, frozen: bool) -> None:
    encoded: list[str] = []
    steps: list[list[str]] = []
    original, original_step = Policy.encode, Loop._step

    def encode(self: Policy, clips: Any) -> Any:
        encoded.extend(clip.video_hash for clip in clips)
        return original(self, clips)

    def step(self: Any, number: int) -> Any:
        result = original_step(self, number)
        steps.append(list(encoded))
        encoded.clear()
        return result

    monkeypatch.setattr(Policy, "encode", encode)
    monkeypatch.setattr(Loop, "_step", step)
    assert run(workshop, "run", f"model.freeze={['vision', 'projector'] * frozen}") == 0
    assert all(len(hashes) == len(set(hashes)) for hashes in steps)
    if frozen:
        every = [key for hashes in steps for key in hashes]
        assert len(every) == len(set(every)) == 8
    else:
        assert all(len(hashes) == 4 for hashes in steps)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_update_goes_on_from_the_rollouts_prompts(
    workshop: Any, unchecked: None, monkeypatch: Any, frozen: bool, precision: str
) -> None:
    """One pass for the whole step: no prompt is computed twice, and the numbers are those of separate passes."""
    lengths: list[int] = []
    original, original_chat = Policy.hidden, Policy.chat
    prompts: list[int] = []

    def hidden(self: Policy, embeds: Any, *rest: Any) -> Any:
        lengths.append(embeds.shape[1])
        return original(self, embeds, *rest)

    def prompt(self: Policy, *arguments: Any, **options: Any) -> Any:
        result = original_chat(self, *arguments, **options)
        prompts.append(len(result))
        return result

    monkeypatch.setattr(Policy, "hidden", hidden)
    monkeypatch.setattr(Policy, "chat", prompt)
    settings = ["rl.steps=1", f"model.freeze={['vision', 'projector'] * frozen}", f"optim.precision={precision}"]
    assert run(workshop, "kept", *settings) == 0
    rows = [length for length in lengths if length > 1]
    # The first step's check of the log-probs goes its own way: prompts and completions in one row.
    completions = max(rows) - sum(prompts)
    assert sorted(rows) == sorted([*prompts, completions, sum(prompts) + completions])
    assert run(workshop, "apart", *settings, "packing.train_tokens=1") == 0
    exact = precision == "float32"
    [kept], [apart] = workshop.metrics("kept"), workshop.metrics("apart")
    assert kept.keys() == apart.keys() and kept["grad_norm"] > 0
    for name, value in kept.items():
        assert value == pytest.approx(apart[name], rel=1e-4 if exact else 0.02, abs=1e-5 if exact else 1e-3), name


def test_the_second_epoch_decodes_nothing(workshop: Any, monkeypatch: Any) -> None:
    from reeltune.video import load

    decoded: list[str] = []
    original = load._cached

    def cached(cache: Any, content: str, *rest: Any) -> Any:
        decode = rest[-1]
        return original(cache, content, *rest[:-1], lambda: decoded.append(content) or decode())

    monkeypatch.setattr(load, "_cached", cached)
    assert run(workshop, "first") == 0
    assert len(decoded) == len(set(decoded)) == 8
    assert run(workshop, "second") == 0
    assert len(decoded) == 8


@pytest.mark.parametrize(
    "overrides",
    [
        ["rl.kl=0.04", "rl.loss=grpo"],
        ["rl.updates_per_rollout=3", "rl.loss=gspo"],
        ["rl.updates_per_rollout=2", "model.freeze=[]", "rl.kl=0.1"],
        ["rl.loss=dr_grpo", "rl.advantage_scale=none", "rl.mask_truncated=true"],
        ["model.gradient_checkpointing=true", "packing.train_tokens=100"],
        ["optim.precision=bf16", "rl.loss=bnpo", "rl.advantage_scale=batch"],
        ["optim.schedule=cosine", "optim.warmup_steps=2", "optim.weight_decay=0.1", "rl.top_p=0.9", "rl.top_k=50"],
    ],
)
def test_settings_train(workshop: Any, overrides: list[str]) -> None:
    assert run(workshop, "run", "rl.steps=3", *overrides) == 0
    rows = workshop.metrics("run")
    assert [row["step"] for row in rows] == [1, 2, 3]
    if "rl.mask_truncated=true" not in overrides:
        assert all(row["grad_norm"] > 0 for row in rows)
    if any(each.startswith("rl.kl") for each in overrides):
        assert rows[-1]["kl"] > 0
    if "rl.updates_per_rollout=3" in overrides:
        assert rows[0]["nll"] > 0


def test_gradient_checkpointing_and_packing_do_not_change_the_run(workshop: Any) -> None:
    assert run(workshop, "plain") == 0
    assert run(workshop, "other", "model.gradient_checkpointing=true", "packing.train_tokens=1") == 0
    for left, right in zip(workshop.metrics("plain"), workshop.metrics("other"), strict=True):
        assert left["reward"] == pytest.approx(right["reward"], abs=1e-5)
        assert left["loss"] == pytest.approx(right["loss"], abs=1e-5)


def test_grpo_raises_the_reward(workshop: Any) -> None:
    assert run(workshop, "run", "rl.steps=25", "rl.group_size=8", "optim.lr=0.003", "optim.schedule=constant") == 0
    rewards = [row["reward"] for row in workshop.metrics("run")]
    assert sum(rewards[-5:]) / 5 > 1.5 * sum(rewards[:5]) / 5


def test_groups_must_divide_among_processes(workshop: Any) -> None:
    with pytest.raises(InputError, match="multiple of the number of processes"):
        share_of(5, World(0, 2, torch.device("cpu")), what="samples per step")


def test_the_run_directory_tells_what_ran(workshop: Any) -> None:
    assert run(workshop, "run", "rl.steps=1") == 0
    folder = workshop.folder / "run"
    again = load_recipe(folder / "config.yaml")
    assert again.rl.group_size == 4
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert recipe_rewards(again.rewards, {"vowels"}, "direct")["vowels"].weights == {"vowels": 1.0}


def test_a_reward_function_of_the_users_own(workshop: Any, capsys: Any) -> None:
    mine = workshop.folder / "mine.py"
    mine.write_text("def brief(sample, parsed, text):\n    return None if 'zzz' in text else 1 / (1 + len(text))\n")
    functions = f"rewards.functions={{vowels: {{brief: '{mine}:brief'}}}}"
    assert run(workshop, "run", "rl.steps=1", functions, "rewards.weights={vowels: {brief: 0.5}}") == 0
    [row] = workshop.metrics("run")
    assert 0 < row["vowels/brief"] < 1
    assert row["reward"] == pytest.approx(row["vowels/vowels"] + 0.5 * row["vowels/brief"], abs=1e-6)
    assert run(workshop, "bad", functions.replace(":brief", ":breif")) == 2
    assert "did you mean 'brief'" in capsys.readouterr().err
    assert run(workshop, "bad", "rewards.weights={vowel: {brief: 1}}") == 2
    assert "rewards.weights.vowel: there is no such task; did you mean 'vowels'" in capsys.readouterr().err


def test_a_trained_tower_and_groups_of_one_video_in_passes_of_their_own(workshop: Any) -> None:
    """Two samples of the same video share its features, in two passes."""
    edit_samples(workshop, lambda rows: [row | {"video": f"{number // 2}.mp4"} for number, row in enumerate(rows)])
    settings = ["rl.steps=2", "model.freeze=[]", "rl.updates_per_rollout=2", "rl.groups_per_step=8"]
    assert run(workshop, "one", *settings) == 0
    assert run(workshop, "eight", *settings, "packing.train_tokens=1") == 0
    for one, eight in zip(workshop.metrics("one"), workshop.metrics("eight"), strict=True):
        assert one["grad_norm"] == pytest.approx(eight["grad_norm"], rel=1e-4)
