import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.judges.events import EventsJudge
from reeltune.judges.lexical import LexicalJudge
from reeltune.judges.questions import Entailment, Extraction, Grading
from reeltune.toyworld.captions import caption_of, events_of
from reeltune.toyworld.second.questions import ACTIONS
from reeltune.toyworld.world import SHAPES, draw_scene


def test_a_toyworld_caption_entails_its_events_and_nothing_else() -> None:
    """200 scenes: the caption covers every event, its sentences are the events, a foreign event is not covered."""
    judge, rng = EventsJudge(), np.random.default_rng(0)
    for _ in range(200):
        scene = draw_scene(rng, int(rng.integers(1, 4)))
        caption, events = caption_of(scene), tuple(events_of(scene))
        [labels, told] = judge.ask([Entailment(caption, events), Extraction(caption)])
        assert labels == ("entailment",) * len(events)
        assert told is not None and tuple(f"{sentence}." for sentence in told) == events
        [foreign] = judge.ask([Entailment(caption, ("The gray star appears.",))])
        assert foreign == ("neutral",)
        for left_out in range(len(events)):
            others = events[:left_out] + events[left_out + 1 :]
            [labels] = judge.ask([Entailment(" ".join(others) or "The video begins empty.", events)])
            assert labels is not None and labels.count("entailment") == len(events) - 1


@pytest.mark.parametrize(
    ("text", "event", "label"),
    [
        ("The red circle moves left.", "The red circle moves left.", "entailment"),
        ("the RED circle  moves left", "The red circle moves left.", "entailment"),
        ("The red circle moves right.", "The red circle moves left.", "contradiction"),
        ("The red circle turns blue.", "The red circle turns green.", "contradiction"),
        ("The red circle does not move left.", "The red circle moves left.", "neutral"),
        ("The red circle never vanishes.", "The red circle vanishes.", "neutral"),
        ("The blue circle moves left.", "The red circle moves left.", "neutral"),
        ("The red square moves left and the red circle waits.", "The red circle moves left.", "neutral"),
        ("", "The red circle moves left.", "neutral"),
    ],
)
def test_the_rules(text: str, event: str, label: str) -> None:
    assert EventsJudge().ask([Entailment(text, (event,))]) == [(label,)]


def test_an_event_told_once_covers_one() -> None:
    twice = ("The red circle vanishes.",) * 2
    judge = EventsJudge()
    assert judge.ask([Entailment("The red circle vanishes.", twice)]) == [("entailment", "neutral")]
    assert judge.ask([Entailment("The red circle vanishes. The red circle vanishes.", twice)]) == [("entailment",) * 2]


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("it moves", "Moves.", True),
        ("it moves", "the object moves", True),
        ("it moves", "it stays still", False),
        ("it moves", "it moves, or it stays still", False),
        ("it vanishes and returns", "It vanishes and returns.", True),
        ("it vanishes and returns", "it vanishes", False),
        ("circle", "A circle", True),
        ("circle", "circle square triangle cross", False),
        ("circle", "", False),
    ],
)
def test_an_answer_in_words_is_graded_by_what_it_names(reference: str, answer: str, right: bool) -> None:
    [rating] = EventsJudge().ask([Grading("What happens?", reference, answer)])
    assert rating is not None and (rating.right, rating.score) == (right, 5.0 * right)


def test_every_answer_in_words_of_toyworld_is_known() -> None:
    """Both editions' own texts, not a copy of the judge's list: each is right for itself and wrong for the others."""
    texts = {*ACTIONS.values(), *SHAPES}
    for reference in texts:
        asked = [Grading("?", reference, answer) for answer in sorted(texts)]
        ratings = EventsJudge().ask(asked)
        assert {q.answer for q, rating in zip(asked, ratings, strict=True) if rating and rating.right} == {reference}


def test_a_reference_that_is_not_toyworlds_is_refused() -> None:
    with pytest.raises(InputError, match=r"grades only toyworld's answers.*'a dog barks'"):
        EventsJudge().ask([Grading("What happens?", "a dog barks", "a dog barks loudly")])


def test_padding_counts_as_events_that_nothing_entails() -> None:
    judge = EventsJudge()
    [told] = judge.ask([Extraction("The video begins empty. Something happens. The red circle appears.")])
    assert told == ("Something happens", "The red circle appears")
    assert judge.ask([Entailment("The red circle appears.", told)]) == [("neutral", "entailment")]


def test_the_events_judge_refuses_real_captions_and_other_questions() -> None:
    with pytest.raises(InputError, match="toyworld sentences"):
        EventsJudge().ask([Entailment("A man walks his dog.", ("A dog runs.",))])
    with pytest.raises(InputError, match="cannot answer a 'entailment-objects' question"):
        EventsJudge().ask([Entailment("A caption.", ("A dog is there.",), kind="objects")])


def test_the_lexical_proxy_counts_words_and_says_so() -> None:
    judge = LexicalJudge()
    assert judge.proxy and "proxy" in judge.label and not EventsJudge.proxy
    statements = ("The woman opens a door.", "The man sits down.")
    assert judge.ask([Entailment("A woman opened the door.", statements)]) == [("entailment", "neutral")]
    # What makes it a proxy: swapped roles go unseen.
    assert judge.ask([Entailment("The dog chases the man.", ("The man chases the dog.",))]) == [("entailment",)]
    with pytest.raises(InputError, match="cannot answer"):
        judge.ask([Grading("q", "a", "b")])
