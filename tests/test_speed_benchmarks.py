"""The speed benchmarks run on a model of one's own: equal results first, then a table and a JSON file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "src" / "reeltune" / "toyworld" / "base"


def run(script: str, *words: str, folder: Path) -> tuple[str, Any]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--model", str(MODEL), "--rounds", "1"]
    done = subprocess.run([*command, *words, "--json", str(folder / "out.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, json.loads((folder / "out.json").read_text())


def test_the_learner_beside_rows_and_the_floor(tmp_path: Path) -> None:
    words = ["--cell", "2", "8", "3", "--ways", "ours", "after rollout", "rows", "floor"]
    printed, found = run("learner.py", *words, folder=tmp_path)
    [case] = found["cases"]
    assert case["C"] == 8 and case["G"] == 3 and "| rows / ours |" in printed
    assert max(case["equality"].values()) < 1e-4 and len(case["equality"]) == 4
    assert set(case["seconds"]) == {"ours", "after rollout", "rows", "floor"}
    assert 0 < case["peak_bytes"]["ours"] < case["peak_bytes"]["rows"]


def test_the_rollout_beside_generate(tmp_path: Path) -> None:
    words = ["--patches", "2", "--tokens", "32", "--group-size", "3", "--prompts", "2", "--no-single"]
    printed, found = run("rollout.py", *words, folder=tmp_path)
    [case] = found["cases"]
    assert case["greedy_rows_that_differ"] == 0 and "generate / ours" in printed
    assert set(case["seconds"]) == {"ours", "generate", "kept"} and case["flops"] > 0


def test_a_whole_step_phase_by_phase(tmp_path: Path) -> None:
    """On the model of the benchmark itself: the run writes its own."""
    words = ["--rounds", "1", "--prompts", "1", "--patches", "2", "--tokens", "8", "--group-size", "2"]
    command = [sys.executable, str(ROOT / "benchmarks" / "step.py"), *words, "--json", str(tmp_path / "out.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    [phases] = json.loads((tmp_path / "out.json").read_text())["stages"]
    assert set(phases) == {"videos and prompts", "rollout", "rewards", "update", "other"}
    assert min(phases["rollout"], phases["update"]) > max(0.0, phases["rewards"])


def test_every_benchmark_and_script_finds_what_it_imports() -> None:
    """They import modules of the package by path: a move breaks them, and no other test would tell."""
    folders = [ROOT / "benchmarks", ROOT / "scripts"]
    names = {path.stem for folder in folders for path in folder.glob("*.py")}
    assert {"growth", "video", "selection", "models_table", "reference"} <= names
    names -= {"vllm_positions"}  # it runs in vLLM's own environment
    done = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(sorted(names))}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT / "src", *folders, ROOT]))},
    )
    assert done.returncode == 0, done.stderr[-2000:]
