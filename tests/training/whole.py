"""Whether a run says everything by itself."""

import json
from pathlib import Path

from reeltune.provenance import sampled_bytes


def require_whole(run: Path) -> None:
    """What the pages need stands in the run: its samples, what their media are, what was seen and could be read."""
    rows = [json.loads(line) for line in (run / "samples" / "train.jsonl").read_text().splitlines()]
    media = [json.loads(line) for line in (run / "samples" / "media.jsonl").read_text().splitlines()]
    assert len(rows) == 8 and {row["video"] for row in rows} == {each["media"] for each in media}
    for each in media:
        file = run / "samples" / each["media"]
        assert not Path(each["media"]).is_absolute()
        assert file.stat().st_size == each["bytes"] and sampled_bytes(file) == each["digest"]
    for line in (run / "rollouts" / "step-000001.jsonl").read_text().splitlines():
        group = json.loads(line)
        assert len(group["tokens"]) == len(group["unparsed"]) == len(group["texts"])
        assert len(group["frames"]) == 1 and group["frames"][0] == sorted(group["frames"][0]) != []
