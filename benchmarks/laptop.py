"""The laptop recipe as it stands, on a SmolVLM2-256M of the published sizes: memory, and seconds of a step by phase.

    python benchmarks/laptop.py                              two steps
    python benchmarks/laptop.py --steps 1 -s video.max_frames=16

Weights are random, the tokenizer has the published number of tokens, and the clips are toyworld's, each with as many
frames as the recipe takes. Random weights give no answer that can be read, so the reward is a share of characters,
which differs between completions. The end token is forbidden: every completion has its full length, which is the most
that a step can cost. It fails when a group's rewards are all equal, when no weight changed, or when it took 8 GB.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
from stages import Run, in_loop
from torch import Tensor

from reeltune.config.recipe import load_recipe
from reeltune.models.families.smolvlm import SmolVLM
from reeltune.models.types import VideoFeatures
from reeltune.planning.known import KNOWN
from reeltune.toyworld.tokenizer import train_tokenizer
from reeltune.video.clip import Clip

RECIPE = Path(__file__).parents[1] / "recipes" / "laptop" / "smolvlm2-256m.yaml"
TASK = "temporal_grounding"
REWARD = '''
def low_digits(sample, answer, text):
    """The share of characters that are digits below 5."""
    return sum(character in "01234" for character in text) / max(len(text), 1)
'''
MOST_BYTES = 8e9


def main() -> None:
    arguments = harness.parser(__doc__)
    arguments.add_argument("--steps", type=int, default=2)
    arguments.add_argument("-s", "--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe")
    arguments.add_argument("--layers", type=int, help="of decoder and tower, fewer than published: to try the script")
    options = arguments.parse_args()
    head = harness.start(options)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options)
    steps = result["stages"]
    rows = [{"phase": name, "seconds": statistics.median(each[name] for each in steps)} for name in steps[0]]
    rows.append({"phase": "step", "seconds": statistics.median(sum(each.values()) for each in steps)})
    harness.table(rows)
    verdicts = harness.Verdicts()
    verdicts.check("peak resident memory, GB", result["peak_bytes"] / 1e9, MOST_BYTES / 1e9, at_least=False)
    verdicts.check("least std of a group's rewards", result["least_std"], 1e-6, at_least=True)
    verdicts.check("largest change of a weight", result["largest_change"], 1e-9, at_least=True)
    verdicts.show()
    print(
        f"{result['parameters'] / 1e6:.1f}M parameters, prompts of {result['prompt_tokens']} tokens, {result['shape']}"
    )
    harness.write(options, {**head, **result, "goals": verdicts.rows})
    if not all(row["met"] for row in verdicts.rows):
        sys.exit(1)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The phases of each step in processor seconds, and what `main` judges."""
    build(folder / "model", options.layers)
    steps: int = options.steps
    (folder / "low_digits.py").write_text(REWARD)
    recipe = load_recipe(
        RECIPE,
        [
            f"model.path={folder / 'model'}", f"run.dir={folder / 'run'}", f"seed={options.seed}", f"rl.steps={steps}",
            f"data.train=toyworld:train/{TASK}/visible", f"toyworld.dir={folder / 'toyworld'}",
            # Clips of 6 to 10 seconds at 2 frames a second: all of them have as many as the recipe takes.
            "video.fps=2", f"rewards.functions={{{TASK}: {{low_digits: {folder / 'low_digits.py'}:low_digits}}}}",
            f"rewards.weights={{{TASK}: {{low_digits: 1.0, format: 0.0, iou: 0.0}}}}", *options.set,
            f"toyworld.train_videos={4 * steps}",
        ],
    )  # fmt: skip

    def use(run: Run) -> dict[str, Any]:
        before = {name: some_of(each).clone() for name, each, _ in run.policy.trained()}
        clock = TowerClock(run)
        stages = []
        for _ in range(steps):
            spent, seen = run.step(), clock.take()
            spent["videos and prompts"] -= seen
            stages.append({"vision tower": seen, **spent})
        return {
            "stages": stages,
            "parameters": sum(each.numel() for each in run.policy.parameters()),
            "prompt_tokens": len(run.reader.prompt(run.loop.source.samples[0])),
            "largest_change": max(
                float((some_of(each) - before[name]).abs().max()) for name, each, _ in run.policy.trained()
            ),
        }

    found = in_loop(recipe, use)
    groups = [
        json.loads(line)["reward"]
        for file in sorted((folder / "run" / "rollouts").glob("step-*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    shape = f"{recipe.rl.groups_per_step} groups of {recipe.rl.group_size}, {recipe.video.max_frames} frames"
    return found | {
        "least_std": min(statistics.pstdev(rewards) for rewards in groups),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "shape": f"{shape}, {recipe.rl.max_new_tokens} tokens each",
    }


def some_of(weight: Tensor) -> Tensor:
    """64 of its numbers at most: copies of all would count in the memory that is measured."""
    return weight.detach().flatten()[:64]


class TowerClock:
    """Processor seconds that a run's vision tower took since it was last asked."""

    def __init__(self, run: Run) -> None:
        self.seconds = 0.0
        encode = run.policy.encode

        def timed(clips: Sequence[Clip]) -> list[VideoFeatures]:
            began = time.process_time()
            found = encode(clips)
            self.seconds += time.process_time() - began
            return found

        run.policy.encode = timed  # type: ignore[method-assign]

    def take(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def build(directory: Path, layers: int | None = None) -> None:
    """A SmolVLM2-256M as published but for its weights and the words of its tokenizer, and its `layers` where given."""
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    sizes = KNOWN["SmolVLM2-256M"]
    tokenizer = train_tokenizer(["When does it happen? <answer>1.0 to 2.5</answer> <think>yes</think>"], vocabulary=340)
    tokenizer.add_special_tokens({"additional_special_tokens": [*SmolVLM.vision_tokens]})
    tokenizer.add_tokens([f" {number}" for number in range(sizes["text_config"]["vocab_size"] - len(tokenizer))])
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    text = sizes["text_config"] | ends | {"model_type": "llama", "max_position_embeddings": 8192}
    vision = sizes["vision_config"] | {"num_attention_heads": 12}
    if layers:
        text["num_hidden_layers"] = vision["num_hidden_layers"] = layers
    image = tokenizer.convert_tokens_to_ids("<image>")
    config: Any = AutoConfig.for_model(
        sizes["model_type"], text_config=text, vision_config=vision, scale_factor=sizes["scale_factor"],
        image_token_id=image, tie_word_embeddings=sizes["tie_word_embeddings"],
    )  # fmt: skip
    model = AutoModelForImageTextToText.from_config(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    GenerationConfig(**{name: each for name, each in ends.items() if each is not None}).save_pretrained(directory)


if __name__ == "__main__":
    main()
