"""The demo in small: every stage for real on a handful of samples, for both editions of toyworld."""

import json
from pathlib import Path

import pytest

from reeltune.cli import main
from reeltune.commands.demo import row
from reeltune.explorer.sources import open_sources
from reeltune.tasks import load_samples

SMALL = (
    "rl.steps=1", "sft.steps=1", "eval.every=0", "checkpoint.every=0", "rl.groups_per_step=2", "rl.group_size=2",
    "sft.samples_per_step=2", "rl.max_new_tokens=8", "eval.max_new_tokens=8", "toyworld.train_videos=4",
    "toyworld.held_out_videos=2",
)  # fmt: skip
KEYS = {
    "miou", "r@0.3", "r@0.5", "r@0.7", "mean_overlap", "success@0.5", "unparsed", "multiple_choice_accuracy",
    "retained", "seconds",
}  # fmt: skip


@pytest.mark.parametrize("edition", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_all_rows_and_keys(edition: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first edition is slow: the same way with one task less, a minute. The second is the default."""
    model = ["model.path=toyworld:new"] if edition == 2 else ["toyworld.edition=1"]
    assert main(["demo", "--dir", str(tmp_path / "demo"), *SMALL, *model]) == 0
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    trivial = ["whole_video", "best_fixed_span", *(["repeat_start_box"] if edition == 2 else [])]
    assert list(results) == ["base", "sft", "grpo", *trivial]
    assert all(set(values) == KEYS for values in results.values())
    assert (results["base"]["mean_overlap"] is None) == (edition == 1)
    assert all(results[name]["retained"] is not None and results[name]["seconds"] > 0 for name in ("base", "grpo"))
    if edition == 2:
        kept = json.loads((tmp_path / "demo" / "demo.json").read_text())["kept"]
        assert all(results[name]["retained"] == pytest.approx(sum(kept[name].values()) / 5) for name in kept)
        page = (tmp_path / "demo" / "report.html").read_text()
        assert "task by task" in page
        assert "2 of 2 held-out tracks" in page and page.count("<title>truth</title>") == sum(
            len(sample.times)
            for sample in load_samples(Path(json.loads((tmp_path / "demo" / "demo.json").read_text())["tracked"]))
        )
        assert results["repeat_start_box"]["mean_overlap"] > 0 and results["repeat_start_box"]["miou"] is None
    assert (tmp_path / "demo" / "report.html").exists()
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"reeltune explore {tmp_path / 'demo'}")
    assert {"run", "evaluation"} <= {source.kind for source in open_sources([tmp_path / "demo"])}


def test_retained_is_the_mean_of_what_was_not_trained() -> None:
    metrics = {
        "temporal_grounding": {"miou": 50.0, "r@0.3": 1.0, "r@0.5": 2.0, "r@0.7": 3.0, "unparsed": 10.0},
        "object_tracking": {"mean_overlap": 40.0, "success@0.5": 4.0, "unparsed": 30.0},
        "multiple_choice": {"accuracy": 60.0, "unparsed": 0.0},
        "captioning": {"autodq.f1": 20.0, "unparsed": 90.0},
    }
    found = row(metrics, {"multiple_choice": "accuracy", "captioning": "autodq.f1"})
    assert found["retained"] == 40.0 and found["unparsed"] == 20.0 and found["mean_overlap"] == 40.0


def test_a_demo_of_another_edition_is_not_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one of an older version would be: its answers are to other videos."""
    (tmp_path / "identity.json").write_text(json.dumps({"seed": 0, "overrides": []}))
    assert main(["demo", "--dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "holds a demo of {'seed': 0, 'overrides': []}" in said and "'edition': 2" in said
    assert [path.name for path in tmp_path.iterdir() if path.name != "lock"] == ["identity.json"]
