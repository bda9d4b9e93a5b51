"""Mixtures of experts with their weights in parts."""

from pathlib import Path

import pytest
from tests.distributed.test_shard import CASES, SHARD, Runs, gradients
from tests.models.families.generated import build, class_of

from reeltune import tasks
from reeltune.cli import main


@pytest.mark.slow
def test_experts_in_parts_are_those_of_one_process(tmp_path: Path) -> None:
    """Slow: two launches. The first step's check of experts gathers the weights on all processes."""
    model = build(tmp_path / "experts", "qwen3_vl_moe", class_of("qwen3_vl_moe"))
    tasks._registry._loaded.pop("vowels", None)
    found = Runs(tmp_path, model)
    assert main(found.arguments("experts-1", *CASES["full"])) == 0
    found.launch(2, [(found.arguments("experts-2", SHARD, *CASES["full"]), 0)])
    wanted, own = (gradients(found.checkpoint(f"experts-{count}", 1)) for count in (1, 2))
    scale = max(float(each.abs().max()) for each in wanted.values())
    assert wanted.keys() == own.keys() and any("experts" in name for name in wanted)
    assert max(float((wanted[name] - own[name]).abs().max()) for name in wanted) <= 1e-5 * scale
