from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reeltune.report.page import completion_html, page, seconds_in_words, text, video_tag

Check = Callable[[str], Any]

HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\x00\x07\x85\u2028\ud800 & \"quoted\" 'so'"
)


def test_hostile_text_stays_text(check_page: Check) -> None:
    html = page(HOSTILE, f'<p title="{text(HOSTILE)}">{text(HOSTILE)}</p>{completion_html(HOSTILE)}')
    html.encode("utf-8")
    found = check_page(html)
    assert found.named("img") == [] and found.named("script") == []
    assert "\x00" not in html and "<script>alert(1)</script>" in found.text
    assert "␀" in found.text and "␇" in found.text


def test_only_the_answer_block_is_marked() -> None:
    html = completion_html("<think>1 < 2</think>\n<answer>1 to 2</answer> <glue>[(1, 2)]</glue>")
    assert html.count("<mark>") == 2
    assert "<mark>&lt;answer&gt;1 to 2&lt;/answer&gt;</mark>" in html
    assert "<mark>" not in completion_html("<answer>cut off")


def test_long_completions_are_cut_and_say_so() -> None:
    assert "… and 4000 more characters" in completion_html("x" * 10_000)


def test_videos_are_inside_or_named(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"1234")
    assert 'src="data:video/mp4;base64,MTIzNA=="' in video_tag(clip)
    assert "too large to embed" in video_tag(clip, max_bytes=3)
    assert "not found" in video_tag(tmp_path / "b.mp4")
    assert "cannot play .avi" in video_tag(tmp_path / "<b>.avi") and "<b>" not in video_tag(tmp_path / "<b>.avi")


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3600, "1 h 00 min")]
)
def test_seconds_in_words(seconds: float, wanted: str) -> None:
    assert seconds_in_words(seconds) == wanted
