import re

from reeltune.report.timeline import SpanRow, timeline


def bars(html: str) -> list[tuple[float, float]]:
    return [(float(left), float(width)) for left, width in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", html)]


def test_spans_are_shares_of_the_duration() -> None:
    html = timeline(8.0, [SpanRow("Truth", [(2.0, 4.0)], "truth"), SpanRow("Base", [(0.0, 8.0), (1.0, 2.0)], "base")])
    assert bars(html) == [(25.0, 25.0), (0.0, 100.0), (12.5, 12.5)]
    assert 'data-duration="8"' in html


def test_spans_past_the_end_are_cut_and_marked() -> None:
    html = timeline(10.0, [SpanRow("Base", [(5.0, 1e9)], "base"), SpanRow("SFT", [(20.0, 30.0)], "sft")])
    assert bars(html) == [(50.0, 50.0), (100.0, 0.0)]
    assert html.count("past the end of the video") == 2


def test_unreadable_answers_are_named() -> None:
    assert "no readable answer" in timeline(5.0, [SpanRow("<GRPO>", None, "grpo", "0.00")])


def test_long_videos_have_few_seconds_on_their_scale() -> None:
    assert timeline(5400.0, [SpanRow("Truth", [(1.0, 2.0)], "truth")]).count("<i ") <= 11
