import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.judges.events import EventsJudge
from reeltune.judges.lexical import LexicalJudge
from reeltune.judges.questions import Entailment, Extraction, Grading
from reeltune.toyworld.captions import caption_of, events_of
from reeltune.toyworld.world import draw_scene


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


def test_padding_counts_as_events_that_nothing_entails() -> None:
    judge = EventsJudge()
    [told] = judge.ask([Extraction("The video begins empty. Something happens. The red circle appears.")])
    assert told == ("Something happens", "The red circle appears")
    assert judge.ask([Entailment("The red circle appears.", told)]) == [("neutral", "entailment")]


def test_the_events_judge_refuses_real_captions_and_other_questions() -> None:
    with pytest.raises(InputError, match="toyworld sentences"):
        EventsJudge().ask([Entailment("A man walks his dog.", ("A dog runs.",))])
    with pytest.raises(InputError, match="cannot answer a 'grading' question"):
        EventsJudge().ask([Grading("q", "a", "b")])


def test_the_lexical_proxy_counts_words_and_says_so() -> None:
    judge = LexicalJudge()
    assert judge.proxy and "proxy" in judge.label and not EventsJudge.proxy
    statements = ("The woman opens a door.", "The man sits down.")
    assert judge.ask([Entailment("A woman opened the door.", statements)]) == [("entailment", "neutral")]
    # What makes it a proxy: swapped roles go unseen.
    assert judge.ask([Entailment("The dog chases the man.", ("The man chases the dog.",))]) == [("entailment",)]
    with pytest.raises(InputError, match="cannot answer"):
        judge.ask([Grading("q", "a", "b")])
