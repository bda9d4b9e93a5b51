"""The rollout viewer, one page to look through the groups of a run.

Step and group are chosen by links (the page shows the one its address names), so it needs no script; a script
only adds the arrow keys and plays the shown video. The page is bounded: so many groups, so many bytes of video.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.files import write_text
from reeltune.report.charts import number_text
from reeltune.report.demo_files import evenly_spaced
from reeltune.report.groups import Group, group_card
from reeltune.report.page import notice, page, text
from reeltune.report.run_files import RunFiles, read_run, read_run_samples

LIMIT = 64
VIDEO_BYTES = 4_000_000
"""Of one video; so a page stays below LIMIT times this."""


def write_rollout_viewer(run_dir: Path, *, steps: Sequence[int] | None = None, limit: int = LIMIT) -> Path:
    """Write run_dir/rollouts.html with at most `limit` groups; returns its path.

    Without `steps`, steps evenly spaced over the run are shown, the first and the last among them. InputError
    for no run directory, a limit below 1, and a step without rollouts.
    """
    if limit < 1:
        raise InputError(f"--limit must be at least 1; got {limit}")
    files = read_run(run_dir)
    unknown = [step for step in steps or () if step not in files.rollout_files]
    if unknown:
        known = list(files.rollout_files)
        have = f"steps {known[0]} to {known[-1]}" if known else "no rollouts"
        raise InputError(f"--step {unknown[0]}: the run has {have} in {run_dir / 'rollouts'}")
    path = run_dir / "rollouts.html"
    chosen = choose_groups(files, sorted(set(steps or ())), limit)
    write_text(path, page(f"Rollouts of {run_dir.resolve().name}", _body(files, chosen), script="viewer.js"))
    return path


def choose_groups(files: RunFiles, steps: Sequence[int], limit: int) -> dict[int, list[Group]]:
    """Step -> its groups as they were drawn, at most `limit` in all. No `steps`: evenly spaced ones."""
    known = list(files.rollout_files)
    if not steps and known:
        per_step = max(1, len(files.groups(known[0])))
        steps = [known[index] for index in evenly_spaced(len(known), max(1, limit // per_step))]
    chosen: dict[int, list[Group]] = {}
    left = limit
    for step in steps:
        groups: list[Any] = files.groups(step)[:left]
        if groups:
            chosen[step] = groups
            left -= len(groups)
    return chosen


def _body(files: RunFiles, chosen: dict[int, list[Group]]) -> str:
    name = files.directory.resolve().name
    head = f'<header><p class="kicker">Rollouts of {text(name)}</p>'
    if not chosen:
        reason = "SFT does not sample completions." if files.method == "sft" else "No step has finished yet."
        return f"{head}<h1>There are no rollouts to show</h1></header>{notice(reason)}"
    samples = read_run_samples(files)
    keys = [(step, number) for step, groups in chosen.items() for number in range(len(groups))]
    cards = []
    for position, (step, number) in enumerate(keys):
        group = chosen[step][number]
        links = _neighbors(keys, position)
        card = group_card(group, samples, video_bytes=VIDEO_BYTES)
        cards.append(
            f'<section class="group" id="{_anchor(step, number)}"><div class="bar-line"><h2>Step {step}, group '
            f"{number + 1} of {len(chosen[step])}</h2>{links}</div>{card}</section>"
        )
    problems = "".join(notice(problem) for problem in samples.problems)
    return (
        f"{head}<h1>Sampled completions and their rewards</h1>"
        f'<p class="lead">{text(_bounds(files, chosen))}</p></header>{problems}'
        f'{_chooser(chosen)}<div class="groups">{"".join(cards)}</div>'
    )


def _bounds(files: RunFiles, chosen: dict[int, list[Group]]) -> str:
    groups = sum(len(each) for each in chosen.values())
    shown, known = len(chosen), len(files.rollout_files)
    which = "all steps" if shown == known else f"{shown} of {known} steps"
    return (
        f"{groups} groups of {which} are on this page. --limit sets the maximum number of groups, --step N selects "
        f"a step. Videos above {VIDEO_BYTES / 1e6:.0f} MB are named but not embedded. Use the left and right arrow "
        "keys to browse the groups."
    )


def _chooser(chosen: dict[int, list[Group]]) -> str:
    """One row a step, one link a group, shaded by the group's mean reward."""
    means = {step: [_mean(group["reward"]) for group in groups] for step, groups in chosen.items()}
    top = max((value for row in means.values() for value in row), default=0.0) or 1.0
    rows = []
    for step, row in means.items():
        links = "".join(
            f'<a href="#{_anchor(step, number)}" title="mean reward {number_text(value)}" '
            f'style="--share:{100 * max(0.0, value) / top:.0f}%">{number + 1}</a>'
            for number, value in enumerate(row)
        )
        rows.append(f"<div><span>step {step}</span>{links}<small>mean reward {number_text(_mean(row))}</small></div>")
    return f'<nav class="chooser" aria-label="Steps and groups">{"".join(rows)}</nav>'


def _neighbors(keys: Sequence[tuple[int, int]], position: int) -> str:
    before = keys[position - 1] if position else None
    after = keys[position + 1] if position + 1 < len(keys) else None
    back = f'<a rel="prev" href="#{_anchor(*before)}">← previous</a>' if before else ""
    on = f'<a rel="next" href="#{_anchor(*after)}">next →</a>' if after else ""
    return f'<span class="neighbors">{back} {on}</span>'


def _anchor(step: int, number: int) -> str:
    return f"step-{step}-group-{number + 1}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
