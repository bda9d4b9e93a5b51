import pytest
from pydantic import ValidationError

from reeltune.judges.base import RuleJudge
from reeltune.judges.events import EventsJudge
from reeltune.judges.questions import Entailment, Question
from reeltune.judges.rounds import ask_together
from reeltune.tasks.captioning.caption_scorer import Scored, caption_rewards, shaped
from reeltune.tasks.captioning.options import CaptionOptions

PUBLISHED = {"shape": "steps", "measure": "recall"}
STEPS = CaptionOptions(**PUBLISHED)  # type: ignore[arg-type]
EVENTS = ("The red circle appears.", "The blue square moves left.", "The red circle vanishes.")


@pytest.mark.parametrize(
    ("coverage", "reward"),
    [(0.0, 0.0), (0.279, 0.0), (0.28, 0.5), (0.349, 0.5), (0.35, 1.0), (1.0, 1.0), (7 / 20, 1.0), (7 / 25, 0.5)],
)
def test_the_published_steps(coverage: float, reward: float) -> None:
    assert shaped(coverage, STEPS) == reward
    assert shaped(coverage, CaptionOptions(shape="linear")) == coverage


def test_the_half_step_exists_only_for_some_numbers_of_events() -> None:
    halves = {n for n in range(1, 11) if any(shaped(k / n, STEPS) == 0.5 for k in range(n + 1))}
    assert halves == {3, 6, 7, 9, 10}


@pytest.mark.parametrize("steps", [[(0.35, 1.0), (0.28, 0.5)], [(0.0, 1.0)], [(0.5, 2.0)], [(1.2, 1.0)]])
def test_wrong_steps(steps: list[tuple[float, float]]) -> None:
    with pytest.raises(ValidationError):
        CaptionOptions(steps=steps)


def scored(captions: list[str | None], **options: object) -> list[Scored]:
    asked = caption_rewards(captions, " ".join(EVENTS), EVENTS, CaptionOptions(**options))  # type: ignore[arg-type]
    return ask_together(EventsJudge(), [asked])[0]


def rewards(captions: list[str | None], **options: object) -> list[float | None]:
    return [value for value, _ in scored(captions, **options)]


def test_coverage_by_the_exact_judge() -> None:
    captions = [" ".join(EVENTS), " ".join(EVENTS[:2]), EVENTS[0], "Something happens.", None]
    assert rewards(captions, measure="recall") == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])
    assert rewards(captions, **PUBLISHED) == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert rewards(captions) == pytest.approx([1, 0.8, 0.5, 0, 0])


def test_padding_is_free_under_recall_and_costs_under_f1() -> None:
    guesses = " ".join(f"The {color} cross appears." for color in ("red", "green", "blue"))
    padded, plain = f"{EVENTS[0]} {EVENTS[1]} {guesses}", f"{EVENTS[0]} {EVENTS[1]}"
    assert rewards([padded, plain], measure="recall") == pytest.approx([2 / 3, 2 / 3])
    recall, precision = 2 / 3, 2 / 5
    expected = [2 * recall * precision / (recall + precision), 2 * (2 / 3) / (2 / 3 + 1)]
    assert rewards([padded, plain]) == pytest.approx(expected)


class Absent(RuleJudge):
    """Answers all but what holds the word 'lost'."""

    kind = "absent"

    def ask(self, questions, progress=None):  # type: ignore[no-untyped-def]
        return [None if "lost" in q.text else self.answer(q) for q in questions]

    def answer(self, question: Question) -> tuple[str, ...]:  # type: ignore[type-arg, override]
        assert isinstance(question, Entailment)
        return ("entailment",) * len(question.statements)


def test_an_unanswered_judgement_is_none_never_zero() -> None:
    asked = caption_rewards(["lost", "found", None], "reference", EVENTS, STEPS)
    [found] = ask_together(Absent(), [asked])
    assert [value for value, _ in found] == [None, 1.0, 0.0]
    assert [len(verdicts) for _, verdicts in found] == [0, 3, 0]  # what nobody said is no verdict


def test_what_was_said_of_each_event_is_kept() -> None:
    [(value, verdicts)] = scored(["The red circle appears. The blue square moves right."], measure="f1")
    assert value == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    assert [(each.of, each.statement, each.said) for each in verdicts] == [
        ("reference", EVENTS[0], "entailment"),
        ("reference", EVENTS[1], "contradiction"),
        ("reference", EVENTS[2], "neutral"),
        ("answer", "the red circle appears", "entailment"),
        ("answer", "the blue square moves right", "contradiction"),
    ]
    [(_, recalled)] = scored(["The red circle appears."], measure="recall")
    assert {each.of for each in recalled} == {"reference"}  # nobody was asked about the answer's own
