"""Each reader on a small file of its form, written here; the real files are in test_real_annotations.py."""

from pathlib import Path

import pytest
from tests.data.formats.annotations import dump, imported, table

from reeltune.data.formats import formats, get_benchmark
from reeltune.data.formats.got10k import even_indices
from reeltune.errors import InputError
from reeltune.tasks import load_samples


@pytest.mark.parametrize("name", formats())
def test_every_reader_states_what_it_reads(name: str) -> None:
    benchmark = get_benchmark(name)
    for text in (benchmark.source, benchmark.splits, benchmark.metric, benchmark.license, benchmark.defects):
        assert text.strip()
    docs = (Path(__file__).parents[3] / "docs/data.md").read_text()
    assert f"| `{name}` |" in docs


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'charades-sta'"):
        get_benchmark("charades_sta")


@pytest.mark.parametrize("name", ["charades-sta", "activitynet-captions"])
def test_grounding_json(tmp_path: Path, name: str) -> None:
    entry = {"duration": 20.5, "timestamps": [[1, 5], [9, 3], [15, 21.5]], "sentences": [" a dog. ", "b", "c"]}
    (first, last), found = imported(name, dump(tmp_path, {"v1": entry}))
    assert (first.id, first.query, first.target, first.video) == ("v1_0", "a dog.", ((1, 5),), "../videos/v1.mp4")
    assert last.id == "v1_2" and last.target == ((15, 21.5),) and last.meta == {"past_duration": True}
    assert found.counts == {
        "reversed spans: dropped": 1,
        "samples without a usable span: dropped": 1,
        "spans that end after the video: kept and declared in meta.past_duration": 1,
    }
    assert (found.videos, found.missing) == (1, 1)


def test_charades_text(tmp_path: Path) -> None:
    text = dump(tmp_path, "AB12 1.0 5.5##a person sits.\nAB12 0.0 9.0##a dog.\nCD34 2 3##x\n", "test.txt")
    lengths = table(tmp_path, [{"id": "AB12", "length": "30.5", "x": 1}], "Charades_v1_test.csv")
    samples, found = imported("charades-sta", text)
    assert [(s.id, s.duration, s.target) for s in samples] == [
        ("AB12_0", 30.5, ((1, 5.5),)),
        ("AB12_1", 30.5, ((0, 9),)),
        ("CD34_0", 3, ((2, 3),)),
    ]
    assert samples[2].meta == {"duration": "unknown: latest annotated end"}
    assert sum(found.counts.values()) == 1
    elsewhere = dump(tmp_path / "other", text.read_text(), "test.txt")
    assert imported("charades-sta", elsewhere, lengths)[0][0].duration == 30.5
    with pytest.raises(InputError, match="line 1: expected VIDEO START END##SENTENCE"):
        imported("charades-sta", dump(tmp_path, "AB12 one 5.5##x\n", "bad.txt"))


def test_activitynet_rtl(tmp_path: Path) -> None:
    test = [{"question_id": "q1", "vid": "abc", "question": "When?", "answer": "<1.5> <10> He jumps.", "duration": 30}]
    ((sample,), _) = imported("activitynet-rtl", dump(tmp_path, test))
    assert (sample.id, sample.target, sample.query) == ("q1", ((1.5, 10),), "When?")
    assert sample.video == "../videos/v_abc.mp4" and sample.meta == {"explanation": "He jumps."}
    train = {"v_abc": {"duration": 30, "QA": [{"q": "When?", "a": "From <2> <3>."}]}}
    ((sample,), _) = imported("activitynet-rtl", dump(tmp_path, train))
    assert sample.id == "v_abc_0" and sample.target == ((2, 3),)
    with pytest.raises(InputError, match="entry 1, field 'answer'"):
        imported("activitynet-rtl", dump(tmp_path, [{**test[0], "answer": "never"}]))


def test_nextgqa_json(tmp_path: Path) -> None:
    entry = {
        "id": "1_2",
        "video": "11/1.mp4",
        "question": "why",
        "options": ["(A) x", "(B) y"],
        "duration": 30,
        "glue": [[1, 2], [4, 30.5]],
        "type": "CW",
        "answer": "(B)",
    }
    ((sample,), _) = imported("nextgqa", dump(tmp_path, [entry]))
    assert (sample.options, sample.target, sample.evidence) == (("x", "y"), "B", ((1, 2), (4, 30.5)))
    assert sample.meta == {"type": "CW", "past_duration": True} and sample.video == "../videos/11/1.mp4"


def test_nextgqa_official(tmp_path: Path) -> None:
    row = {"video_id": "1", "question": "why", "answer": "z", "qid": "2", "type": "CW"}
    row |= {f"a{i}": text for i, text in enumerate("vwxyz")}
    questions = table(tmp_path, [row, {**row, "qid": "3"}, {**row, "qid": "4", "answer": "1"}], "val.csv")
    with pytest.raises(InputError, match="give the grounding file too"):
        imported("nextgqa", questions)
    spans = {"1": {"duration": 30, "location": {"2": [[1, 2]], "4": [[3, 4], [6, 8]]}, "fps": 25}}
    dump(tmp_path, spans, "gsub_val.json")
    dump(tmp_path, {"1": "11/1"}, "map_vid_vidorID.json")
    samples, found = imported("nextgqa", questions)
    assert [(s.id, s.target, s.evidence) for s in samples] == [
        ("1_2", "E", ((1, 2),)),
        ("1_4", "B", ((3, 4), (6, 8))),
    ]
    assert samples[0].video == "../videos/11/1.mp4"
    assert found.counts == {"questions without an annotated span: left out": 1}


BOX = [0.1, 0.1, 0.3, 0.3]


def test_got10k_json(tmp_path: Path) -> None:
    path = dump(tmp_path, [{"path": "GOT-10k/val/X_1", "object": "sloth", "gt": [BOX] * 8}])
    ((sample,), found) = imported("got10k", path)
    assert (sample.id, sample.object, sample.start_box, len(sample.target)) == ("X_1", "sloth", tuple(BOX), 8)
    assert sample.times == tuple(range(8)) and sample.meta["times"].startswith("unknown")
    assert sum(found.counts.values()) == 1
    frames = tmp_path / "videos/GOT-10k/val/X_1"
    frames.mkdir(parents=True)
    for index in range(71):
        (frames / f"{index:08d}.jpg").touch()
    ((sample,), found) = imported("got10k", path)
    assert sample.times == tuple(float(i) for i in range(8)) and not sample.meta and not found.counts
    assert found.missing == 0


def test_got10k_folders(tmp_path: Path) -> None:
    folder = tmp_path / "val/GOT-10k_Val_000001"
    dump(folder, "".join(f"{10 + i},20,30,40\n" for i in range(15)), "groundtruth.txt")
    dump(folder, "[METAINFO]\nobject_class: toad\nresolution: (200, 100)\n", "meta_info.ini")
    dump(tmp_path / "val/GOT-10k_Val_000002", "1,1,2,2\n", "groundtruth.txt")
    dump(tmp_path / "val/GOT-10k_Val_000002", "[METAINFO]\nresolution: (200, 100)\n", "meta_info.ini")
    ((sample,), found) = imported("got10k", tmp_path / "val")
    assert sample.object == "toad" and sample.start_box == pytest.approx((0.05, 0.2, 0.2, 0.6))
    assert sample.times == (0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4)
    assert sample.target[-1] == pytest.approx((24 / 200, 0.2, 54 / 200, 0.6))
    assert found.counts == {"sequences with fewer than 8 boxes: left out": 1}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no groundtruth\.txt"):
        imported("got10k", tmp_path / "empty")


def test_even_indices() -> None:
    assert even_indices(8, 8) == list(range(8))
    assert even_indices(100, 8)[0] == 0 and even_indices(100, 8)[-1] == 99


def test_boxes_past_the_picture_are_cut(tmp_path: Path) -> None:
    boxes = [[-0.1, 0.1, 0.3, 1.2]] * 8
    ((sample,), found) = imported("got10k", dump(tmp_path, [{"path": "x", "object": "y", "gt": boxes}]))
    assert sample.target[0] == (0, 0.1, 0.3, 1) and found.counts["boxes that extend beyond the frame: clipped"] == 9


def test_video_quality(tmp_path: Path) -> None:
    instruction = "How is it? Choice one answer from ['low quality', 'high quality']."
    path = dump(tmp_path, [{"video": "1.mp4", "instruction": instruction, "answer": "low quality"}])
    ((sample,), _) = imported("video-quality", path)
    assert (sample.id, sample.question, sample.target) == ("1", "How is it?", "low quality")
    assert sample.labels == ("low quality", "high quality")
    with pytest.raises(InputError, match="no list of labels"):
        imported("video-quality", dump(tmp_path, [{"video": "1.mp4", "instruction": "How?", "answer": "x"}]))


@pytest.mark.parametrize("name", formats())
@pytest.mark.parametrize("text", ["{", "[]", "{}", '[{"x": 1}]', "3"])
def test_a_file_of_another_form_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    path = dump(tmp_path, text, "annotations.json")
    with pytest.raises(InputError, match=r"annotations\.json"):
        imported(name, path)
    assert not (tmp_path / "out").exists()


def test_the_table_has_every_reader_of_the_package() -> None:
    import reeltune.data.formats as package

    files = {path.stem for path in Path(package.__file__).parent.glob("*.py") if path.stem[0] != "_"}
    assert {name.replace("-", "_") for name in formats()} == files


def test_a_reader_of_ones_own(tmp_path: Path) -> None:
    from reeltune.cli import main

    (tmp_path / "mine.py").write_text(
        "from reeltune.data.formats import Benchmark, read_json\n\n"
        "def read(annotations):\n"
        "    for row in read_json(annotations.file):\n"
        "        yield {'id': str(row['n']), 'task': 'instruction', 'video': row['clip'], 'instruction': 'Say.',\n"
        "               'response': row['said']}\n\n"
        "BENCHMARK = Benchmark('instruction', 'here', 'one', 'accuracy', 'ours', 'none', read)\n"
        "other = 3\n"
    )
    (tmp_path / "a.json").write_text('[{"n": 1, "clip": "a.mp4", "said": "yes"}]')
    (tmp_path / "a.mp4").write_bytes(b"")
    output = tmp_path / "out.jsonl"
    arguments = [str(tmp_path / "a.json"), "--videos", str(tmp_path), "-o", str(output)]
    assert main(["data", "import", str(tmp_path / "mine.py"), *arguments]) == 0
    (sample,) = load_samples(output)
    assert sample.task == "instruction" and sample.id == "1"
    with pytest.raises(InputError, match=r"must be a .*Benchmark; got int"):
        get_benchmark(f"{tmp_path / 'mine.py'}:other")
