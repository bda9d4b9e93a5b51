"""Two runs of one directory; a run that is resumed as another one, damaged, or without what it began with; forks."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from reeltune.cli import main
from reeltune.config.recipe import load_recipe
from reeltune.errors import InputError
from reeltune.lock import locked
from reeltune.training.resume import require_same_run


@pytest.mark.slow
def test_a_second_run_is_refused_while_the_first_lives(workshop: Any) -> None:
    first = workshop.start("run", "rl.steps=400", "eval.every=0")
    lock = workshop.folder / "run" / "lock"
    while not lock.exists():
        assert first.poll() is None
        time.sleep(0.02)
    for words in ([], ["--resume"]):
        second = subprocess.run(
            workshop.command("run", *words), capture_output=True, text=True, timeout=120, check=False
        )
        assert second.returncode == 2, second.stderr
        assert "is being written by another process" in second.stderr
    assert first.poll() is None, "the first run had ended: the test shows nothing"
    first.kill()
    first.communicate(timeout=60)
    steps = [row["step"] for row in workshop.metrics("run")]
    assert steps == sorted(set(steps))
    # A killed run leaves the file, not the lock.
    assert lock.exists()
    with locked(workshop.folder / "run"):
        pass


def recipe_file(workshop: Any, run: Path) -> None:
    run.mkdir()
    text = yaml.safe_dump(load_recipe(workshop.recipe).model_dump(mode="json"))
    (run / "config.yaml").write_text(text)


def test_settings_that_decide_the_numbers_are_refused_on_resume(workshop: Any) -> None:
    run = workshop.folder / "run"
    recipe_file(workshop, run)
    words = ["seed=9", "rl.loss=gspo", "rl.group_size=8", "rl.kl=0.5", "video.fps=0.5", "rl.steps=9"]
    with pytest.raises(InputError) as caught:
        require_same_run(run, load_recipe(workshop.recipe, words))
    message = str(caught.value)
    for line in ("seed: 0, now 9", "rl.loss: 'dapo', now 'gspo'", "rl.group_size: 4, now 8", "video.fps: 2.0, now 0.5"):
        assert line in message
    assert "rl.steps" not in message


def test_what_leaves_the_numbers_alone_may_change_and_is_told(workshop: Any) -> None:
    run = workshop.folder / "run"
    recipe_file(workshop, run)
    assert require_same_run(run, load_recipe(workshop.recipe)) == []
    changed = require_same_run(run, load_recipe(workshop.recipe, ["rl.steps=9", "eval.every=0", "checkpoint.keep=5"]))
    steps = "rl.steps: 6, now 9; with optim.schedule=linear the learning rates of the remaining steps change too"
    assert sorted(changed) == ["checkpoint.keep: 2, now 5", "eval.every: 3, now 0", steps]
    assert require_same_run(run, load_recipe(workshop.recipe, ["judge.timeout_s=9"]))
    with pytest.raises(InputError, match=r"judge\.temperature: 0\.0, now 0\.5"):
        require_same_run(run, load_recipe(workshop.recipe, ["judge.temperature=0.5"]))
    (run / "config.yaml").write_text("[")
    with pytest.raises(InputError, match="is damaged"):
        require_same_run(run, load_recipe(workshop.recipe))


@pytest.mark.slow
def test_config_yaml_stays_what_the_run_began_with(workshop: Any) -> None:
    workshop.train("run", "rl.steps=2", "eval.every=0")
    before = (workshop.folder / "run" / "config.yaml").read_bytes()
    output = workshop.train("run", "--resume", "rl.steps=3", "eval.every=0")
    assert "changed since the run started: rl.steps: 2, now 3" in output
    assert (workshop.folder / "run" / "config.yaml").read_bytes() == before
    assert load_recipe(workshop.folder / "run" / "config-from-step-000002.yaml").rl.steps == 3


@pytest.mark.parametrize(
    "words",
    [
        ["rl.skipping={}"],
        ["rewards.weights={vowels: {vowels: 5.0}}"],
        ["model.mixture_of_depths={}"],
        ["judge.kind=lexical", "rl.std_floor=0.1"],
    ],
)
def test_a_setting_that_only_one_of_the_two_has_is_a_difference(workshop: Any, words: list[str]) -> None:
    run = workshop.folder / "run"
    recipe_file(workshop, run)
    with pytest.raises(InputError, match="these settings differ from those of"):
        require_same_run(run, load_recipe(workshop.recipe, words))
    (run / "config.yaml").write_text(yaml.safe_dump(load_recipe(workshop.recipe, words).model_dump(mode="json")))
    with pytest.raises(InputError, match="these settings differ from those of"):
        require_same_run(run, load_recipe(workshop.recipe))


def run(workshop: Any, name: str, *words: str) -> int:
    return main(workshop.command(name, "eval.every=0", "checkpoint.every=1", *words)[3:])


def files(folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in but
    }


@pytest.fixture
def own_processor(workshop: Any, tmp_path: Path) -> Path:
    """The workshop's model with processor and generation files that are not the family's defaults."""
    model = tmp_path / "own"
    shutil.copytree(workshop.model, model)
    statistics = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.9, 0.8, 0.7]}
    for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
        (model / name).write_text(json.dumps(statistics))
    generation = json.loads((model / "generation_config.json").read_text()) | {"temperature": 0.123, "do_sample": True}
    (model / "generation_config.json").write_text(json.dumps(generation))
    return model


def test_processor_files_outlive_pruning_and_every_resume(workshop: Any, own_processor: Path) -> None:
    words = [f"model.path={own_processor}", "checkpoint.keep=1"]
    assert run(workshop, "whole", "rl.steps=3", *words) == 0
    for steps in (1, 2, 3):
        resume = ["--resume"] if steps > 1 else []
        # The learning rate is a function of the number of steps: constant, so that parts equal the whole.
        assert run(workshop, "parts", f"rl.steps={steps}", "optim.schedule=constant", *words, *resume) == 0
    for name in ("whole", "parts"):
        [checkpoint] = (workshop.folder / name / "checkpoints").iterdir()
        for place in (checkpoint / "model", workshop.folder / name / "processor"):
            for file in ("preprocessor_config.json", "video_preprocessor_config.json", "generation_config.json"):
                assert (place / file).read_bytes() == (own_processor / file).read_bytes(), (place, file)
    model = Path("checkpoints/step-000003/model")
    whole, parts = (files(workshop.folder / name / model, but=("model.safetensors",)) for name in ("whole", "parts"))
    assert whole == parts and "tokenizer.json" in whole
    assert files(workshop.folder / "whole" / "processor") == files(workshop.folder / "parts" / "processor")


def test_a_damaged_checkpoint_is_named_and_the_one_before_gives_the_same_run(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "run", "rl.steps=3") == 0
    folder = workshop.folder / "run"
    before = files(folder, but=("timings.jsonl", "report.html"))
    weights = folder / "checkpoints" / "step-000003" / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1000] ^= 1
    weights.write_bytes(data)
    assert run(workshop, "run", "rl.steps=3", "--resume") == 0
    told = capsys.readouterr().err
    assert "step-000003: model/model.safetensors has changed" in told and "resumes after step 2" in told
    shutil.rmtree(folder / "checkpoints" / "damaged-step-000003")
    assert files(folder, but=("timings.jsonl", "report.html")) == before


def test_samples_that_a_kill_left_half_kept_are_kept_by_the_resume(workshop: Any) -> None:
    """Killed between the samples and the list of their media, which is written last."""
    assert run(workshop, "run", "rl.steps=1", "eval.every=0") == 0
    kept = workshop.folder / "run" / "samples"
    before = files(kept)
    assert before.keys() == {"train.jsonl", "media.jsonl"}
    (kept / "media.jsonl").unlink()
    assert run(workshop, "run", "rl.steps=1", "eval.every=0", "--resume") == 0
    assert files(kept) == before


def test_a_checkpoint_past_the_last_step_is_refused(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "run", "rl.steps=2") == 0
    assert run(workshop, "run", "rl.steps=1", "--resume") == 2
    assert "is of step 2, but the recipe ends at 1" in capsys.readouterr().err


@pytest.mark.parametrize("line", ['{"step": -1}', '{"step": "2"}', '{"loss": 1.0}', "[", '{"step": true}'])
def test_a_damaged_journal_is_named(workshop: Any, capsys: Any, line: str) -> None:
    assert run(workshop, "run", "rl.steps=1") == 0
    journal = workshop.folder / "run" / "metrics.jsonl"
    journal.write_text(journal.read_text() + line + "\n")
    assert run(workshop, "run", "rl.steps=2", "--resume") == 2
    assert "metrics.jsonl, line 2:" in capsys.readouterr().err


def test_what_the_recipe_names_must_not_change_either(workshop: Any, capsys: Any, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(workshop.model, model)
    words = ["rl.steps=2", f"model.path={model}"]
    assert run(workshop, "run", *words, "rl.steps=1") == 0
    task, samples, weights = workshop.folder / "vowels.py", workshop.samples, model / "model.safetensors"
    for path in (task, samples, weights):
        before = path.read_bytes()
        changed = before.replace(b"Say something", b"Say anything") if path == samples else before + b" "
        if path == weights:
            changed = bytes([*before[:-300], *(byte ^ 1 for byte in before[-300:])])
        path.write_bytes(changed)
        assert run(workshop, "run", *words, "--resume") == 2
        name = {task: "code", samples: "samples", weights: "model"}[path]
        assert f"have changed:\n  {name}: " in capsys.readouterr().err
        path.write_bytes(before)
    assert run(workshop, "run", *words, "--resume") == 0


def test_a_fork_is_a_new_run_from_a_checkpoint(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "run", "rl.steps=2", "optim.schedule=constant") == 0
    parent = files(workshop.folder / "run")
    source = str(workshop.folder / "run")
    words = ["rl.steps=3", "optim.schedule=constant"]
    # With the same settings a fork is what the run would have become.
    assert run(workshop, "same", *words, "--fork", source) == 0
    assert run(workshop, "long", *words) == 0
    assert workshop.metrics("same") == workshop.metrics("long")[2:]
    last = Path("checkpoints/step-000003")
    state = ("manifest.json", "state.json")
    assert files(workshop.folder / "same" / last, but=state) == files(workshop.folder / "long" / last, but=state)
    # With others it is another run, whole by itself.
    capsys.readouterr()
    assert run(workshop, "other", *words, "rl.loss=grpo", "--fork", f"{source}/checkpoints/step-000001") == 0
    told = capsys.readouterr().err
    assert "changed by the fork: rl.loss: 'dapo', now 'grpo'" in told and "resumes after step 1" in told
    fork = json.loads((workshop.folder / "other" / "fork.json").read_text())
    assert fork["step"] == 1 and fork["run"] == source and "rl.loss: 'dapo', now 'grpo'" in fork["changed"]
    assert load_recipe(workshop.folder / "other" / "config.yaml").rl.loss == "grpo"
    assert files(workshop.folder / "run") == parent
    # A fork that was stopped goes on as itself.
    shutil.rmtree(workshop.folder / "run")
    assert run(workshop, "other", "rl.steps=4", "optim.schedule=constant", "rl.loss=grpo", "--resume") == 0
    assert [row["step"] for row in workshop.metrics("other")] == [2, 3, 4]


def test_what_cannot_be_forked_is_refused(workshop: Any, capsys: Any) -> None:
    assert run(workshop, "run", "rl.steps=1") == 0
    source = workshop.folder / "run"
    for words, message in ((["--fork", str(workshop.folder)], "not a checkpoint or a run that has one"),):
        assert run(workshop, "fork", "rl.steps=2", *words) == 2
        assert message in capsys.readouterr().err
    assert run(workshop, "run", "rl.steps=2", "--fork", str(source), "--resume") == 2
    assert "give only one of them" in capsys.readouterr().err
    assert run(workshop, "run", "rl.steps=2", "--fork", str(source)) == 2
    assert "already contains a run" in capsys.readouterr().err
    (source / "checkpoints" / "step-000001" / "optimizer.safetensors").write_bytes(b"")
    assert run(workshop, "fork", "rl.steps=2", "--fork", str(source)) == 2
    assert "has 0 bytes" in capsys.readouterr().err
    assert not (workshop.folder / "fork").exists()
