"""GRPO of toyworld by the trainer's own rollouts, and by a real vLLM server, in step and one step ahead.

    python benchmarks/rollout_servers.py --python /opt/vllm/bin/python
    python benchmarks/rollout_servers.py --python ... --steps 60 --seeds 0 1 2 --ways hf synchronous ahead

One server for all runs, on a CPU with one thread; its start is not timed. Every run is `reeltune train` of the shipped
toy recipe in a process of its own; each seed starts with another way. Between the first step's end and the last one's:
processor seconds of a step, of the learner and all that it started, and of the server's processes; utilization, the
same over wall-clock seconds, where 1 is one core; and what the learner waited for rollouts. `mIoU` is of the held-out
samples after the last step, `gap` the largest mismatch KL of a step that was not ahead.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import harness

from reeltune.build import model_directory
from reeltune.config.recipe import load_recipe
from reeltune.http import Requests
from reeltune.rollout.launch import Process, Serving, write_plugin
from reeltune.rollout.server import LARGEST_ANSWER, Server
from reeltune.training.journal import read_jsonl

TICK = os.sysconf("SC_CLK_TCK")
WAYS = {"hf": None, "synchronous": 0, "ahead": 1}


def main() -> None:
    arguments = harness.parser(__doc__)
    arguments.add_argument("--python", required=True, help="of the environment with vLLM")
    arguments.add_argument("--port", type=int, default=8190)
    arguments.add_argument("--steps", type=int, default=20)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments.add_argument("--folder", type=Path, help="keep the runs here, and go on with those that ended")
    arguments.add_argument("overrides", nargs="*", metavar="section.key=value")
    options = arguments.parse_args()
    head = harness.start(options)
    folder = options.folder or Path(tempfile.mkdtemp())
    server = serve(folder, options.python, options.port)
    try:
        runs = [run(folder, way, seed, server, options) for way, seed in order(options.ways, options.seeds)]
    finally:
        server.stop()
    harness.table([{name: value for name, value in each.items() if name != "version"} for each in runs])
    harness.table([summary(way, [each for each in runs if each["way"] == way]) for way in options.ways])
    harness.write(options, {**head, "vllm": runs[-1]["version"], "runs": runs})


def order(ways: list[str], seeds: list[int]) -> list[tuple[str, int]]:
    return [(way, seed) for n, seed in enumerate(seeds) for way in ways[n % len(ways) :] + ways[: n % len(ways)]]


def serve(folder: Path, python: str, port: int) -> Process:
    recipe = load_recipe(Path("toy/grpo"), ["run.dir=none"])
    serving = Serving(model_directory(recipe), port=port, dtype="float32", python=python, max_model_len=1024)
    process = Process(serving, folder / "server.log", write_plugin(folder / "plugin"))
    process.start()
    process.wait(900.0)
    return process


def run(folder: Path, way: str, seed: int, server: Process, options: Any) -> dict[str, Any]:
    """One training, or what is on disk of it."""
    out = folder / f"{way}-{seed}"
    row = out / "benchmark.json"
    if row.exists():
        found: dict[str, Any] = json.loads(row.read_text())
        return found
    staleness = WAYS[way]
    words = [f"run.dir={out}", f"seed={seed}", f"rl.steps={options.steps}", f"eval.every={options.steps}"]
    words += [f"checkpoint.every={options.steps}", f"video.cache={folder / 'frames'}", *options.overrides]
    if staleness is not None:
        words += ["rollout.engine=vllm", f"rollout.servers=[{server.serving.url}]"]
        words += [f"rollout.max_staleness={staleness}"]
    command = [sys.executable, "-m", "reeltune", "train", "toy/grpo", *words, *(["--resume"] if out.exists() else [])]
    with (folder / f"{way}-{seed}.log").open("a") as log:
        learner = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            spent = watch(out / "metrics.jsonl", learner, server, options.steps)
        finally:
            learner.kill()
    if learner.wait():
        raise SystemExit(f"{' '.join(command)}\nended with {learner.returncode}: {folder / f'{way}-{seed}.log'}")
    found = {"way": way, "seed": seed, **spent, **results(out), "version": version_of(server)}
    row.write_text(json.dumps(found))
    return found


def watch(path: Path, learner: "subprocess.Popen[bytes]", server: Process, steps: int) -> dict[str, float]:
    """Per step, from the end of the first one to the end of the last one."""
    marks: dict[int, tuple[float, float, float]] = {}
    assert server.running
    while learner.poll() is None:
        done = sum('"loss"' in line for line in path.read_text().splitlines()) if path.exists() else 0
        if done and done not in marks:
            marks[done] = (time.monotonic(), processor_seconds(learner.pid), processor_seconds(server.running.pid))
        time.sleep(0.02)
    first, last = min(marks), max(marks)
    wall, own, theirs = (end - begin for begin, end in zip(marks[first], marks[last], strict=True))
    number = last - first
    return {
        "steps": float(steps),
        "learner s": own / number,
        "server s": theirs / number,
        "wall s": wall / number,
        "learner busy": own / wall,
        "server busy": theirs / wall,
    }


def processor_seconds(root: int) -> float:
    """Of a process and all below it, and of their children that ended."""
    ticks: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        ticks[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    family, before = {root}, 0
    while len(family) > before:
        before = len(family)
        family |= {pid for pid, (parent, _) in ticks.items() if parent in family}
    return sum(ticks[pid][1] for pid in family if pid in ticks) / TICK


def results(out: Path) -> dict[str, float]:
    rows = read_jsonl(out / "metrics.jsonl")
    steps = [row for row in rows if "loss" in row]
    score = next(row for row in reversed(rows) if "eval/temporal_grounding/miou" in row)
    timings = [row for row in read_jsonl(out / "timings.jsonl") if "seconds" in row][1:]
    waiting = [row.get("seconds/waiting for rollouts", row.get("seconds/rollout", 0.0)) for row in timings]
    return {
        "waiting s": statistics.median(waiting),
        "reward": statistics.fmean(row["reward"] for row in steps[-10:]),
        "mIoU": score["eval/temporal_grounding/miou"],
        "gap": max((abs(row.get("mismatch_kl", 0.0)) for row in steps if not row.get("staleness")), default=0.0),
        "staleness": steps[-1].get("staleness", 0.0),
    }


def version_of(server: Process) -> str:
    return Server(server.serving.url, Requests(LARGEST_ANSWER), timeout_s=10.0).version()


def summary(way: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds; of the score its spread too."""
    scores = [each["mIoU"] for each in runs]
    names = ("learner s", "server s", "wall s", "learner busy", "server busy", "waiting s")
    means = {name: statistics.fmean(each[name] for each in runs) for name in names}
    spread = statistics.stdev(scores) if len(scores) > 1 else None
    return {"way": way, "seeds": len(runs), **means, "mIoU": f"{statistics.fmean(scores):.2f}", "std": spread}


if __name__ == "__main__":
    main()
