"""Protocols as data: they load, ask, read and average; the command prints them beside our own reading."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.protocols import AGGREGATES, READERS, load_protocol, protocols
from reeltune.protocols.beside import protocol_of
from reeltune.tasks import get_task
from reeltune.video.encode import write_video

ALL = [(benchmark, name) for benchmark, names in protocols().items() for name in names]


def choice(name: str, target: str, **meta: Any) -> dict[str, Any]:
    row = {"id": name, "task": "multiple_choice", "video": f"{name}.mp4", "question": "Which {options}?"}
    return row | {"options": ["a dog", "a cat", "a cow"], "target": target, "source": "mvbench", "meta": meta}


@pytest.mark.parametrize(("benchmark", "name"), ALL)
def test_every_protocol_names_its_source_and_what_exists(benchmark: str, name: str) -> None:
    found = load_protocol(benchmark, name)
    assert (
        found.source and AGGREGATES.get(found.aggregate) and all(READERS.get(each) for each in found.readers.values())
    )
    assert not found.templates or (len(found.instruction_sha256) == 64 and found.instruction_at)


def test_a_benchmark_has_more_than_one() -> None:
    assert {"lmms-eval", "vlmevalkit"} <= set(protocols()["mvbench"])
    assert {"lmms-eval", "videochat-r1"} <= set(protocols()["charades-sta"])


def test_the_published_words_come_from_a_file_with_the_right_digest(tmp_path: Path, monkeypatch: Any) -> None:
    sample = get_task("multiple_choice").sample_type(**choice("q", "B"))
    ours = load_protocol("mvbench", "lmms-eval")
    assert not ours.is_whole and ours.prompt(sample) == get_task("multiple_choice").prompt(sample, "direct")
    (tmp_path / "mvbench").mkdir()
    file = tmp_path / "mvbench" / "lmms-eval.txt"
    file.write_text("Say a letter.\n")
    with pytest.raises(InputError, match="not the published instruction of lmms-eval"):
        load_protocol("mvbench", "lmms-eval", tmp_path)
    from reeltune import protocols as module

    digest = load_protocol("mvbench", "lmms-eval").instruction_sha256
    real = hashlib.sha256

    class Same:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def hexdigest(self) -> str:
            return digest if self.data == b"Say a letter." else real(self.data).hexdigest()

    monkeypatch.setattr(module.hashlib, "sha256", Same)
    found = load_protocol("mvbench", "lmms-eval", tmp_path)
    text = "Question:Which {options}?\nOption:\n(A) a dog\n(B) a cat\n(C) a cow\nSay a letter.\n"
    assert found.is_whole and found.prompt(sample) == text, "a question that looks like a field stays what it is"


def test_samples_say_whose_protocol_it_is() -> None:
    samples = [get_task("multiple_choice").sample_type(**choice("q", "B"))]
    assert protocol_of(samples, "lmms-eval").benchmark == "mvbench"
    for source, benchmark in (
        ("timelens-charades", "timelens"),
        ("charades_sta", "charades-sta"),
        ("videomme", "video-mme"),
    ):
        assert protocol_of([samples[0].model_copy(update={"source": source})], "lmms-eval").benchmark == benchmark
    assert protocol_of([], "vsibench/lmms-eval").benchmark == "vsibench"
    for name, source, part in (
        ("lmms-evil", "mvbench", "vlmevalkit"),
        ("lmms-eval", "mine", "not name a single benchmark"),
    ):
        with pytest.raises(InputError, match=part):
            protocol_of([samples[0].model_copy(update={"source": source})], name)


def test_an_empty_answer_leaves_the_denominator_only_where_it_does_there() -> None:
    kind = get_task("multiple_choice").sample_type
    samples = [kind(**choice(name, "A", type=name)) for name in "abc"]
    found = load_protocol("mvbench", "lmms-eval").score(samples, ["A", "B", None])
    assert found["score"] == 50 and found["mean_over_types"] == 50
    assert load_protocol("mvbench", "vlmevalkit").score(samples, ["(A) a", "B", "B"])["score"] == pytest.approx(100 / 3)


def test_vsibench_averages_over_kinds() -> None:
    kind = get_task("numeric").sample_type
    rows = [("object_counting", 4.0, "4"), ("object_counting", 4.0, "2"), ("room_size_estimation", 10.0, "10 meters")]
    samples = [
        kind(
            id=str(n),
            task="numeric",
            video="a.mp4",
            question="?",
            target=target,
            source="vsibench",
            meta={"type": name},
        )
        for n, (name, target, _) in enumerate(rows)
    ]
    found = load_protocol("vsibench", "lmms-eval").score(samples, [text for *_, text in rows])
    assert found["type.object_counting"] == pytest.approx((100 + 10) / 2)
    assert found["score"] == pytest.approx(((100 + 10) / 2 + 100) / 2)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_score_prints_both_readings_and_what_differs(tmp_path: Path, capsys: Any) -> None:
    samples = write(tmp_path / "s.jsonl", [choice("q1", "A"), choice("q2", "B"), choice("q3", "C")])
    said = {"q1": "a dog is no option", "q2": "<answer>B</answer>", "q3": "the answer is C"}
    predictions = write(tmp_path / "p.jsonl", [{"id": name, "text": text} for name, text in said.items()])
    out = tmp_path / "scores.json"
    words = ["score", str(samples), str(predictions), "--json", str(out), "--resamples", "0", "--protocol", "lmms-eval"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "mvbench, protocol lmms-eval (lmms-eval 75571cfe" in told and "it credits 1 answer(s) more" in told
    assert "q1" in told and "in our words" in told
    found = json.loads(out.read_text())["protocol"]
    assert found["numbers"]["score"] == 100 and found["more"] == 1 and found["their_words"] is False


def test_eval_by_the_name_of_a_benchmark(tmp_path: Path, tiny_models: Any, capsys: Any) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    for name in "ab":
        write_video(tmp_path / "videos" / f"{name}.mp4", frames, 2.0)
    entries = [{"video": f"{n}.mp4", "question": "What?", "candidates": ["x", "y"], "answer": "y"} for n in "ab"]
    (tmp_path / "moving_count.json").write_text(json.dumps(entries))
    model, out = str(tiny_models("qwen3_vl")), str(tmp_path / "out")
    small = ["video.min_frame_pixels=4096", "video.max_frame_pixels=4096"]
    where = ["--annotations", str(tmp_path / "moving_count.json"), "--videos", str(tmp_path / "videos")]
    assert main(["eval", model, "mvbench", "-o", out, "--protocol", "lmms-eval", *where, *small]) == 0
    assert "mvbench, protocol lmms-eval" in capsys.readouterr().out
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert set(scores["protocol"]["numbers"]) >= {"score"} and scores["multiple_choice"]["n"] == 2
    identity = json.loads((tmp_path / "out" / "identity.json").read_text())
    assert identity["max_new_tokens"] == 16 and identity["protocol"].startswith("mvbench/lmms-eval, ")
    assert len((tmp_path / "out" / "per_sample.jsonl").read_text().splitlines()) == 2
    assert main(["eval", model, "mvbench", "-o", out, *small]) == 2
    assert "--annotations" in capsys.readouterr().err


def test_r1_is_of_the_first_span_with_the_best_true_one() -> None:
    from reeltune.tasks import sample_types

    row = {"id": "q", "task": "temporal_grounding", "video": "a.mp4", "query": "x", "source": "qvhighlights"}
    sample = sample_types()["temporal_grounding"].model_validate(row | {"target": [[0, 4], [10, 20]]})
    protocol = load_protocol("qvhighlights", "moment-detr")
    assert protocol.credit(sample, "<answer>[[12, 20], [0, 4]]</answer>") == 0.8
    assert protocol.credit(sample, "<answer>nothing</answer>") == 0
    found = protocol.score([sample, sample], ["12 to 20", "30 to 40"])
    assert (found["miou"], found["r@0.7"]) == (40, 50)
