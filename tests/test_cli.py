"""The command line: answers at once, one message and exit code 2 for bad input."""

import os
import resource
import subprocess
import sys
from pathlib import Path


def reeltune(*words: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "reeltune", *words], capture_output=True, text=True, timeout=120, env=environment
    )


def test_help_names_the_commands_without_heavy_imports() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = reeltune("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: what else runs on the machine does not count.
    assert done.returncode == 0 and after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
    assert all(name in done.stdout for name in ("train", "demo", "eval", "score", "data"))
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reeltune", "--help"], capture_output=True, text=True, timeout=120
    ).stderr
    for heavy in ("torch", "transformers", "numpy", "pydantic", "av"):
        assert not any(line.rstrip().endswith(f"| {heavy}") for line in loaded.splitlines()), heavy


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, reeltune, reeltune.tasks, reeltune.sample; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


LIGHT = """
import sys
from reeltune.cli import main
from reeltune.config.shipped import is_recipe, shipped

recipes = [name for name, path in shipped().items() if is_recipe(path)]
assert len(recipes) > 20
for words in (["recipes", "list"], ["recipes", "show", "toy/grpo"], ["completion", "bash"], ["completion", "zsh"]):
    assert main(words) == 0, words
for recipe in recipes:
    assert main(["config", recipe]) == 0, recipe
assert not {"torch", "transformers", "scipy", "av"} & set(sys.modules)
"""


def test_recipes_completion_and_config_import_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_config_checks_an_own_loss_as_a_run_does(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from reeltune.training.grpo import Loss, clipped_surrogate, mean_of_tokens\n"
        "LOSS = Loss(mean_of_tokens, clipped_surrogate, divides_by_std=False)\n"
    )
    done = reeltune("config", "toy/grpo", f"rl.loss={tmp_path / 'own.py'}:LOSS")
    assert done.returncode == 2 and "does not divide by the std" in done.stderr
    unknown = reeltune("config", "toy/grpo", "rl.loss=drgrpo")
    assert unknown.returncode == 2 and "rl.loss: 'drgrpo' is not a known loss; did you mean" in unknown.stderr


def test_bad_input_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    done = reeltune("train", str(tmp_path / "none.yaml"))
    assert done.returncode == 2
    assert done.stderr.strip() == f"reeltune: recipe '{tmp_path / 'none.yaml'}' does not exist"


def test_a_mistyped_command_gets_the_nearest_one() -> None:
    done = reeltune("trian", "recipe.yaml")
    assert (
        done.returncode == 2
        and "invalid choice: 'trian'; did you mean 'train'? (choose from train, demo" in done.stderr
    )
    inner = reeltune("recipes", "lst")
    assert inner.returncode == 2 and "'lst'; did you mean 'list'? (choose from list, show, copy)" in inner.stderr


def test_without_a_command_the_commands_are_listed() -> None:
    done = reeltune()
    assert done.returncode == 2 and not done.stdout
    assert "train as a recipe says" in done.stderr and "`reeltune demo` shows what it does" in done.stderr
    assert "the following arguments are required: list|show|copy" in reeltune("recipes").stderr
    # What may be left out is not named as missing.
    missing = reeltune("config").stderr.strip().splitlines()[-1]
    assert missing == "reeltune config: error: the following arguments are required: recipe"


def test_a_folder_that_is_no_model_is_refused_before_any_video_is_made(tmp_path: Path) -> None:
    done = reeltune("train", "toy/grpo", f"model.path={tmp_path}", f"toyworld.dir={tmp_path / 'toyworld'}")
    assert done.returncode == 2 and f"'{tmp_path}' has no config.json" in done.stderr
    assert not (tmp_path / "toyworld").exists() and "videos" not in done.stderr


def test_compare_and_plan_name_what_is_wrong_first(tmp_path: Path) -> None:
    done = reeltune("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.returncode == 2 and "a: no such file; give a folder of `reeltune eval`" in done.stderr
    plan = reeltune("plan", "toy/grpo", "--devices", "8y80")
    assert plan.returncode == 2 and "--devices must look like" in plan.stderr and not plan.stdout


def test_unknown_options_are_refused() -> None:
    done = reeltune("train", "recipe.yaml", "--unknown")
    assert done.returncode == 2 and "unrecognized arguments: --unknown" in done.stderr
