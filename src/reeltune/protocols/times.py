"""How other evaluators read spans, rebuilt from what their functions do and held to them on recorded texts."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from reeltune.tasks import get_task

Pair = tuple[float, float]

_N = r"\d+(?:\.\d+)?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?"
_DASH = r"\s*[–-]\s*"
_CUES = ("starts", "ends", "happens in", "start time", "end time", "start", "end", "happen")


def hull_iou(predicted: Pair, truth: Pair) -> float:
    """Overlap over the hull of both, 0 for an empty one."""
    ends = sorted([predicted[0], truth[0]]), sorted([predicted[1], truth[1]])
    hull = ends[1][1] - ends[0][0]
    return 0.0 if hull <= 0 else max(ends[1][0] - ends[0][1], 0.0) / hull


def lmms_charades(text: str) -> Pair | None:
    """lmms-eval, tasks/charades_sta: the first of these forms that a sentence with a cue has. Ends are put in order."""
    lower = text.lower().replace("a specific example is : 20.8 - 30.0 seconds", "").replace("to", "-")
    sentences = re.split(r"[!?\n]", lower)
    told = [each for each in sentences if any(cue in each for cue in _CUES)] or sentences
    pairs = (
        _first_found(rf"\b({_CLOCK}){_DASH}({_CLOCK})\b", told)
        or _first_found(rf"({_N}){_DASH}({_N})", told)
        or _paired(time for each in told for time in re.findall(rf"\b({_CLOCK})\b", each))
        or _paired(times[0] for each in told if (times := re.findall(rf"\b({_N})\b", each)))
        or _first_found(rf"({_N})\s*s?{_DASH}({_N})\s*s?", told)
    )
    if not pairs:
        return None
    start, end = pairs[0]
    return (start, end) if end > start else (end, start)


def _first_found(pattern: str, sentences: Sequence[str]) -> list[Pair]:
    for each in sentences:
        if found := re.findall(pattern, each):
            return [(_seconds(start), _seconds(end)) for start, end in found]
    return []


def _paired(times: Iterable[str]) -> list[Pair]:
    values = [_seconds(time) for time in times]
    return list(zip(values[::2], values[1::2], strict=False))


def _seconds(text: str) -> float:
    value = 0.0
    for part in text.split(":"):
        value = value * 60 + float(part)
    return value


def lmms_timelens(text: str) -> Pair | None:
    """lmms-eval, tasks/timelens: clock times first, then "a - b", "a to b", then any two numbers; the first pair."""
    lower = text.lower()
    clock = r"\b(\d{1,2}:\d{2}:\d{2}(?:\.\d+)?|\d{1,2}:\d{2}(?:\.\d+)?)\b"
    pairs = _paired(re.findall(clock, lower))
    number = r"\d+\.?\d*"
    for form in (rf"({number})\s*-\s*({number})", rf"({number})\s+to\s+({number})"):
        pairs = pairs or [(float(start), float(end)) for start, end in re.findall(form, lower)]
    pairs = pairs or _paired(re.findall(rf"\b{number}\b", lower))
    return pairs[0] if pairs else None


def videochat_r1(text: str) -> Pair | None:
    """VideoChat-R1, src_eval/evaluate_grounding: the last "a to b" or "a and b" anywhere, in its order."""
    found = re.findall(r"(\d+\.?\d*) (?:to|and) (\d+\.?\d*)", text)
    return (float(found[-1][0]), float(found[-1][1])) if found else None


_R1_EXAMPLE = "a specific example is : 20.8 - 30.0 seconds"
_R1_ANSWER = re.compile(
    r'<think>.*?</think>\s*<answer>\s*{\s*"start_time"\s*:\s*"([\d.]+)"\s*,'
    r'\s*"end_time"\s*:\s*"([\d.]+)"\s*}\s*</answer>',
    re.DOTALL,
)


def temporal_r1_direct(text: str) -> Pair | None:
    """Temporal-R1, answers without thinking: any "a - b"; else the first number, then the first h:m:s, of each sentence
    with a cue. The first pair, in order of time."""
    lower = text.lower().replace(_R1_EXAMPLE, "").replace("to", "-")
    told = [each for each in re.split(r"[!?\n]", lower) if any(cue in each for cue in _CUES)]
    ranges = re.findall(r"(\d+\.*\d*)\s*-\s*(\d+\.*\d*)", lower)
    try:
        pairs = [(float(start), float(end)) for start, end in ranges]
    except ValueError:  # "3..5" ends the run there
        return None
    for form in (r"\b(\d+\.\d+\b|\b\d+)\b", r"\b(\d{1,2}:\d{2}:\d{2})\b"):
        pairs = pairs or _paired(found[0] for each in told if (found := re.findall(form, each)))
    if not pairs:
        return None
    start, end = pairs[0]
    return (start, end) if end > start else (end, start)


def temporal_r1(text: str) -> Pair | None:
    """Temporal-R1, answers after thinking: exactly its JSON with both times as strings; all else is 0 to 0."""
    match = _R1_ANSWER.search(text)
    try:
        said = f"{float(match[1])}-{float(match[2])}" if match else "0.0-0.0"
    except ValueError:
        said = "0.0-0.0"
    return temporal_r1_direct(said)


def temporal_r1_iou(text: str, sample: Any) -> float:
    return _iou(temporal_r1(text), sample)


def temporal_r1_direct_iou(text: str, sample: Any) -> float:
    """What cannot be read stands ten seconds after the truth there: no overlap."""
    return _iou(temporal_r1_direct(text), sample)


def lmms_charades_iou(text: str, sample: Any) -> float:
    return _iou(lmms_charades(text), sample)


def lmms_timelens_iou(text: str, sample: Any) -> float:
    return _iou(lmms_timelens(text), sample)


def videochat_r1_iou(text: str, sample: Any) -> float:
    """Reversed answers are not put in order: their overlap with anything is 0."""
    return _iou(videochat_r1(text), sample)


def own_iou(text: str, sample: Any) -> float:
    """As the sample's task reads it and scores it."""
    task = get_task(sample.task)
    return float(task.scores(sample, task.read(sample, text).value)["miou"])


def first_span_iou(text: str, sample: Any) -> float:
    """The first span that our reading finds, with the true span that it overlaps most."""
    spans = get_task(sample.task).read(sample, text).value
    return max(hull_iou(spans[0], truth) for truth in sample.target) if spans else 0.0


def _iou(found: Pair | None, sample: Any) -> float:
    """The IoU with the first true span: these sets have one."""
    return 0.0 if found is None else hull_iou(found, sample.target[0])
