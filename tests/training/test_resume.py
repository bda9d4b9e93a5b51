"""Two runs of one directory, and a run that is resumed as another one."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from reeltune.config.recipe import load_recipe
from reeltune.errors import InputError
from reeltune.training.lock import locked
from reeltune.training.resume import require_same_run


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
        assert "is being written by another run" in second.stderr or "already holds a run" in second.stderr
    assert first.poll() is None, "the first run had ended: the test shows nothing"
    first.kill()
    first.communicate(timeout=60)
    steps = [row["step"] for row in workshop.metrics("run")]
    assert steps == sorted(set(steps))
    # A killed run leaves the file, not the lock.
    assert lock.exists()
    with locked(workshop.folder / "run"):
        pass


def test_a_lock_names_its_holder_and_leaves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with locked(run), pytest.raises(InputError, match="process"), locked(run):
        pass
    assert not run.exists()


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
    assert sorted(changed) == ["checkpoint.keep: 2, now 5", "eval.every: 3, now 0", "rl.steps: 6, now 9"]
    (run / "config.yaml").write_text("[")
    with pytest.raises(InputError, match="was damaged"):
        require_same_run(run, load_recipe(workshop.recipe))


def test_config_yaml_stays_what_the_run_began_with(workshop: Any) -> None:
    workshop.train("run", "rl.steps=2", "eval.every=0")
    before = (workshop.folder / "run" / "config.yaml").read_bytes()
    output = workshop.train("run", "--resume", "rl.steps=3", "eval.every=0")
    assert "changed since the run began: rl.steps: 2, now 3" in output
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
    with pytest.raises(InputError, match="these settings are not those of"):
        require_same_run(run, load_recipe(workshop.recipe, words))
    (run / "config.yaml").write_text(yaml.safe_dump(load_recipe(workshop.recipe, words).model_dump(mode="json")))
    with pytest.raises(InputError, match="these settings are not those of"):
        require_same_run(run, load_recipe(workshop.recipe))
