"""What every user waits for: the command's start, scoring without a model, an import without torch.

python benchmarks/selfcheck.py
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness

LINES = 100_000
# (name, goal in seconds)
HELP, SCORE = 0.4, 10.0


def main() -> None:
    options = harness.parser(__doc__).parse_args()
    head = harness.start(options)
    verdicts = harness.Verdicts()
    reeltune = [sys.executable, "-m", "reeltune"]
    loaded = subprocess.run(
        [sys.executable, "-c", "import reeltune, sys; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if loaded.stdout.strip() != "False":
        raise SystemExit("importing reeltune loads torch")
    with tempfile.TemporaryDirectory() as name:
        samples, predictions = scoring_files(Path(name), LINES)
        score = [*reeltune, "score", str(samples), str(predictions)]
        seconds = {
            "import reeltune": time_command([sys.executable, "-c", "import reeltune"], options.rounds),
            "reeltune --help": time_command([*reeltune, "--help"], options.rounds),
            f"reeltune score, {LINES} lines": time_command(score, options.rounds),
        }
    harness.table(
        [
            {
                "what": what,
                "processor s": statistics.median(cpu for cpu, _ in each),
                "wall s": statistics.median(wall for _, wall in each),
            }
            for what, each in seconds.items()
        ]
    )
    for what, goal in (("reeltune --help", HELP), (f"reeltune score, {LINES} lines", SCORE)):
        verdicts.check(
            f"{what}, processor seconds", statistics.median(c for c, _ in seconds[what]), goal, at_least=False
        )
    print("importing reeltune loads no torch")
    verdicts.show()
    harness.write(options, {**head, "seconds": seconds, "goals": verdicts.rows})


def time_command(command: list[str], rounds: int) -> list[tuple[float, float]]:
    """Processor and wall-clock seconds of each run of `command`."""
    found = []
    for _ in range(rounds):
        before, began = os.times(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - began, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        found.append((cpu, wall))
    return found


def scoring_files(folder: Path, lines: int) -> tuple[Path, Path]:
    """Temporal grounding: a sample and a prediction per line."""
    samples, predictions = folder / "samples.jsonl", folder / "predictions.jsonl"
    with samples.open("w") as left, predictions.open("w") as right:
        for number in range(lines):
            start = number % 40 / 2
            sample = {"id": str(number), "task": "temporal_grounding", "video": "v.mp4", "query": "a cat jumps",
                      "duration": 30.0, "target": [[start, start + 5.0]]}  # fmt: skip
            left.write(json.dumps(sample) + "\n")
            text = f"<answer>{start + number % 7 / 3:.2f} to {start + 6:.2f}</answer>"
            right.write(json.dumps({"id": str(number), "text": text}) + "\n")
    return samples, predictions


if __name__ == "__main__":
    main()
