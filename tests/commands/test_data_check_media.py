"""`reeltune data check --decode` looks at images, parts of videos and frames too."""

from pathlib import Path

from PIL import Image
from tests.commands.test_data_check import GOOD, clip, write

from reeltune.data.findings import check_samples


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
