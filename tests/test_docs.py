"""The examples of docs work: every block fenced as `bash run` is run, page by page, from top to bottom.

Steps and videos are cut down so that a page takes seconds; nothing else is changed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```bash run\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = "toyworld.train_videos=8 toyworld.held_out_videos=8"


RUN = {"data", "mixture-of-depths", "plan", "selection", "toyworld", "train", "tutorial"}
"""Pages whose `bash run` blocks are run here; what other pages show as `bash` needs a GPU, servers or large files."""


def test_the_pages_with_examples_are_found() -> None:
    assert {page.stem for page in PAGES if examples(page)} == RUN


def examples(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def shortened(script: str) -> str:
    script = re.sub(r"\b(rl|sft)\.steps=\d+", r"\1.steps=2", script)
    script = re.sub(r"checkpoint\.every=\d+", "checkpoint.every=1", script)
    return re.sub(r"^(reeltune train .*?)( --resume)?$", rf"\1 {SMALL}\2", script, flags=re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page_work(page: Path, tmp_path: Path) -> None:
    from reeltune.video.encode import write_video

    clips = tmp_path / "clips"
    for seed, name in enumerate(("first", "second")):
        frames = np.random.default_rng(seed).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
        write_video(clips / f"{name}.mp4", frames, 2.0)
    work = tmp_path / "work"
    work.mkdir()
    (work / "recipes").symlink_to(ROOT / "recipes")
    (work / "docs").symlink_to(ROOT / "docs")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CLIPS": str(clips),
        "OMP_NUM_THREADS": "1",
    }
    for script in examples(page):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shortened(script)],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
