"""How long a step waits for its checkpoint: written in the step, behind it, or while the run goes on.

python benchmarks/checkpoint.py --hidden 1024 --layers 16

Weights and AdamW's moments of a decoder of random weights, in float32, into a folder of --dir. `waits` is what the step
waits; `complete after` is when the checkpoint can be used, with nothing else to do meanwhile. Wall-clock time.
The system's page cache takes the writes of the first two ways as long as it has room.
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
import torch

import models
from reeltune.config.recipe import OptimConfig
from reeltune.training.behind import Behind
from reeltune.training.checkpoint import save_checkpoint
from reeltune.training.optimizer import make_optimizer

WAYS: dict[str, dict[str, Any]] = {
    "written in the step": {"behind": False, "asynchronous": False},
    "finished behind the run": {"behind": True, "asynchronous": False},
    "checkpoint.asynchronous": {"behind": True, "asynchronous": True},
}


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--dir", type=Path, help="where checkpoints are written; none: the system's temporary folder")
    options = parser.parse_args()
    head = harness.start(options)
    text = {"hidden_size": options.hidden, "intermediate_size": 3 * options.hidden, "num_hidden_layers": options.layers}
    models.SHAPES["small"]["text"] |= text
    models.SHAPES["small"]["vision"]["out_hidden_size"] = options.hidden
    models.SHAPES["small"]["sections"] = [options.hidden // 32, options.hidden * 3 // 64, options.hidden * 3 // 64]
    policy = models.build_policy()
    optimizer = make_optimizer(policy, OptimConfig(lr=1e-6))
    for parameter in policy.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    count = sum(each.numel() for each in policy.parameters())
    print(f"{count / 1e6:.0f}M parameters, {12 * count / 1e9:.2f} GB of weights and moments")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(options.rounds):
        for name, way in WAYS.items():
            seconds[name].append(timed(policy, optimizer, options.dir, **way))
    rows = [
        {
            "way": name,
            "waits, s": statistics.median(waits for waits, _ in found),
            "complete after, s": statistics.median(whole for _, whole in found),
            "waits, of written in the step": statistics.median(
                own[0] / other[0] for own, other in zip(found, seconds["written in the step"], strict=True)
            ),
        }
        for name, found in seconds.items()
    ]
    harness.table(rows)
    harness.write(options, {**head, "parameters": count, "seconds": seconds})


def timed(
    policy: Any, optimizer: Any, directory: Path | None, *, behind: bool, asynchronous: bool
) -> tuple[float, float]:
    """Seconds until the step could go on, and until the checkpoint is whole."""
    folder = Path(tempfile.mkdtemp(dir=directory))
    later = Behind() if behind else None
    began = time.perf_counter()
    save_checkpoint(folder, 1, policy, optimizer, keep=1, behind=later, asynchronous=asynchronous)
    waits = time.perf_counter() - began
    if later:
        later.wait()
    whole = time.perf_counter() - began
    shutil.rmtree(folder)
    return waits, whole


if __name__ == "__main__":
    main()
