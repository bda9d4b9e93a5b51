"""The README's lines of Python, run as they stand; the public names; no torch before it is needed."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.warm import reeltune

import reeltune as rt

ROOT = Path(__file__).parents[2]


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_of_the_readme(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert "import reeltune as rt" in code
    program = tmp_path / "readme.py"
    program.write_text(code)
    done = reeltune(program=program, cwd=tmp_path)
    assert done.returncode == 0 and "tensor([" in done.stdout, done.stderr


def test_importing_the_package_imports_no_torch(tmp_path: Path) -> None:
    # The check of the check: the lightest name that needs torch brings it.
    name = "RolloutEngine"
    code = f"import sys, reeltune; assert 'torch' not in sys.modules; reeltune.{name}; assert 'torch' in sys.modules"
    run(code, tmp_path)


def test_every_public_name_is_there() -> None:
    assert {"load", "samples", "train", "evaluate", "score", "ask", "Task", "Sample", "Family", "RolloutEngine"} <= set(
        rt.__all__
    )
    for name in rt.__all__:
        assert getattr(rt, name) is not None


def test_no_module_takes_the_place_of_a_public_name() -> None:
    """`import reeltune.NAME` would set it on the package, over the lazy one."""
    modules = {module.name for module in pkgutil.iter_modules(rt.__path__)}
    assert "sample" in modules and not modules & set(rt.__all__)


def test_overrides_change_a_mapping_and_leave_its_other_keys() -> None:
    recipe = rt.recipe({"model": {"path": "m"}, "rl": {"group_size": 4, "kl": 0.1}}, "rl.steps=5", "data.mode=think")
    assert (recipe.rl.group_size, recipe.rl.kl, recipe.rl.steps, recipe.data.mode) == (4, 0.1, 5, "think")
    with pytest.raises(rt.InputError, match="a Recipe object is used unchanged"):
        rt.load(recipe, "rl.steps=6")


def test_a_model_computes_in_the_precision_of_its_recipe_and_is_closed() -> None:
    """Rollout and log-probs of a bf16 recipe are bf16's, as in training, and agree as closely as there."""
    toy = ("toyworld:base", "video.min_frame_pixels=4096", "video.max_frame_pixels=4096", "toyworld.train_videos=1")
    found = {}
    for precision in ("float32", "bf16"):
        recipe = rt.recipe({"model": {"path": toy[0]}}, *toy[1:], f"optim.precision={precision}")
        with rt.load(recipe) as model:
            closed: list[bool] = []
            model.engine.close = lambda closed=closed: closed.append(True)  # type: ignore[method-assign, misc]
            samples = rt.samples("toyworld:train/temporal_grounding/visible", toyworld=recipe.toyworld)
            groups = model.sample(samples[:1], 2, max_new_tokens=8)
            [log_probs] = model.log_probs(groups)
        assert closed == [True]
        kept = groups[0].log_probs
        assert (log_probs.detach() - kept).abs().max() < (1e-4 if precision == "float32" else 0.1)
        found[precision] = groups[0].features.tokens.float()
    difference = (found["bf16"] - found["float32"]).abs().max()
    assert 0 < difference < 0.5
