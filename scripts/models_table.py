"""The table of docs/models.md: every family on a tiny model of its real class, and how exactly it equals the stock one.

    PYTHONPATH=src:. python scripts/models_table.py [--check]

Writes the table between its marks; with --check nothing is written, and the exit code is 1 when a family is missing.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tests.conftest import make_clip
from tests.models.families.generated import SIDE, build, class_of
from tests.models.families.test_parity import make_groups, open_stock, slopes, stock_log_probs

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.recipe import parse_recipe
from reeltune.errors import InputError
from reeltune.models.families import FAMILIES
from reeltune.models.policy import load_policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.planning.source import plan_recipe
from reeltune.rollout.engine import Request, SamplingParams
from reeltune.rollout.hf import HFEngine

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- made by scripts/models_table.py -->", "<!-- end of the table -->"
MODELS = {
    "qwen2_vl": "Qwen2-VL",
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen3_vl": "Qwen3-VL",
    "qwen3_vl_moe": "Qwen3-VL-MoE",
    "qwen3_5": "Qwen3.5, Qwen3.6",
    "qwen3_5_moe": "Qwen3.5-MoE, Qwen3.6-MoE",
    "glm46v": "GLM-4.6V",
    "llava": "LLaVA-1.5",
    "internvl": "InternVL3, InternVL3.5",
    "smolvlm": "SmolVLM2",
    "llava_onevision": "LLaVA-OneVision",
}


@dataclass(frozen=True)
class Row:
    name: str
    layers: str
    log_probs: float
    gradient: float
    greedy: bool
    planned: bool
    routed: str

    def __str__(self) -> str:
        cells = [
            MODELS[self.name], f"`{self.name}`", self.layers, f"{self.log_probs:.0e}", f"{self.gradient:.0e}",
            "equal" if self.greedy else "**differs**", "yes" if self.planned else "no", self.routed,
        ]  # fmt: skip
        return f"| {' | '.join(cells)} |"


def measure(name: str, folder: Path) -> Row:
    directory = build(folder / name, name, class_of(name), seed=1)
    policy, stock = load_policy(directory, gradient_checkpointing=True).train(), open_stock(directory)
    groups = make_groups(policy, make_clip)
    ours, theirs, worst = torch.zeros(()), torch.zeros(()), 0.0
    for group, values in zip(groups, group_log_probs(policy, groups), strict=True):
        weights = torch.linspace(-1, 1, values.numel()).view_as(values)
        ours = ours + (weights * values).sum()
        rows = stock_log_probs(policy, stock, group)
        for row, value, weight in zip(rows, values, weights, strict=True):
            worst = max(worst, float((row - value[: len(row)]).detach().abs().max()))
            theirs = theirs + (weight[: len(row)] * row).sum()
    found, wanted = slopes(policy.model, ours), slopes(stock, theirs)
    scale = max(float(each.abs().max()) for each in wanted.values())
    gap = max(float((found[key] - each).abs().max()) for key, each in wanted.items()) / scale
    kinds = dict.fromkeys("recurrent" if hasattr(layer, "linear_attn") else "attention" for layer in layers_of(policy))
    experts = ", experts" if any(hasattr(layer.mlp, "experts") for layer in layers_of(policy)) else ""
    return Row(
        name,
        " + ".join(kinds) + experts,
        worst,
        gap,
        greedy(policy, stock, name),
        planned(directory),
        routed(directory),
    )


def planned(directory: Path) -> bool:
    """Whether `plan` takes a recipe that names the model, as every run does at its start."""
    tree = {"method": "grpo", "model": {"path": str(directory)}, "data": {"train": "none.jsonl"}}
    try:
        plan_recipe(parse_recipe(tree, where="the table"), name=directory.name)
    except InputError:
        return False
    return True


def layers_of(policy: Any) -> list[Any]:
    return list(policy.language_model.layers)


@torch.no_grad()
def greedy(policy: Any, stock: Any, name: str) -> bool:
    """Whether 24 greedy tokens are those of the stock model's `generate`."""
    # Two frames are one time patch: `generate` makes positions of its own, which forget time in Qwen2-VL and 2.5-VL.
    clip = make_clip(2 if name.startswith("qwen2") else 6, SIDE)
    prompt = policy.prompt("When does it happen?", clip)
    request = Request(prompt, policy.encode([clip])[0], 0)
    [rollout] = HFEngine(policy.eval()).generate([request], 1, SamplingParams(temperature=0.0, max_new_tokens=24))
    ids = prompt.input_ids[None]
    wanted = stock.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=24,
        suppress_tokens=policy.banned.tolist(),
        **policy.family.stock_inputs(ids, [clip]),
    )
    found: list[int] = rollout.completions.ids[0, : rollout.completions.lengths[0]].tolist()
    return found == wanted[0, len(prompt) :].tolist()


def routed(directory: Path) -> str:
    """Whether p-MoD takes the model, else why not."""
    try:
        load_policy(directory, mixture_of_depths=MixtureOfDepthsConfig())
    except InputError as error:
        if "linear_attention" in str(error):
            return "no: recurrent layers"
        experts = any(hasattr(layer.mlp, "experts") for layer in layers_of(load_policy(directory)))
        return "no: experts" if experts else "no: another decoder block"
    return "yes"


def main() -> int:
    if "--check" in sys.argv:
        missing = [name for name in FAMILIES if f"`{name}`" not in PAGE.read_text(encoding="utf-8")]
        print("\n".join(f"{PAGE}: no row of {name}; run scripts/models_table.py" for name in missing))
        return 1 if missing else 0
    torch.set_num_threads(1)
    head = ["model", "type", "layers", "log-probs", "gradient", "greedy", "plan", "p-MoD"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    with tempfile.TemporaryDirectory() as folder:
        for name in FAMILIES:
            lines.append(str(measure(name, Path(folder))))
            print(lines[-1], flush=True)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
