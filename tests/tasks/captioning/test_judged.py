import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reeltune.judges.base import Cost, RuleJudge
from reeltune.judges.events import EventsJudge
from reeltune.judges.lexical import LexicalJudge
from reeltune.judges.questions import Entailment, Extraction, Grading, Question, Rating, Reading
from reeltune.sample import Sample, to_sample
from reeltune.tasks import TASKS
from reeltune.tasks.captioning.autodq import Row, as_published, f1_of_means, macro
from reeltune.tasks.captioning.task import TASK
from reeltune.tasks.captioning.vdcscore import aggregate
from reeltune.tasks.judged import Draws

TYPES = {name: task.sample_type for name, task in TASKS.items()}
EVENTS = ["The red circle appears.", "The red circle vanishes."]


def sample_of(name: str, **fields: Any) -> Sample:
    row = {"id": name, "task": "captioning", "video": "v", "caption": " ".join(EVENTS), "events": EVENTS}
    return to_sample({**row, **fields}, TYPES)


def test_autodq_is_the_f1_of_macro_means() -> None:
    """The published vector: five subsets, R .395, P .420, F1 .407."""
    vector = [(0.355, 0.374), (0.448, 0.437), (0.379, 0.486), (0.471, 0.439), (0.323, 0.365)]
    found = macro(Row(str(index), *pair) for index, pair in enumerate(vector))
    assert round(found["recall"] / 100, 3) == 0.395
    assert round(found["precision"] / 100, 3) == 0.420
    assert round(found["f1"] / 100, 3) == 0.407
    assert found["0.recall"] == pytest.approx(35.5)
    assert f1_of_means(0.0, 0.0) == 0.0


def test_subsets_weigh_the_same_and_failures_are_left_out() -> None:
    rows = [Row("a", 1.0, 1.0), Row("a", 0.0, None), Row("a", None, 0.0), Row("b", 0.0, 0.5)]
    found = macro(rows)
    assert found["recall"] == pytest.approx(25.0)
    assert found["precision"] == pytest.approx(50.0)
    assert (found["unjudged_recall"], found["unjudged_precision"]) == (1.0, 1.0)
    assert macro([Row("a", None, None)]) == {"unjudged_recall": 1.0, "unjudged_precision": 1.0}


def test_intervals_draw_samples_within_their_subset() -> None:
    generator = np.random.default_rng(5)
    rows = [Row("a", float(r), float(p)) for r, p in generator.random((300, 2))]
    rows += [Row("b", 0.5, 0.5)] * 10 + [Row("b", None, 0.5)]
    found = macro(rows, Draws(1000, seed=1))
    # The subset b never varies, so the macro mean varies by half of what subset a's does.
    half = 100 * 1.96 * np.std([row.recall for row in rows[:300]]) / np.sqrt(300) / 2
    assert (found["recall.low"], found["recall.high"]) == pytest.approx(
        (found["recall"] - half, found["recall"] + half), abs=0.35
    )
    assert found["f1.low"] < found["f1"] < found["f1.high"]
    assert macro(rows, Draws(1000, seed=1)) == found
    assert not any(key.endswith(".low") for key in macro(rows))
    assert macro([Row("a", None, None)], Draws(10)) == {"unjudged_recall": 1.0, "unjudged_precision": 1.0}
    nothing = macro([Row("a", 0.0, 0.0)] * 2, Draws(10))
    assert (nothing["f1.low"], nothing["f1.high"]) == (0.0, 0.0)


def test_intervals_of_vdcscore() -> None:
    found = aggregate([ratings(4, 0), ratings(0, 0), ratings(5, None), ratings(1, 1)], Draws(200))
    assert found["strict.accuracy.low"] < found["strict.accuracy"] < found["strict.accuracy.high"] <= 50
    assert found["compat.score.low"] <= found["compat.score"] <= found["compat.score.high"]


def test_autodq_by_the_exact_judge() -> None:
    samples = [sample_of("a"), sample_of("b"), sample_of("c", events=[])]
    half = "<answer>The red circle appears. The blue cross appears. The blue cross vanishes.</answer>"
    texts = [[half], [], ["<answer>The red circle appears.</answer>"]]
    found = TASK.judged_metrics(samples, texts, EventsJudge()).metrics
    # A sample without events is recalled in full; without a caption nothing is.
    assert found["autodq.recall"] == pytest.approx(100 * (0.5 + 0 + 1) / 3)
    assert found["autodq.precision"] == pytest.approx(100 * (1 / 3 + 0 + 1) / 3)
    assert found["autodq.unjudged_recall"] == 0.0


def test_autodq_as_published_drops_a_sample_of_which_one_judgment_failed() -> None:
    rows = [Row("a", 0.5, 0.5), Row("a", 1.0, None), Row("b", None, 0.0), Row("b", 0.0, 1.0)]
    assert as_published(rows) == {"recall": 25.0, "precision": 75.0, "f1": pytest.approx(37.5), "dropped": 2.0}
    assert macro(rows)["recall"] == pytest.approx(37.5) and as_published(rows[1:3]) == {"dropped": 2.0}


def test_several_completions_count_as_their_mean() -> None:
    texts = [["<answer>The red circle appears.</answer>", f"<answer>{' '.join(EVENTS)}</answer>"]]
    assert TASK.judged_metrics([sample_of("a")], texts, EventsJudge()).metrics["autodq.recall"] == pytest.approx(75.0)


def test_a_proxy_never_carries_a_benchmarks_name() -> None:
    found = TASK.judged_metrics(
        [sample_of("a")], [["<answer>The red circle appears.</answer>"]], LexicalJudge()
    ).metrics
    assert found["lexical_proxy.recall"] == pytest.approx(50.0)
    assert not any(key.startswith(("autodq", "capst", "vdc")) for key in found)


class Scripted(RuleJudge):
    """Entails statements with a word of the text; answers and grades by a table; None for 'lost'."""

    kind = "scripted"

    def ask(self, questions, progress=None):  # type: ignore[no-untyped-def]
        return [None if any("lost" in value for value in q.fields().values()) else self.answer(q) for q in questions]

    def answer(self, question: Question) -> Any:  # type: ignore[type-arg, override]
        if isinstance(question, Entailment):
            return tuple("entailment" if s.split()[-1].strip(".") in question.text else "neutral"
                         for s in question.statements)  # fmt: skip
        if isinstance(question, Extraction):
            return tuple(part.strip() for part in question.text.split(".") if (question.kind in part) and part.strip())
        if isinstance(question, Reading):
            return f"{question.caption}: {question.question}"
        assert isinstance(question, Grading)
        right = question.reference in question.answer
        return Rating(right, 4.0 if right else 1.0)


def test_capst_scores_actions_and_objects() -> None:
    sample = sample_of("a", caption="x", events=["A dog runs.", "A dog barks."], objects=["There is a tree."])
    text = "<answer>events runs. objects tree. objects lake</answer>"
    found = TASK.judged_metrics([sample], [[text]], Scripted()).metrics
    assert found["capst.actions.recall"] == 50.0 and found["capst.objects.recall"] == 100.0
    assert found["capst.actions.precision"] == found["capst.objects.precision"] == 0.0
    assert found["capst.actions.f1"] == 0.0
    (row,) = TASK.judged_metrics([sample], [[text]], Scripted()).per_sample
    assert row["capst.actions.recall"] == 50.0 and row["capst.objects.precision"] == 0.0
    assert not any(key.startswith("autodq") for key in found)


def test_carebench_without_lists_asks_the_judge_for_them() -> None:
    sample = sample_of("a", caption="events runs. objects tree", events=None, source="carebench")
    found = TASK.judged_metrics([sample], [["<answer>events runs. objects tree</answer>"]], Scripted()).metrics
    assert found["capst.actions.f1"] == found["capst.objects.f1"] == pytest.approx(100.0)


def ratings(*scores: float | None) -> list[Rating | None]:
    return [None if score is None else Rating(score > 2, score) for score in scores]


def test_vdcscore_strict_and_compat() -> None:
    found = aggregate([ratings(4, 0), ratings(0, 0), ratings(5, None), ratings(1, 1)])
    assert found["strict.accuracy"] == pytest.approx(100 * (0.5 + 0 + 0.5 + 0) / 4)
    assert found["strict.score"] == pytest.approx((2 + 0 + 2.5 + 1) / 4)
    # The published script drops a video whose mean score is 0, and one whose accuracy is 0.
    assert found["compat.accuracy"] == pytest.approx(50)
    assert found["compat.score"] == pytest.approx(2)
    assert (found["compat.dropped_zero"], found["compat.dropped_failed"], found["strict.failed"]) == (2, 1, 1)
    assert (found["strict.videos"], found["compat.videos"]) == (4, 1)
    assert aggregate([ratings(0)])["compat.videos"] == 0


@pytest.mark.parametrize(("honest", "published", "kept", "videos"), [(0.10, 0.118, 17, 20), (0.391, 0.437, 17, 19)])
def test_what_the_published_script_drops_lifts_results(honest: float, published: float, kept: int, videos: int) -> None:
    """The facts' two pairs, with the share of dropped videos that explains them."""
    right = round(1000 * honest * videos / kept)
    video = [Rating(True, 5.0)] * right + [Rating(False, 1.0)] * (1000 - right)
    found = aggregate([video] * kept + [ratings(0)] * (videos - kept))
    assert round(found["strict.accuracy"] / 100, 3) == honest
    assert round(found["compat.accuracy"] / 100, 3) == published


def test_vdcscore_from_captions() -> None:
    questions = [{"question": "who", "answer": "dog"}, {"question": "where", "answer": "park"},
                 {"question": "lost", "answer": "x"}]  # fmt: skip
    samples = [sample_of(str(i), caption=None, events=None, questions=questions) for i in range(3)]
    texts = [["<answer>a dog in the park</answer>"], ["<answer>a dog</answer>"], []]
    found = TASK.judged_metrics(samples, texts, Scripted()).metrics
    assert found["vdcscore.strict.accuracy"] == pytest.approx(100 * (2 / 3 + 1 / 3 + 0) / 3)
    assert found["vdcscore.strict.failed"] == 2
    per_sample = TASK.judged_metrics(samples, texts, Scripted()).per_sample
    assert [row["vdcscore.strict.accuracy"] for row in per_sample] == pytest.approx([200 / 3, 100 / 3, 0])
    assert [row["vdcscore.strict.failed"] for row in per_sample] == [1, 1, 0]
    # A missing caption is a wrong answer, not a failed judgment: it is dropped for its zero.
    assert (found["vdcscore.compat.dropped_failed"], found["vdcscore.compat.dropped_zero"]) == (2, 1)


def test_vdcscore_of_several_completions_is_their_mean() -> None:
    questions = [{"question": "who", "answer": "dog"}, {"question": "where", "answer": "park"}]
    samples = [sample_of(str(i), caption=None, events=None, questions=questions) for i in range(2)]
    texts = [["<answer>a dog in the park</answer>", "<answer>a dog</answer>", "</think>"], ["<answer>a cat</answer>"]]
    found = TASK.judged_metrics(samples, texts, Scripted()).metrics
    assert found["vdcscore.strict.accuracy"] == pytest.approx(100 * ((1 + 1 / 2 + 0) / 3 + 0) / 2)
    assert found["vdcscore.strict.videos"] == 2
    assert TASK.judged_cost(samples, texts, Counting()).calls == 2 * (2 + 2 + 2)


class Counting(Scripted):
    def cost(self, questions):  # type: ignore[no-untyped-def]
        return Cost(calls=len(questions))


def test_the_data_folders_dream_file_scores_itself_by_the_proxy() -> None:
    path = Path("../shared/data/annotations/DREAM-1k.jsonl")
    if not path.exists():
        pytest.skip("the shared annotations are not here")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    samples = [
        sample_of(str(n), caption=row["messages"][1]["content"][0]["reference"], events=row["extra_info"]["events"])
        for n, row in enumerate(rows)
    ]
    assert len(samples) == 1000 and sum(len(s.events) for s in samples) == 6298
    found = TASK.judged_metrics(samples[:200], [[f"<answer>{s.caption}</answer>"] for s in samples[:200]],
                           LexicalJudge()).metrics  # fmt: skip
    assert found["lexical_proxy.precision"] == pytest.approx(100.0)
    assert found["lexical_proxy.recall"] > 60


def test_cost_of_rules_is_nothing() -> None:
    assert TASK.judged_cost([sample_of("a")], [["<answer>x</answer>"]], EventsJudge()).calls == 0
