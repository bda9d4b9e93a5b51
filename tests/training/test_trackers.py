"""Every tracker by its own client, offline, read back by its own reader: metrics, groups as a table, videos."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.training.journal import Journal
from reeltune.training.trackers import VIDEO_BYTES, check_trackers, open_trackers, shown_videos, table_of
from reeltune.video.encode import write_video

GROUP = {
    "id": "a", "task": "t", "texts": ["one | two\nthree", "four"], "reward": [1.0, 0.0], "advantage": [0.5, -0.5],
    "components": {"iou": [0.75, None]},
}  # fmt: skip
COLUMNS = ["video", "id", "completion", "reward", "advantage", "iou"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "clip.mp4", np.zeros((4, 32, 32, 3), dtype=np.uint8), 2.0)
    return tmp_path / "clip.mp4"


def write(name: str, run: Path, video: Path) -> None:
    """Two steps, the second with a group, and after a kill the second again."""
    run.mkdir()
    for resumed, steps in ((False, (1, 2)), (True, (2, 3))):
        trackers = open_trackers([name], run, {"rl": {"steps": 3}}, resumed=resumed)
        journal = Journal(
            run, resume_step=1 if resumed else None, trackers=trackers, groups_every=2, videos={"a": video}
        )
        for step in steps:
            journal.metrics(step, {"loss": step / 4, "eval/x/r@0.5": 50.0, "kl": None})
            journal.rollouts(step, [GROUP])
        journal.close()


def test_tensorboard(tmp_path: Path, video: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write("tensorboard", tmp_path / "run", video)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert {(each.step, each.value) for each in events.Scalars("loss")} == {(1, 0.25), (2, 0.5), (3, 0.75)}
    text = events.Tensors("groups/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "|one \\| two three|1|0.5|0.75" in text and "clip.mp4" in text


def test_wandb_offline(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install '.[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    write("wandb", tmp_path / "run", video)
    first, second = sorted((tmp_path / "run" / "wandb").glob("offline-run-*"))
    [own] = {path.name.split("-", 1)[1] for folder in (first, second) for path in folder.glob("run-*.wandb")}
    assert own == json.loads((tmp_path / "run" / "trackers.json").read_text())["id"] + ".wandb", "one run, resumed"
    wandb.teardown()  # returns when wandb's own process, which writes the files, has ended
    rows = [row for folder in (first, second) for row in history(next(folder.glob("run-*.wandb")))]
    losses = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    assert losses == [(1, 0.25), (2, 0.5), (2, 0.5), (3, 0.75)]
    [table] = list((first / "files" / "media" / "table").glob("groups*.json"))
    read = json.loads(table.read_text())
    assert read["columns"] == COLUMNS and read["data"][0][1:] == ["a", "one | two\nthree", 1.0, 0.5, 0.75]
    copies = list((first / "files" / "media").rglob("*.mp4"))
    assert copies and copies[0].read_bytes() == video.read_bytes()


def history(path: Path) -> Iterator[dict[str, Any]]:
    from wandb.proto.wandb_internal_pb2 import Record

    for data in records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def records(data: bytes) -> Iterator[bytes]:
    """Of a LevelDB log, as wandb keeps it: blocks of 32 KiB, in them pieces with checksum, length and kind before."""
    place, whole = 7, b""
    while place < len(data):
        if (left := 2**15 - place % 2**15) < 7:
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # all of it, or its last piece
            yield whole
            whole = b""


def test_mlflow_in_a_file(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install '.[mlflow]'")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    write("mlflow", tmp_path / "run", video)
    [run] = mlflow.search_runs(experiment_names=["reeltune"], output_format="list")
    points = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert {(each.step, each.value) for each in points} == {(1, 0.25), (2, 0.5), (3, 0.75)}
    assert run.data.metrics["eval/x/r_0.5"] == 50.0
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/groups/step-000002.json")
    assert table["completion"] == ["one | two\nthree", "four"] and table["iou"] == [0.75, None]
    got = mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/{table['video'][0]}")
    assert Path(got).read_bytes() == video.read_bytes()


def test_trackio_on_this_machine(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason="trackio is not installed: pip install '.[trackio]'")
    from trackio.sqlite_storage import SQLiteStorage

    write("trackio", tmp_path / "run", video)
    [name] = SQLiteStorage.get_runs("reeltune")
    rows = SQLiteStorage.get_logs("reeltune", name)
    assert {(row["step"], row["loss"]) for row in rows if "loss" in row} == {(1, 0.25), (2, 0.5), (3, 0.75)}
    assert any("groups" in row for row in rows)
    assert [path.read_bytes() for path in (tmp_path / "trackio").rglob("*.mp4")][:1] == [video.read_bytes()]


def test_a_missing_tracker_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(InputError, match=r"run.trackers: trackio is not installed"):
        check_trackers(["trackio"])


def test_groups_as_a_table(video: Path, tmp_path: Path) -> None:
    columns, rows = table_of([GROUP] * 6, {"a": video})
    assert columns == COLUMNS and len(rows) == 8, "of four groups"
    assert rows[1] == [video, "a", "four", 0.0, -0.5, None]
    assert table_of([GROUP], {})[1][0][0] is None

    class Sample:
        def __init__(self, name: str) -> None:
            self.id, self.folder = name, tmp_path
            self.all_media = [self]
            self.kind = "video"

        def files(self, folder: Path) -> list[Path]:
            return [folder / self.id]

    (tmp_path / "large.mp4").write_bytes(bytes(VIDEO_BYTES + 1))
    (tmp_path / "old.avi").write_bytes(b"avi")
    named: Any = [Sample(name) for name in ("clip.mp4", "large.mp4", "old.avi", "gone.mp4")]
    assert shown_videos(named) == {"clip.mp4": video}
