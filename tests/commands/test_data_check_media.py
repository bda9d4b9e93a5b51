"""`reeltune data check --decode` looks at images, parts of videos and frames too."""

from pathlib import Path
from typing import Any

from PIL import Image
from tests.commands.test_data_check import CHOICE, GOOD, clip, write

from reeltune.cli import main
from reeltune.data.findings import check_samples
from reeltune.data.fix import changes_path
from reeltune.tasks import load_samples


def test_any_media_are_looked_at(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    ask = {"task": "open_ended", "question": "What is it?", "target": "red"}
    rows = [
        ask | {"id": "image", "media": [{"image": "a.png"}]},
        ask | {"id": "part", "media": [{"video": "a.mp4", "start": 0.5, "end": 1.5}, {"image": "a.png"}]},
        ask | {"id": "cut", "media": [{"image": "b.png"}]},
        ask | {"id": "gone", "media": [{"frames": ["a.png", "c.png"], "fps": 1}]},
        ask | {"id": "late", "media": [{"video": "a.mp4", "start": 60}]},
        ask | {"id": "alone", "question": "Why?"},
        GOOD
        | {
            "id": "past",
            "video": None,
            "duration": None,
            "media": [{"video": "a.mp4", "start": 1}],
            "target": [[0, 2.5]],
        },
    ]
    report = check_samples(write(tmp_path / "s.jsonl", *rows), decode=True)
    found = {kind: " ".join(places) for kind, places in report.errors.items()}
    kinds = {"videos are missing", "images cannot be decoded", "videos cannot be decoded"}
    assert found.keys() == kinds | {"times are after the end of the file"}
    assert "id 'gone'" in found["videos are missing"] and "c.png" in found["videos are missing"]
    assert "b.png: cannot be read as an image" in found["images cannot be decoded"]
    assert "no frame is shown from 60 s" in found["videos cannot be decoded"]
    assert "id 'past'" in found["times are after the end of the file"], "times count from the part's start"
    assert any(kind.startswith("samples without a video or image") for kind in report.warnings)


def test_fix_looks_at_any_media_and_what_is_left_is_clean(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"junk")
    ask = {"task": "open_ended", "question": "What is it?", "target": 5}
    track = {"task": "object_tracking", "object": "it", "start_box": [0, 0, 1, "1"], "target": [[0, 0, "1", 2]]}
    spans: dict[str, Any] = {"task": "temporal_grounding", "query": "x", "video": "a.mp4"}
    rows = [
        ask | {"id": "image", "media": [{"image": "a.png"}]},
        ask | {"id": "cut", "media": [{"image": "b.png"}]},
        ask | {"id": "frames", "media": [{"frames": ["a.png"], "fps": "2"}]},
        ask | {"id": "part", "media": [{"video": "a.mp4", "start": "0.5 s", "end": "0:01.5"}]},
        ask | {"id": "late", "media": [{"video": "a.mp4", "start": 60}]},
        ask | {"id": "number", "video": 5},
        ask | {"id": 2.5, "video": "a.mp4", "meta": "text"},
        spans | {"id": "past", "target": [[0, 9]]},
        spans | {"id": "after", "target": [[8, 9]]},
        track | {"id": "tracked", "video": "a.mp4", "times": ["0:01"]},
        track | {"id": "tracked later", "video": "a.mp4", "times": [9]},
        CHOICE | {"id": "index", "options": [1, 2], "target": 1},
        CHOICE | {"id": " ", "options": [1, 2], "target": "2"},
    ]
    output = tmp_path / "fixed.jsonl"
    assert main(["data", "check", str(write(tmp_path / "s.jsonl", *rows)), "--decode", "--fix", str(output)]) == 0
    samples: dict[str, Any] = {sample.id: sample for sample in load_samples(output)}
    changes = changes_path(output).read_text()
    assert list(samples) == ["image", "frames", "part", "past", "tracked", "row 13"], changes
    assert samples["image"].target == "5" and samples["row 13"].target == "B"
    assert samples["past"].target == ((0, 2),) and samples["past"].duration == 2
    assert samples["tracked"].target == ((0, 0, 1, 1),)
    for line in (
        "id 'cut': its image cannot be decoded: dropped",
        "id 'tracked later': times after the end of the file: dropped",
        "id 'number': cannot be fixed: dropped ('video'",
        "id 2.5: cannot be fixed: dropped ('meta'",
        "id 'index': cannot be fixed: dropped ('target'",
    ):
        assert line in changes
    assert main(["data", "check", str(output), "--decode"]) == 0
