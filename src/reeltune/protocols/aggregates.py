"""From the credit of each sample to the numbers that a protocol prints, in percent."""

import ast
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

Credits = Sequence[float]
Texts = Sequence[str]


def mean(samples: Sequence[Any], texts: Texts, credits: Credits) -> dict[str, float]:
    """Over all samples; and over the kinds of question where `meta.type` tells them."""
    return {"score": 100 * fmean(credits), **_by_type(samples, credits)}


def mean_of_answered(samples: Sequence[Any], texts: Texts, credits: Credits) -> dict[str, float]:
    """lmms-eval's MVBench: empty answers leave the denominator; its MVBench number is the mean over the 20 kinds."""
    told = [index for index, text in enumerate(texts) if text != ""]
    kinds = _by_type([samples[i] for i in told], [credits[i] for i in told])
    found = {"score": 100 * fmean(credits[i] for i in told) if told else 0.0, **kinds}
    return found | ({"mean_over_types": fmean(kinds.values())} if kinds else {})


def grounding(samples: Sequence[Any], texts: Texts, credits: Credits) -> dict[str, float]:
    """mIoU, and R@t for an IoU of at least t, exactly."""
    found = {"miou": 100 * fmean(credits)}
    return found | {f"r@{t}": 100 * fmean(float(credit >= t) for credit in credits) for t in (0.3, 0.5, 0.7)}


def grounding_by_video(samples: Sequence[Any], texts: Texts, credits: Credits) -> dict[str, float]:
    """mIoU and P@0.5: the mean over videos of the means over a video's questions."""
    videos: defaultdict[str, list[float]] = defaultdict(list)
    for sample, credit in zip(samples, credits, strict=True):
        videos[sample.media_name].append(credit)
    return {
        "miou": 100 * fmean(fmean(own) for own in videos.values()),
        "p@0.5": 100 * fmean(fmean(float(credit >= 0.5) for credit in own) for own in videos.values()),
        "videos": float(len(videos)),
    }


def vsibench(samples: Sequence[Any], texts: Texts, credits: Credits) -> dict[str, float]:
    """The mean over kinds; the three levels of relative direction are one kind first."""
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for sample, credit in zip(samples, credits, strict=True):
        kinds[str(sample.meta.get("type"))].append(100 * credit)
    means = {kind: fmean(values) for kind, values in kinds.items()}
    levels = [means.pop(name) for name in list(means) if name.startswith("object_rel_direction_")]
    if levels:
        means["object_rel_direction"] = fmean(levels)
    return {"score": fmean(means.values()), **{f"type.{kind}": value for kind, value in sorted(means.items())}}


def video_mme_v2(samples: Sequence[Any], texts: Texts, credits: Credits) -> dict[str, float]:
    """The group score: four questions about a video count together, quadratically or along their chain."""
    groups: defaultdict[str, list[tuple[int, float, Any]]] = defaultdict(list)
    for sample, credit in zip(samples, credits, strict=True):
        groups[str(sample.meta.get("group"))].append((int(sample.id.rpartition("-")[2]), credit, sample))
    by_type: defaultdict[str, list[float]] = defaultdict(list)
    for members in groups.values():
        members.sort(key=lambda each: each[0])
        kind = str(members[0][2].meta.get("group_type"))
        by_type[kind].append(group_score([credit > 0 for _, credit, _ in members], kind, members[0][2].meta))
    every = [score for scores in by_type.values() for score in scores]
    found = {"score": fmean(every), "accuracy": 100 * fmean(credits)}
    return found | {f"type.{kind}": fmean(scores) for kind, scores in sorted(by_type.items())}


def group_score(right: Sequence[bool], kind: str, meta: Any) -> float:
    """0 to 100. `relevance`: (right / 4) squared. `logic`: by how far the chain of the group's structure holds."""
    if kind == "relevance":
        return 100 * sum(right) ** 2 / 16
    structure = ast.literal_eval(str(meta.get("group_structure")))
    held = next((index for index, each in enumerate(right) if not each), len(right))
    if structure == [1, [2, 3], 4]:
        held += held == 1 and right[2]
        steps = (0.0, 1 / 12, 4 / 12, 7 / 12, 1.0)
    elif structure == [[1, 2], 3, 4]:
        held += held == 0 and right[1]
        steps = (0.0, 1 / 10, 2 / 10, 5 / 10, 1.0)
    else:
        steps = (0.0, 1 / 16, 4 / 16, 9 / 16, 1.0)
    return 100 * steps[held]


def _by_type(samples: Sequence[Any], credits: Credits) -> dict[str, float]:
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for sample, credit in zip(samples, credits, strict=True):
        if sample.meta.get("type") is not None:
            kinds[str(sample.meta["type"])].append(100 * credit)
    return {f"type.{kind}": fmean(values) for kind, values in sorted(kinds.items())} if len(kinds) > 1 else {}
