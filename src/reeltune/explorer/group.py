"""Everything the page of one group shows, as JSON: the sample, its media, what was true, what was answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from reeltune.errors import InputError
from reeltune.explorer.drawing import first_box, truth
from reeltune.explorer.findings import judged, read_answer, read_score
from reeltune.explorer.lines import read_line
from reeltune.explorer.opened import Opened
from reeltune.explorer.rows import correctness, overlap_of
from reeltune.explorer.sources import RowFile
from reeltune.sample import Sample
from reeltune.tasks import get_task

Row = dict[str, Any]
HISTORY = 500


def find_group(opened: Opened, at: str) -> Row:
    """The row of the index at FILE:LINE. InputError where there is none."""
    file, _, line = at.rpartition(":")
    if not line.isdigit():
        raise InputError(f"at={at!r}: a group is identified by its file and line, such as rollouts/step-000006.jsonl:3")
    keys = opened.index.select("SELECT key FROM groups WHERE file = ? AND line = ?", (file, int(line)))
    if not keys:
        raise InputError(f"{opened.source.name} has no group at {at}")
    return opened.index.by_keys("groups", [keys[0]["key"]])[0]


def file_of(opened: Opened, group: Row) -> RowFile:
    source = opened.source
    places = [source.converted] if source.converted else [source.folder / group["file"], *source.samples]
    step = None if group["step"] is None else int(group["step"])
    for path in places:
        if path.is_file() and (path.name == group["file"] or path == places[0]):
            return RowFile(path, group["part"], step)
    raise InputError(f"{group['file']} is missing from {opened.source.folder}")


def group_sample(opened: Opened, group: Row) -> tuple[Row, Sample | None]:
    """The line as its file has it, and its sample."""
    file = file_of(opened, group)
    row = read_line(file.path, group["offset"], group["size"])
    return row, opened.find(file, row)


def group_page(opened: Opened, at: str) -> Row:
    """InputError when there is no group at that place."""
    group = find_group(opened, at)
    row, sample = group_sample(opened, group)
    page: Row = {
        "at": at,
        "source": opened.source.name,
        "group": {key: value for key, value in group.items() if value is not None and key not in ("offset", "size")},
        "notes": opened.notes.of(group["sample"]),
        "history": _history(opened, group),
        "completions": _completions(opened, group, row, sample),
    }
    if sample is None:
        return page | {"problem": "The sample of this group is unknown, so its question and video cannot be shown."}
    task = get_task(sample.task)
    mode = opened.mode if opened.mode in task.modes else None
    seen = frames_seen(row)
    return page | {
        "prompt": task.prompt(sample, mode or task.modes[0]),
        "fields": sample.model_dump(mode="json", exclude={"id", "task"}, exclude_unset=True),
        "truth": truth(sample),
        "start_box": first_box(sample),
        "pixelated": sample.source == "toyworld",
        "media": [
            {
                "name": str(medium),
                "kind": medium.kind,
                "start": medium.start or 0.0,
                "end": medium.end,
                "problem": next((each.problem for each in files if each.path is None), ""),
                "frames": seen[number] if number < len(seen) else [],
            }
            for number, (medium, files) in enumerate(zip(sample.all_media, opened.media(sample), strict=True))
        ],
    }


def frames_seen(row: Mapping[str, Any]) -> list[list[float]]:
    """Of each medium the seconds of the frames that the model saw, where the line says so."""
    return [list(times) for times in row.get("frames", []) if isinstance(times, list)]


def _completions(opened: Opened, group: Row, row: Mapping[str, Any], sample: Sample | None) -> list[Row]:
    answers = opened.index.select("SELECT * FROM answers WHERE grp = ? ORDER BY number", (group["key"],))
    if "texts" in row:
        texts: Sequence[str] = row["texts"]
    elif "text" in row:
        texts = [row["text"]]
    elif "answers" in row:  # a line of scores: what was read stands there, the text itself does not
        texts = [answer["text"] for answer in answers]
    elif "best" in row and "worst" in row:  # of a selection only these two are kept
        return [_extreme(opened, name, row, sample) for name in ("best", "worst")]
    else:
        return []
    hidden = {"key", "grp", "offset", "size", "file", "line", "media", "source", "type", "sample", "part", "task"}
    verdicts = row.get("verdicts") or [[] for _ in texts]
    found: list[Row] = []
    for answer, text, said in zip(answers, texts, verdicts, strict=True):
        values = {name: value for name, value in answer.items() if value is not None and name not in hidden}
        components = {name: each[len(found)] for name, each in row.get("components", {}).items()}
        scored = row["answers"][len(found)] if "answers" in row else None
        reading = read_score(scored, sample) if scored is not None else read_answer(text, sample, opened.mode)
        if components and all(value is None for value in components.values()):
            reading["findings"].append(
                "excluded from the group: it has no reward because the judge or a reward function failed"
            )
        reading["marks"] += (judgment := judged(text, said))["marks"]
        found.append(
            {
                "number": int(answer["number"]),
                "text": text,
                "values": values,
                "components": components,
                "verdicts": judgment["verdicts"],
                **reading,
            }
        )
    return found


def _extreme(opened: Opened, name: str, row: Mapping[str, Any], sample: Sample | None) -> Row:
    text = str(row[name])
    reading = read_answer(text, sample, opened.mode)
    values: Row = {"reward": (max if name == "best" else min)([r for r in row["rewards"] if r is not None] or [0.0])}
    if sample is not None:
        task = get_task(sample.task)
        scores = task.scores(sample, task.read(sample, text).value)
        values |= {"iou": overlap_of(scores), "correct": correctness(scores)}
    return {"number": name, "text": text, "values": values, "components": {}, "verdicts": [], **reading}


def _history(opened: Opened, group: Row) -> list[Row]:
    """The same sample wherever else it was asked, in the order of the steps."""
    sql = (
        "SELECT file, line, step, part, reward, std, iou, correct, unreadable FROM groups WHERE sample = ? "
        "ORDER BY step, key LIMIT ?"
    )
    return [
        {**{key: value for key, value in row.items() if value is not None}, "at": f"{row['file']}:{int(row['line'])}"}
        for row in opened.index.select(sql, (group["sample"], HISTORY))
    ]
