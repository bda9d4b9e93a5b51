import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.warm import reeltune

from reeltune.data.findings import check_samples
from reeltune.data.fix import changes_path, fix_samples
from reeltune.data.overview import overview_svg, overview_text
from reeltune.errors import InputError
from reeltune.tasks import load_samples

GOOD = {"id": "a", "task": "temporal_grounding", "video": "a.mp4", "query": "x", "duration": 2, "target": [[0, 1]]}
BARE = {"id": "i", "task": "instruction", "video": "a.mp4", "instruction": "x", "response": "<think>"}
CHOICE = {"id": "c", "task": "multiple_choice", "video": "a.mp4", "question": "?", "options": ["x", "y"], "target": "A"}


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def clip(path: Path, seconds: float = 2, seed: int = 0) -> Path:
    from reeltune.video.encode import write_video

    frames = np.random.default_rng(seed).integers(0, 255, (round(seconds * 5), 32, 32, 3), dtype=np.uint8)
    write_video(path, frames, 5.0)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    return tmp_path


def test_a_good_file_has_nothing_to_say(folder: Path) -> None:
    report = check_samples(write(folder / "s.jsonl", GOOD, CHOICE))
    assert not report.errors and not report.warnings
    assert "no errors, no warnings" in report.text()


@pytest.mark.parametrize(
    ("row", "kind", "part"),
    [
        (GOOD | {"id": "b", "target": [[1, 0]]}, "invalid samples", "'target[0]'"),
        (GOOD | {"id": "b", "target": [[0, 9]]}, "invalid samples", "after the video"),
        (GOOD | {"id": "b", "target": [[0, 9]], "meta": {"past_duration": True}}, "after the video", "[0, 9] of 2 s"),
        (GOOD | {"query": "y"}, "ids used twice", "already used in line 1"),
        (CHOICE | {"target": "C"}, "invalid samples", "A, B"),
        (GOOD | {"id": "b", "query": "y", "video": "none.mp4"}, "missing", "none.mp4"),
        (BARE, "full reward", "id 'i'"),
    ],
)
def test_errors_are_named(folder: Path, row: dict, kind: str, part: str) -> None:
    report = check_samples(write(folder / "s.jsonl", GOOD, row))
    (found,) = report.errors
    assert kind in found and part in report.errors[found][0]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (GOOD | {"id": "b"}, "questions repeat"),
        (GOOD | {"id": "b", "target": [[1, 2]]}, "different answers"),
        (CHOICE | {"options": ["x", "X."]}, "options repeat"),
        (CHOICE | {"meta": {"duration": "unknown: x"}}, "not available at import"),
    ],
)
def test_warnings_are_named(folder: Path, row: dict, kind: str) -> None:
    report = check_samples(write(folder / "s.jsonl", GOOD, row))
    assert not report.errors
    (found,) = report.warnings
    assert kind in found


def test_leaks_by_path_and_by_content(tmp_path: Path) -> None:
    for name, text in {"a.mp4": "1", "b.mp4": "2", "c.mp4": "3", "x/copy.mp4": "2", "x/other.mp4": "4"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    own = write(tmp_path / "s.jsonl", *(GOOD | {"id": name, "video": f"{name}.mp4"} for name in "abc"))
    rows = [GOOD | {"id": str(i), "video": v} for i, v in enumerate(["../a.mp4", "copy.mp4", "other.mp4"])]
    other = write(tmp_path / "x/s.jsonl", *rows)
    (leaks,) = check_samples(own, against=other).errors.values()
    assert len(leaks) == 2 and "a.mp4 (id 'a')" in leaks[0] and "has the content of" in leaks[1]


def test_decoding_compares_durations(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no video")
    rows = [
        GOOD,
        GOOD | {"id": "long", "query": "y", "duration": 5, "target": [[0, 4]]},
        GOOD | {"id": "broken", "video": "b.mp4"},
    ]
    report = check_samples(write(tmp_path / "s.jsonl", *rows), decode=True)
    assert [len(places) for places in report.errors.values()] == [1, 1]
    text = report.text()
    assert "videos cannot be decoded" in text and "b.mp4" in text
    assert "id 'long': 5 s stated, 2 s in a.mp4" in text and "id 'long': 4 s, the file ends at 2 s" in text


def test_the_fixed_file_keeps_the_contract_and_every_change_is_listed(folder: Path) -> None:
    rows = [
        GOOD,
        GOOD,
        GOOD | {"query": "z"},
        GOOD | {"id": "b", "target": [[1, 9], [1, 0]]},
        GOOD | {"id": "c", "target": [[1, 0]]},
        CHOICE | {"id": "d", "target": "(b)"},
        CHOICE | {"id": "e", "target": "C"},
        GOOD | {"id": "f", "task": "unknown"},
    ]
    source = write(folder / "s.jsonl", *rows)
    before = source.read_text()
    output = folder / "deep/fixed.jsonl"
    found = fix_samples(source, output)
    samples = load_samples(output)
    assert [sample.id for sample in samples] == ["a", "a-2", "b", "d"]
    assert samples[2].target == ((1, 2),) and samples[0].video == "../a.mp4"  # type: ignore[attr-defined]
    assert samples[0].video_path.resolve() == (folder / "a.mp4").resolve()
    assert (found.kept, found.dropped) == (4, 4) and source.read_text() == before
    changes = changes_path(output).read_text().splitlines()
    assert changes == found.changes
    assert [change.partition(",")[0] for change in changes] == [f"line {n}" for n in (2, 3, 4, 4, 5, 5, 6, 7, 8)]
    assert not check_samples(output).errors


def test_fixing_refuses_to_overwrite_and_to_write_nothing(folder: Path) -> None:
    source = write(folder / "s.jsonl", GOOD | {"target": [[1, 0]]})
    with pytest.raises(InputError, match="another file"):
        fix_samples(source, source)
    with pytest.raises(InputError, match="no row can be fixed"):
        fix_samples(source, folder / "out.jsonl")
    assert not (folder / "out.jsonl").exists()


def test_the_overview_counts_everything(folder: Path) -> None:
    rows = [GOOD, GOOD | {"id": "b", "duration": 4}, CHOICE, CHOICE | {"id": "d", "target": "B"}]
    samples = load_samples(write(folder / "s.jsonl", *rows))
    text = overview_text(samples)
    assert "temporal_grounding: 2 samples of 1 video" in text and "2 to 4, median 3" in text
    root = ElementTree.fromstring(overview_svg(samples))
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "A: 1" in titles and "B: 1" in titles and "20 to 30: 1" in titles and "50 to 60: 1" in titles


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reeltune", "data", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(folder: Path) -> None:
    source = write(folder / "s.jsonl", GOOD, GOOD | {"id": "b", "target": [[1, 0]]})
    done = run(source, "--plot", folder / "p.svg")
    assert done.returncode == 1, done.stderr
    assert "line 2, id 'b'" in done.stdout and "temporal_grounding: 1 sample" in done.stdout
    assert (folder / "p.svg").read_text().startswith("<svg")
    done = run(source, "--fix", folder / "fixed.jsonl")
    assert done.returncode == 0 and "1 dropped" in done.stdout, done.stderr
    assert run(folder / "fixed.jsonl").returncode == 0


def test_the_command_refuses_what_it_cannot_read(folder: Path) -> None:
    for path in (folder / "none.jsonl", write(folder / "empty.jsonl"), write(folder / "bad.jsonl", "{")):
        done = run(path)
        assert done.returncode == 2 and str(path) in done.stderr and "Traceback" not in done.stderr


def timed(path: Path, stamps: list[float]) -> Path:
    from reeltune.video.encode import write_video

    frames = np.random.default_rng(0).integers(0, 255, (len(stamps), 32, 32, 3), dtype=np.uint8)
    write_video(path, frames, timestamps=stamps)
    return path


def test_variable_rate_is_named(tmp_path: Path) -> None:
    even = [number / 10 for number in range(20)]
    timed(tmp_path / "even.mp4", even)
    timed(tmp_path / "odd.mp4", [*even[:10], *(time + 4 for time in even[10:])])
    samples = write(tmp_path / "s.jsonl", *(CHOICE | {"id": name, "video": f"{name}.mp4"} for name in ("even", "odd")))
    report = check_samples(samples, decode=True)
    assert not report.errors
    [(kind, [place])] = report.warnings.items()
    assert "video.sampling=time" in kind
    assert "odd.mp4: 0.100 to 4.100 s from frame to frame, usually 0.100 s" in place


def test_a_late_start_is_named_and_times_count_from_the_files_start(tmp_path: Path) -> None:
    from tests.video.test_times import late_video

    frames = np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)
    late_video(tmp_path / "a.mp4", frames, [number / 10 for number in range(20)], start=1.5, sound=5.0)
    row = GOOD | {"duration": 3.5, "target": [[2.0, 3.5]]}
    report = check_samples(write(tmp_path / "s.jsonl", row), decode=True)
    assert not report.errors, "the span ends where the late pictures end"
    [(kind, [place])] = report.warnings.items()
    assert kind.startswith("video streams start late") and "the first frame is shown at 1.500 s" in place


def test_texts_that_look_like_special_tokens_are_texts(folder: Path) -> None:
    rows = [GOOD | {"query": "the token <|video_pad|> appears"}, CHOICE | {"question": "<|im_end|>?"}]
    assert not check_samples(write(folder / "s.jsonl", *rows)).errors


def test_prompts_are_counted_as_the_model_reads_them(tiny_models, tmp_path: Path) -> None:
    """The count, made without weights and without decoding, is that of the reader that trains."""
    from reeltune.config.recipe import VideoConfig
    from reeltune.models.policy import load_policy
    from reeltune.rollout.prompts import PromptCheck
    from reeltune.rollout.reader import InputReader

    clip(tmp_path / "a.mp4", seconds=3)
    [sample] = load_samples(write(tmp_path / "s.jsonl", GOOD))
    video = VideoConfig(min_frame_pixels=28 * 28, max_frame_pixels=56 * 56)
    for family in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"):
        model = tiny_models(family)
        reader = InputReader(load_policy(model), video, cache=tmp_path / "cache", mode="think", system="Be brief.")
        weightless = tmp_path / family
        weightless.mkdir()
        for file in model.iterdir():
            if file.suffix != ".safetensors":
                (weightless / file.name).write_bytes(file.read_bytes())
        check = PromptCheck(weightless, video, mode="think", system="Be brief.")
        assert check.limit == 4096
        assert check.length(sample) == len(reader.prompt(sample)) > 20


def test_prompts_longer_than_the_model_are_named(tiny_models, tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4")
    rows = [GOOD, GOOD | {"id": "long", "query": "x y " * 5000}, GOOD | {"id": "token", "query": "<|vision_pad|>"}]
    samples = write(tmp_path / "s.jsonl", *rows)
    model = ["--model", str(tiny_models("qwen2_5_vl")), "video.max_frames=4", "video.max_frame_pixels=20000"]
    done = reeltune("data", "check", samples, *model)
    assert done.returncode == 1
    assert "error: prompts that are too long for the model: 1" in done.stdout
    assert "id 'long': its prompt has" in done.stdout and "the model supports 4096" in done.stdout
    assert "id 'token'" not in done.stdout, "what looks like a special token is text"
    for wrong, message in [(["video.fps=1"], "only with --model"), (["--model", "nowhere"], "config.json")]:
        done = reeltune("data", "check", samples, *wrong)
        assert done.returncode == 2 and message in done.stderr


def test_fix_repairs_types_and_drops_what_cannot_be_used(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no video")
    rows = [
        GOOD | {"id": 7, "target": [0, "1.5 s"]},
        GOOD | {"id": "clock", "query": "y", "target": "0:00.5 to 0:01"},
        GOOD | {"id": "text", "query": "z", "duration": "2.0", "note": "mine"},
        CHOICE | {"id": "option", "target": "Y."},
        CHOICE | {"id": None, "question": "?!"},
        {"id": "n", "task": "numeric", "video": "a.mp4", "question": "How many?", "target": "3"},
        GOOD | {"id": "undecodable", "video": "b.mp4"},
        GOOD | {"id": "missing", "video": "c.mp4"},
        "{",
    ]
    source, output = write(tmp_path / "s.jsonl", *rows), tmp_path / "fixed.jsonl"
    done = run(source, "--fix", output, "--decode", "--json", "-")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["clean"] and found["rows"] == 9, done.stderr
    assert (found["fixed"]["kept"], found["fixed"]["dropped"]) == (6, 3)
    changes = found["fixed"]["changes"]
    for kind in ("its video cannot be decoded", "its video is missing", "not a JSON object: dropped", "no id"):
        assert sum(count for text, count in changes.items() if text.startswith(kind)) == 1, changes
    samples: list[Any] = list(load_samples(output))
    assert [s.id for s in samples] == ["7", "clock", "text", "option", "row 5", "n"]
    assert [s.target for s in samples] == [((0, 1.5),), ((0.5, 1),), ((0, 1),), "B", "A", 3.0]
    assert (
        samples[2].meta["note"] == "mine"
        and set(samples[2].meta) == {"note", "media_digests"}
        and samples[2].duration == 2
    )
    # What is left is clean also by the command's exit code; what cannot be repaired keeps it from being so.
    assert run(output, "--decode").returncode == 0
    assert run(output, "--fix", tmp_path / "u.jsonl", "--against", output).returncode == 1
