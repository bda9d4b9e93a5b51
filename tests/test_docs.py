"""The examples of docs work: every block fenced as `bash run` is run, page by page, from top to bottom.

Steps and videos are cut down so that a page takes seconds; nothing else is changed.
"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.warm_shell import reeltune_on_path

from reeltune.cli import _parse

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```bash run\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = "toyworld.train_videos=8 toyworld.held_out_videos=8"


RUN = {"data", "memory-and-speed", "mixture-of-depths", "plan", "selection", "toyworld", "train", "tutorial"}
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
    with reeltune_on_path(tmp_path / "bin", os.environ | {"CLIPS": str(clips)}) as (environment, asked):
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
    assert len(asked) == sum(script.count("\nreeltune ") for script in map("\n{}".format, examples(page)))


OTHER = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""Blocks that no test runs: they need a real model, cards, a server, the network, or files that only a user has."""
UNFILLED = re.compile(r"\.\.\.|[|\[]")


def other_blocks() -> list[tuple[str, str, str]]:
    pages = [*PAGES, ROOT / "docs" / "reference" / "papers.md", ROOT / "CONTRIBUTING.md"]
    return [(page.name, *found) for page in pages for found in OTHER.findall(page.read_text(encoding="utf-8"))]


def commands_of(script: str) -> list[list[str]]:
    lines = [re.split(r" [>|&]|;|\)", line)[0] for line in script.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if re.match(r"\S*\s*reeltune |.* -m reeltune ", line)]
    return [each[each.index("reeltune") + 1 :] for each in words if "reeltune" in each]


def test_what_is_not_run_is_read() -> None:
    """Commands by the parser itself, Python by its compiler, YAML and JSON by their readers."""
    parsed = 0
    for page, language, text in other_blocks():
        where = f"{page}: {text}"
        if language == "python":
            compile(text, page, "exec")
        elif language == "yaml":
            assert yaml.safe_load(text) is not None, where
        elif language == "json":
            assert [json.loads(line) for line in text.splitlines()] if "\n{" in text else json.loads(text), where
        elif language == "bash":
            for words in commands_of(text):
                if not any(UNFILLED.search(word) and "=" not in word for word in words):
                    _parse(words)
                    parsed += 1
    assert parsed > 20
