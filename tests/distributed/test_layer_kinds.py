"""Weights in parts where layers are of other kinds than Qwen3-VL's: experts, sliding windows."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.distributed.test_shard import CASES, SHARD, Runs, gradients
from tests.models.families.generated import build, class_of
from tests.models.shared_prefix.test_window import WINDOW, windowed

from reeltune import tasks
from reeltune.cli import main


def experts(folder: Path) -> Path:
    return build(folder / "experts", "qwen3_vl_moe", class_of("qwen3_vl_moe"))


def windows(folder: Path) -> Path:
    return windowed(folder, "qwen2_vl")


@pytest.mark.slow
@pytest.mark.parametrize(("made", "case"), [(experts, "full"), (windows, "full"), (windows, "lora")])
def test_a_model_in_parts_has_the_gradients_of_one_process(
    tmp_path: Path, made: Callable[[Path], Path], case: str
) -> None:
    """Slow: two launches. The first step's checks, that of experts too, gather the weights on all processes."""
    model = made(tmp_path)
    tasks._registry._loaded.pop("vowels", None)
    found = Runs(tmp_path, model)
    assert main(found.arguments("one", *CASES[case])) == 0
    found.launch(2, [(found.arguments("two", SHARD, *CASES[case]), 0)])
    found.workshop.require_processes("two", 2)
    wanted, own = (gradients(found.checkpoint(run, 1)) for run in ("one", "two"))
    scale = max(float(each.abs().max()) for each in wanted.values())
    assert wanted.keys() == own.keys() and scale > 0
    assert max(float((wanted[name] - own[name]).abs().max()) for name in wanted) <= 1e-5 * scale
    if made is experts:
        assert any("experts" in name for name in wanted)
    else:
        row = json.loads((found.workshop.folder / "one" / "metrics.jsonl").read_text().splitlines()[0])
        assert row["tokens"] / 6 > 2 * WINDOW, "a window that hides something"
