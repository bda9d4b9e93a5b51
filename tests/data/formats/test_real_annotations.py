"""`score` against a plain computation from the raw annotation files, to 1e-9."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from reeltune.data.import_ import import_annotations
from reeltune.evaluation.score import score

FOLDER = Path(__file__).parents[3] / "../shared/data/annotations"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no annotation files in {FOLDER}")


def raw(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def scored(tmp_path: Path, name: str, file: str, texts: dict[str, str]) -> dict[str, float]:
    samples, predictions = tmp_path / "samples.jsonl", tmp_path / "predictions.jsonl"
    import_annotations(name, [FOLDER / file], videos=tmp_path / "videos", output=samples)
    lines = [json.dumps({"id": key, "text": text}) + "\n" for key, text in texts.items()]
    predictions.write_text("".join(lines))
    (found,) = score(samples, predictions, resamples=0).metrics.values()
    return found


def plain_iou(a: list[float], b: list[float]) -> float:
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inter / (max(a[1], b[1]) - min(a[0], b[0])) if inter else 0.0


def share(values: list[float], threshold: float) -> float:
    return 100 * sum(value >= threshold - 1e-9 for value in values) / len(values)


@pytest.mark.parametrize(
    ("name", "file"),
    [("charades-sta", "charades_sta_part.json"), ("activitynet-captions", "activitynet_captions_part.json")],
)
def test_grounding(tmp_path: Path, name: str, file: str) -> None:
    generator = random.Random(0)
    texts, ious, whole = {}, [], []
    fixed: dict[tuple[int, int], list[float]] = {(i, j): [] for i in range(20) for j in range(i + 1, 21)}
    for video, entry in raw(file).items():
        duration = entry["duration"]
        for index, truth in enumerate(entry["timestamps"]):
            start = round(generator.uniform(0, duration * 0.8), 2)
            end = round(generator.uniform(start, duration), 2)
            texts[f"{video}_{index}"] = f"<think>hm</think><answer>{start}s - {end}s</answer>"
            ious.append(plain_iou([start, end], truth))
            whole.append(plain_iou([0, duration], truth))
            for (i, j), values in fixed.items():
                values.append(plain_iou([i / 20 * duration, j / 20 * duration], truth))
    found = scored(tmp_path, name, file, texts)
    best = max(sum(values) / len(values) for values in fixed.values())
    assert found["n"] == len(ious)
    assert found["miou"] == pytest.approx(100 * sum(ious) / len(ious), abs=1e-9)
    assert found["trivial.whole_video.miou"] == pytest.approx(100 * sum(whole) / len(whole), abs=1e-9)
    assert found["trivial.best_fixed_span.miou"] == pytest.approx(100 * best, abs=1e-9)
    for threshold in (0.3, 0.5, 0.7):
        assert found[f"r@{threshold}"] == pytest.approx(share(ious, threshold), abs=1e-9)
        assert found[f"trivial.whole_video.r@{threshold}"] == pytest.approx(share(whole, threshold), abs=1e-9)


def covered(spans: list[list[float]], points: list[float]) -> list[bool]:
    middles = [(a + b) / 2 for a, b in itertools.pairwise(points)]
    return [any(s <= middle <= e for s, e in spans) for middle in middles]


def test_grounded_qa(tmp_path: Path) -> None:
    generator = random.Random(1)
    texts, right, ious, iops, both = {}, [], [], [], []
    for entry in raw("nextgqa_part.json"):
        letter, duration = generator.choice("ABCDE"), entry["duration"]
        spans = [sorted(round(generator.uniform(0, duration), 1) for _ in range(2)) for _ in range(2)]
        texts[entry["id"]] = f"<answer>({letter})</answer><glue>{spans}</glue>"
        points = sorted({p for span in spans + entry["glue"] for p in span})
        lengths = [b - a for a, b in itertools.pairwise(points)]
        mine, true = covered(spans, points), covered(entry["glue"], points)
        inter = sum(x for x, a, b in zip(lengths, mine, true, strict=True) if a and b)
        union = sum(x for x, a, b in zip(lengths, mine, true, strict=True) if a or b)
        length = sum(x for x, a in zip(lengths, mine, strict=True) if a)
        right.append(float(f"({letter})" == entry["answer"]))
        ious.append(inter / union)
        iops.append(inter / length if length else 0.0)
        both.append(float(right[-1] and iops[-1] >= 0.5))
    found = scored(tmp_path, "nextgqa", "nextgqa_part.json", texts)
    for name, values in {"accuracy": right, "miou": ious, "iop": iops, "acc@gqa": both}.items():
        assert found[name] == pytest.approx(100 * sum(values) / len(values), abs=1e-9)
    kinds = {entry["type"] for entry in raw("nextgqa_part.json")}
    means = [found[f"type.{kind}.accuracy"] for kind in kinds]
    assert found["macro.accuracy"] == pytest.approx(sum(means) / len(means), abs=1e-9)
    assert found["trivial.random_option.accuracy"] == pytest.approx(20, abs=1e-9)


def plain_box_iou(a: list[float], b: list[float]) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = w * h if w > 0 and h > 0 else 0.0
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def test_tracking(tmp_path: Path) -> None:
    generator = random.Random(2)
    texts, means, still = {}, [], []
    for entry in raw("got10k_part.json"):
        boxes = [[round(v + generator.uniform(-0.02, 0.02), 3) for v in box] for box in entry["gt"]]
        texts[Path(entry["path"]).name] = f"<answer>{boxes}</answer>"
        overlaps = [plain_box_iou(a, b) for a, b in zip(boxes, entry["gt"], strict=True)]
        means.append(sum(overlaps) / len(overlaps))
        first = [plain_box_iou(entry["gt"][0], box) for box in entry["gt"]]
        still.append(sum(first) / len(first))
    found = scored(tmp_path, "got10k", "got10k_part.json", texts)
    assert found["mean_overlap"] == pytest.approx(100 * sum(means) / len(means), abs=1e-9)
    assert found["success@0.7"] == pytest.approx(share(means, 0.7), abs=1e-9)
    assert found["trivial.repeat_start_box.mean_overlap"] == pytest.approx(100 * sum(still) / len(still), abs=1e-9)
    assert found["trivial.repeat_start_box.success@0.5"] == pytest.approx(share(still, 0.5), abs=1e-9)


def test_video_quality(tmp_path: Path) -> None:
    entries = raw("video_quality_part.json")
    texts = {entry["video"].removesuffix(".mp4"): "<answer>Low quality.</answer>" for entry in entries}
    found = scored(tmp_path, "video-quality", "video_quality_part.json", texts)
    assert found["accuracy"] == pytest.approx(
        100 * sum(entry["answer"] == "low quality" for entry in entries) / len(entries), abs=1e-9
    )
