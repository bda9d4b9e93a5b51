import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.data.import_ import Imported, import_annotations
from reeltune.errors import InputError
from reeltune.tasks import load_samples

ANNOTATIONS = Path("../shared/data/annotations")


def imported(name: str, *files: Path, folder: Path | None = None) -> tuple[list[Any], Imported]:
    output = (folder or files[0].parent) / "samples.jsonl"
    found = import_annotations(name, files, videos=output.parent / "videos", output=output)
    return list(load_samples(output)), found


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row) if not isinstance(row, str) else row}\n" for row in rows))
    return path


def dream(index: int, events: list[str], video: str = "<placeholder>") -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": [{"type": "video", "reference": None, "video": {"video_file": video}},
                                         {"type": "text", "text": "Describe it.", "reference": None, "video": None}]},
            {"role": "assistant", "content": [{"type": "text", "text": "", "reference": "A dog runs.", "video": None}]},
        ],
        "dataset": "DREAM/youtube", "idx": index, "extra_info": {"duration": 5.0, "events": events},
    }  # fmt: skip


def test_dream(tmp_path: Path) -> None:
    path = write(tmp_path / "dream.jsonl", dream(7, ["A dog runs."]), dream(8, [], "clips/x.mp4"))
    (first, second), found = imported("dream-1k", path)
    assert (first.id, first.video, first.caption) == ("dream-1k-7", "videos/7.mp4", "A dog runs.")
    assert (first.instruction, first.events, first.meta["type"]) == ("Describe it.", ("A dog runs.",), "youtube")
    assert second.events == () and second.video == "videos/clips/x.mp4"
    assert [count for text, count in found.counts.items() if "without an event" in text] == [1]


@pytest.mark.parametrize("field", ["text", "reference"])
def test_a_dream_entry_without_its_text_is_named(tmp_path: Path, field: str) -> None:
    entry = dream(7, ["A dog runs."])
    for message in entry["messages"]:
        for part in message["content"]:
            part[field] = None
    with pytest.raises(InputError, match=rf"dream.jsonl, entry 1: no part of the message has a '{field}'"):
        imported("dream-1k", write(tmp_path / "dream.jsonl", entry))


QUESTION = {"question": "Where?", "answer": "a room", "category": "location"}


def test_vdc(tmp_path: Path) -> None:
    lines = write(tmp_path / "background.jsonl", {"v1": [QUESTION, {"question": "Who?", "answer": ""}]})
    text = json.dumps({"v1": [QUESTION]})[:-1] + ', "v1": [' + json.dumps(QUESTION) + "]}"
    twice = write(tmp_path / "main_object.json", text)
    samples, found = imported("vdc", lines, twice)
    assert [s.id for s in samples] == ["vdc-background-v1", "vdc-main_object-v1", "vdc-main_object-v1-2"]
    assert [s.meta["type"] for s in samples] == ["background", "main_object", "main_object"]
    assert len(samples[0].questions) == 1 and samples[0].caption is None
    assert found.counts["questions without a text or an answer: dropped"] == 1
    _, found = imported("vdc", write(tmp_path / "short.jsonl", {"v1": [QUESTION]}))
    assert any("story phrases" in text for text in found.counts)
    with pytest.raises(InputError, match="must say the aspect"):
        imported("vdc", write(tmp_path / "other.jsonl", {"v1": [QUESTION]}))


def test_carebench(tmp_path: Path) -> None:
    entries = [
        {"video": "a.mp4", "caption": "A dog runs.", "events": ["A dog runs."], "objects": ["There is a dog."]},
        {"video": "b.mp4", "caption": "A cat."},
    ]
    (first, second), found = imported("carebench", write(tmp_path / "c.json", json.dumps(entries)))
    assert first.objects == ("There is a dog.",) and first.source == "carebench"
    assert second.events is None and second.objects is None
    assert sum(found.counts.values()) == 2
    with pytest.raises(InputError, match=r"entry 1: no field for the caption.*the entry has video"):
        imported("carebench", write(tmp_path / "d.json", json.dumps([{"video": "a"}])))


@pytest.mark.parametrize(
    ("name", "file", "samples"), [("dream-1k", "DREAM-1k.jsonl", 1000), ("vdc", "vdc_background_part.jsonl", 40)]
)
def test_the_real_files(tmp_path: Path, name: str, file: str, samples: int) -> None:
    if not (ANNOTATIONS / file).exists():
        pytest.skip("the shared annotations are not here")
    rows, found = imported(name, ANNOTATIONS / file, folder=tmp_path)
    assert len(rows) == samples and not found.refused
    if name == "dream-1k":
        assert sum(len(row.events) for row in rows) == 6298
        assert {row.meta["type"] for row in rows} == {
            "movie_animation", "movie_live_action", "vertical_video", "videvo", "youtube"
        }  # fmt: skip
        assert sum(count for text, count in found.counts.items() if "without an event" in text) == 4
    else:
        assert sum(len(row.questions) for row in rows) == 747
