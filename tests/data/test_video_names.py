"""Which file an annotation means by a name."""

import json
from pathlib import Path

import numpy as np
import pytest

from reeltune.cli import main
from reeltune.data.import_ import VideoFinder
from reeltune.errors import InputError
from reeltune.video.encode import write_video

ENTRY = {
    "messages": [{"role": "user", "content": "<video>When?"}, {"role": "assistant", "content": "2.0 to 5.0"}],
    "videos": ["0.mp4"],
}


def clip(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.full((16, 32, 32, 3), shade, np.uint8), 2.0)
    return path


def test_a_name_that_fits_several_videos_is_an_error(tmp_path: Path) -> None:
    for shade, name in enumerate(("a/0.mp4", "b/0.mp4", "b/0.mkv", "c/x/1.mp4", "d/x/1.mp4")):
        clip(tmp_path / "v" / name, 100 * (shade % 2)) if name.endswith("mp4") else (tmp_path / "v" / name).touch()
    finder = VideoFinder(tmp_path / "v")
    with pytest.raises(InputError, match=r"'0\.mp4' matches 2 files: .*a/0\.mp4, .*b/0\.mp4\. Set --videos"):
        finder.find("0.mp4")
    for name in ("0", "b/0", "x/1.mp4", "y/1.mp4", "0.avi"):
        with pytest.raises(InputError, match=r"matches \d files"):
            finder.find(name)
    assert (
        finder.find("/elsewhere/a/0.mp4") == tmp_path / "v/a/0.mp4"
    )  # the path on another machine ends in that folder
    assert finder.find("./b/0.mp4") == tmp_path / "v/b/0.mp4"
    assert finder.find("0.mkv") == tmp_path / "v/b/0.mkv"
    assert VideoFinder(tmp_path).find("b/0.mp4") == tmp_path / "v/b/0.mp4"
    assert finder.find("a/0") == tmp_path / "v/a/0.mp4"
    (tmp_path / "v/b/0.mkv").unlink()
    (tmp_path / "v/b/0.mp4").unlink()
    (tmp_path / "v/b/0.mp4").symlink_to(tmp_path / "v/a/0.mp4")
    assert VideoFinder(tmp_path / "v").find("0.mp4") is not None  # two names of one file


def test_an_ambiguous_video_stops_the_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a/0.mp4", "b/0.mp4"):
        clip(tmp_path / "v" / name)
    path, output = tmp_path / "mine.json", tmp_path / "s.jsonl"
    path.write_text(json.dumps([ENTRY]))
    arguments = ["data", "import", "conversations", str(path), "--videos", str(tmp_path / "v"), "-o", str(output)]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "a/0.mp4" in said and "b/0.mp4" in said and not output.exists()
