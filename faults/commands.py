"""The commands under crash points: what is given at first, and what is given again after a fault.

All are made small: a try should cost a second or two. What a command only reads stands outside its folder.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faults.zygote import run
from reeltune.video.encode import write_video

ROOT = Path(__file__).parents[1]
Main = Callable[[list[str]], int]


@dataclass(frozen=True)
class Command:
    """`words` write into `out` below the folder in which they are given; `resumes`: again with --resume."""

    name: str
    words: list[str]
    main: Main
    resumes: bool = False
    processes: int = 1
    forks: bool = True
    """Whether it may run once in this process, of which the tries are forks then."""

    def again(self, folder: Path) -> list[str]:
        """The command that goes on, from the folder as the fault left it."""
        return [*self.words, "--resume"] if self.resumes and (folder / "out").exists() else self.words


def commands(inputs: Path) -> list[Command]:
    """All commands, on inputs that are made once, in the folder `inputs`."""
    import reeltune.cli

    inputs.mkdir(parents=True, exist_ok=True)
    ours = [
        Command(name, words, reeltune.cli.main, resumes=words[0] == "train", processes=2 if "sharded" in name else 1)
        for name, words in (_training(inputs) | _other(inputs)).items()
    ]
    return ours + _radar(inputs)


def _toy(inputs: Path) -> list[str]:
    """A toy world outside the folder, with its decoded frames: made by the first run, which has no fault."""
    return [
        f"toyworld.dir={inputs / 'toy'}", "toyworld.train_videos=8", "toyworld.held_out_videos=2",
        f"video.cache={inputs / 'cache'}", "rl.max_new_tokens=6", "eval.max_new_tokens=6", "rl.group_size=2",
        "rl.groups_per_step=2", "sft.samples_per_step=2",
    ]  # fmt: skip


def small(inputs: Path, recipe: str, *, steps: int = 1) -> list[str]:
    """`train` of a toy recipe into `out`, as small as it gets."""
    kind = "sft" if recipe.endswith("sft") else "rl"
    run = ["run.dir=out", "eval.every=0", "checkpoint.every=1", "checkpoint.keep=1"]
    return ["train", str(ROOT / f"recipes/toy/{recipe}.yaml"), f"{kind}.steps={steps}", *_toy(inputs), *run]


def _training(inputs: Path) -> dict[str, list[str]]:
    run = [*_toy(inputs), "run.dir=out", "eval.every=2", "checkpoint.keep=1", "checkpoint.every=1"]
    grpo = ["train", str(ROOT / "recipes/toy/grpo.yaml"), "rl.steps=3", *run]
    sft = ["train", str(ROOT / "recipes/toy/sft.yaml"), "sft.steps=3", *run]
    return {
        "train grpo": grpo,
        "train grpo, skipping": [*grpo, "rl.skipping={max_resampled: 2, explore: 0.9}"],
        "train sft": sft,
        "train sft, LoRA": [*sft, "adapter={rank: 4}", "checkpoint.export=merged"],
        "train sft, sharded": [*sft, "parallel.shard=full"],
        "train sft, new toy world and cache": [
            *sft, "sft.steps=1", "toyworld.dir=toy", "video.cache=cache", "toyworld.train_videos=3",
            "toyworld.held_out_videos=1",
        ],
    }  # fmt: skip


def _other(inputs: Path) -> dict[str, list[str]]:
    toy = _toy(inputs)
    annotations = inputs / "annotations.json"
    spans = {"duration": 20, "timestamps": [[1, 5], [15, 22]], "sentences": ["a door opens", "it falls shut"]}
    annotations.write_text(json.dumps({f"v{number}": spans for number in range(20)}))
    table = inputs / "table.csv"
    table.write_text("video,query,start,end\n" + "".join(f"000{n}.mp4,the ball rolls,0:01,2.5\n" for n in range(8)))
    videos = inputs / "videos"
    for number in range(8):
        write_video(videos / f"000{number}.mp4", np.full((6, 64, 64, 3), 20 * number, np.uint8), 2.0)
    return {
        "select": [
            "select", str(ROOT / "recipes/toy/select.yaml"), "-o", "out", "select.repeats=2", "select.batch_size=4",
            "--min-std", "0", "--min-level", "0", "data.train=toyworld:train/temporal_grounding/visible", *toy,
            "rl.max_new_tokens=24",
        ],
        "eval": [
            "eval", "toyworld:base", "toyworld:held_out/temporal_grounding/visible", "-o", "out", "--batch-size", "1",
            "--recipe", str(ROOT / "recipes/toy/grpo.yaml"), *toy,
        ],
        "demo": [
            "demo", "--dir", "out", *toy, "rl.steps=1", "sft.steps=1", "toyworld.train_videos=3",
            "toyworld.held_out_videos=1", f"toyworld.dir={inputs / 'demo'}",
        ],
        "data import": [
            "data", "import", "charades-sta", str(annotations), "--videos", str(videos), "-o", "out/samples.jsonl",
        ],
        "init": ["init", str(videos), str(table), "-o", "out"],
    }  # fmt: skip


def _radar(inputs: Path) -> list[Command]:
    try:
        import rasterio  # noqa: F401
        from lantnet.cli.main import main
    except ImportError:
        return []
    pair = inputs / "radar"
    if not (pair / "before.tif").exists():
        # In a fork: GDAL's threads would be missed in the forks of this process.
        run(main, ["simulate", "-o", str(pair), "--size", "96"], inputs, inputs / "simulated.txt")
    detect = ["detect", str(pair / "before.tif"), str(pair / "after.tif"), "-o", "out", "--quiet"]
    return [Command("lantnet detect", detect, lambda words: main(words), forks=False)]
