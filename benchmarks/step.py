"""A whole GRPO step, from MP4 files to new weights: ours, stage by stage, and TRL 1.16's.

    python benchmarks/step.py                       ours alone
    python benchmarks/step.py --trl                 ours and TRL in turns; how to install it: benchmarks/trl_peer.py
    python benchmarks/step.py --prompts 1 --trl

Both train every weight, sample at temperature 1 and write exactly C tokens per completion. Ours decodes MP4 files in
its first step (the frames are cached afterwards); TRL gets the same number of vision tokens as images that are
already decoded, and its prompts' marks around them. The counts of tokens are printed; a TRL completion of another
length than C ends the benchmark.
"""

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import harness
from stages import INSTRUCTION, PHASES, Run, moving_squares, vowels, with_run

from models import TOKENS_PER_PATCH

GOAL = 6.0


def main() -> None:
    arguments = harness.parser(__doc__)
    arguments.add_argument("--trl", action="store_true")
    arguments.add_argument("--prompts", type=int, default=4)
    arguments.add_argument("--patches", type=int, default=16)
    arguments.add_argument("--tokens", type=int, default=64)
    arguments.add_argument("--group-size", type=int, default=8)
    options = arguments.parse_args()
    head = harness.start(options)
    verdicts = harness.Verdicts()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    ours, stages = result["seconds"]["ours"], result["stages"]
    rows = [{"way": name, "seconds": statistics.median(each)} for name, each in result["seconds"].items()]
    harness.table(rows)
    bar("ours", {stage: statistics.median(step[stage] for step in stages) for stage in PHASES})
    print(f"ours, first step (nothing cached): {result['first']:.2f} s")
    if "trl" in result["seconds"]:
        place = f"{options.prompts} prompts, P {result['tokens']['ours']['prompt']}, C {options.tokens}"
        faster = harness.ratio(result["seconds"], "trl", "ours")
        verdicts.check(f"TRL / ours, a whole step, {place}", faster, GOAL, at_least=True)
    verdicts.show()
    print(f"median of {len(ours)} steps; tokens: {result['tokens']}")
    harness.write(options, {**head, **result, "goals": verdicts.rows})


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    recipe: dict[str, dict[str, Any]] = {
        "model": {"freeze": []},
        "rl": {
            "steps": options.rounds + 2, "groups_per_step": options.prompts, "group_size": options.group_size,
            "max_new_tokens": options.tokens, "kl": 0.0,
        },
        "optim": {"lr": 1e-6},
    }  # fmt: skip
    size = {"videos": options.prompts, "time_patches": options.patches, "seed": options.seed}
    return with_run(folder, "ours", partial(_steps, options=options, folder=folder), recipe=recipe, **size)


def _steps(run: Run, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    first = sum(run.step().values())
    prompt = len(run.reader.prompt(run.loop.source.samples[0]))
    tokens = {"ours": {"prompt": prompt, "vision": options.patches * TOKENS_PER_PATCH}}
    stages: list[dict[str, float]] = []
    seconds: dict[str, list[float]] = {"ours": []}

    def step_ours() -> None:
        stages.append(run.step())
        seconds["ours"].append(sum(stages[-1].values()))

    if options.trl:
        seconds["trl"], tokens["trl"] = _trl_steps(run, options, folder, step_ours)
    else:
        for _ in range(options.rounds):
            step_ours()
    return {"seconds": seconds, "stages": stages, "first": first, "tokens": tokens}


def _trl_steps(run: Run, options: argparse.Namespace, folder: Path, between: Any) -> tuple[list[float], dict[str, int]]:
    """Seconds of TRL's steps, `between` called after each; its first step warms up and does not count."""
    from PIL import Image
    from transformers import TrainerCallback
    from trl_peer import make_trainer

    seconds: list[float] = []

    class Clock(TrainerCallback):
        began = 0.0

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.began = time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step > 1:
                seconds.append(time.process_time() - self.began)
                between()

    rows = []
    for number in range(options.prompts):
        frames = moving_squares(2 * options.patches, options.seed + number)[::2]
        message = {"role": "user", "content": INSTRUCTION}
        rows.append({"prompt": [message], "images": [Image.fromarray(frame) for frame in frames]})

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return [vowels(completion[0]["content"]) for completion in completions]

    trainer = make_trainer(
        run.policy, rows, reward, group_size=options.group_size, tokens=options.tokens,
        folder=str(folder / "trl"), gradient_accumulation_steps=options.prompts, max_steps=options.rounds + 1,
    )  # fmt: skip
    trainer.add_callback(Clock())
    lengths: list[int] = []
    original = trainer._compute_loss

    def noted(model: Any, inputs: Any) -> Any:
        lengths.extend([inputs["prompt_ids"].shape[1], inputs["completion_ids"].shape[1]])
        return original(model, inputs)

    trainer._compute_loss = noted
    trainer.train()
    if set(lengths[1::2]) != {options.tokens}:
        raise SystemExit(f"TRL wrote completions of {sorted(set(lengths[1::2]))} tokens, not {options.tokens}")
    return seconds, {"prompt": lengths[0], "vision": options.patches * TOKENS_PER_PATCH}


def bar(name: str, seconds: dict[str, float], width: int = 72) -> None:
    """A stacked bar of characters: one letter per stage, as long as its share."""
    whole = sum(seconds.values())
    drawn = "".join(stage[0].upper() * round(width * value / whole) for stage, value in seconds.items())
    print(f"{name}: {whole:.2f} s  [{drawn.ljust(width)}]")
    print("  " + ", ".join(f"{stage} {value:.2f} s ({value / whole:.0%})" for stage, value in seconds.items()))


if __name__ == "__main__":
    main()
