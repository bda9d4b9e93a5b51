"""`reeltune train` on a tiny model of a family from its config class: end to end, in processes of their own."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.models.families.generated import build, class_of
from tests.workshop import Workshop

from reeltune.models.policy import load_policy


@pytest.fixture
def hybrid(tmp_path: Path) -> Workshop:
    (tmp_path / "work").mkdir()
    return Workshop(tmp_path / "work", build(tmp_path / "model", "qwen3_5", class_of("qwen3_5"), seed=1))


def test_a_hybrid_trains_resumes_and_is_saved_whole(hybrid: Workshop) -> None:
    """The first step holds the rollout's log-probs to the learner's; a resumed run ends in the very weights."""
    options = ("model.gradient_checkpointing=true", "eval.every=0", "packing.train_tokens=200", "rl.steps=4")
    hybrid.train("whole", *options)
    metrics = hybrid.metrics("whole")
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert all(line["grad_norm"] > 0 for line in metrics)
    whole, resumed = (hybrid.folder / name for name in ("whole", "resumed"))
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoints" / "step-000004")
    assert "step 2" in hybrid.train("resumed", *options, "--resume")
    ends = [run / "checkpoints" / "step-000004" / "model" for run in (whole, resumed)]
    first, second = ((end / "model.safetensors").read_bytes() for end in ends)
    assert first == second
    before, after = (load_file(each / "model.safetensors") for each in (hybrid.model, ends[0]))
    assert before.keys() == after.keys()
    recurrent = [name for name in before if "linear_attn" in name]
    assert len(recurrent) > 10
    assert not [name for name in recurrent if torch.equal(before[name], after[name])]
    load_policy(ends[0])


def test_a_mixture_of_experts_trains_with_its_load_balancing_loss(tmp_path: Path) -> None:
    model = build(tmp_path / "model", "qwen3_5_moe", class_of("qwen3_5_moe"), seed=1)
    config = json.loads((model / "config.json").read_text())
    config["text_config"] |= {"output_router_logits": True, "router_aux_loss_coef": 0.1}
    (model / "config.json").write_text(json.dumps(config))
    (tmp_path / "work").mkdir()
    workshop = Workshop(tmp_path / "work", model)
    workshop.train("run", "rl.steps=2", "eval.every=0", "packing.train_tokens=200", "model.gradient_checkpointing=true")
    metrics = workshop.metrics("run")
    # Even use of the experts gives the number of experts per token, 2.
    assert all(1.9 < line["load_balancing"] < 6 for line in metrics)
    end = workshop.folder / "run" / "checkpoints" / "step-000002" / "model"
    before, after = (load_file(each / "model.safetensors") for each in (model, end))
    gates = [name for name in before if name.endswith("mlp.gate.weight")]
    assert len(gates) == 4
    assert not [name for name in gates if torch.equal(before[name], after[name])]
