"""What every benchmark shares: interleaved rounds, medians, memory, the machine, tables, JSON, misses said aloud."""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

if importlib.util.find_spec("torchvision") and not torch.version.cuda:
    # torchvision's wheel asks for these two when it is imported, and its own do not load beside a CPU-only torch.
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

PACKAGES = ("torch", "transformers", "accelerate", "trl", "numpy", "av")


def parser(description: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that all benchmarks take."""
    first, _, rest = (description or "").partition("\n")
    result = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--rounds", type=int, default=rounds, help="timed rounds; every way runs once in each")
    result.add_argument("--seed", type=int, default=0)
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--device", default="cpu")
    result.add_argument("--json", type=Path, help="write machine, versions, seeds and raw timings here")
    return result


def start(options: argparse.Namespace) -> dict[str, Any]:
    """Fix threads and seed; returns the head of the JSON."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    return {
        "command": " ".join(sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(options.device),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "options": {name: str(value) for name, value in vars(options).items()},
    }


def _machine(device: str) -> dict[str, Any]:
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    facts = {"cpu": cpu, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "load": os.getloadavg()}
    if device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def interleave(
    ways: Mapping[str, Callable[[], Any]], rounds: int, *, device: str = "cpu", warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds per way and round; in every round each way runs once, each round starting with another.

    On a CPU these are seconds of processor time of this process (with one thread: wall-clock without what other
    programs take), on a GPU wall-clock after the device is done. What a way does in its `prepare`, where it has one, is
    not timed.
    """
    names = list(ways)
    clock = time.perf_counter if device.startswith("cuda") else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if prepare := getattr(ways[name], "prepare", None):
                prepare()
            _wait(device)
            began = clock()
            ways[name]()
            _wait(device)
            if number >= 0:
                seconds[name].append(clock() - began)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """Median over the rounds of slow / fast: both of a round ran under the same load."""
    return statistics.median(s / f for s, f in zip(seconds[slow], seconds[fast], strict=True))


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def peak_bytes(way: Callable[[], Any], device: str = "cpu") -> int:
    """The most bytes of tensors that `way` held at once, beyond those that were there before."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        way()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        way()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


class Verdicts:
    """Goals and whether they were met; a miss is printed as a miss."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def check(self, what: str, value: float, goal: float, *, at_least: bool) -> None:
        met = value >= goal if at_least else value <= goal
        self.rows.append({"what": what, "value": value, "goal": goal, "at_least": at_least, "met": met})

    def show(self) -> None:
        for row in self.rows:
            sign = ">=" if row["at_least"] else "<="
            print(
                f"{'met ' if row['met'] else 'MISS'}  {row['what']}: {row['value']:.3g} (goal {sign} {row['goal']:g})"
            )


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of the same keys as a Markdown table."""
    if not rows:
        return
    cells = [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(list(rows[0]), *cells, strict=True)]
    lines = [list(rows[0]), ["-" * width for width in widths], *cells]
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |", flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write(options: argparse.Namespace, result: Mapping[str, Any]) -> None:
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written: {options.json}")
