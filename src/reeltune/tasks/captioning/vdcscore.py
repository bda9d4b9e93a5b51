"""VDCScore, the metric of VDC (arXiv 2410.03051): can the judge answer questions about the video from the caption?

The judge answers each question from the caption alone, then rates the answer: right or not, and 0 to 5. A video's score
is the mean over its questions (and over its captions, where there are several completions), the metric the mean over
videos. Two ways, both printed with what they drop:

- `strict`: every video counts; a judgment that failed is a wrong answer of score 0.
- `compat`: as the published script does, videos whose mean score or accuracy is 0 and videos with any failed judgment
  are dropped.
  That lifts results: an accuracy of .10 becomes .118, .391 becomes .437. For comparison with published numbers only.
"""

from collections.abc import Sequence
from statistics import fmean

from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.questions import Grading, Rating, Reading
from reeltune.tasks.captioning.sample import CaptioningSample, VideoQuestion
from reeltune.tasks.judged import NO_DRAWS, Draws, JudgedScores, mean_intervals

NOTHING = Rating(False, 0.0)


def vdcscore(
    samples: Sequence[CaptioningSample],
    captions: Sequence[Sequence[str | None]],
    judge: Judge,
    progress: Progress | None = None,
    draws: Draws = NO_DRAWS,
) -> JudgedScores:
    """`vdcscore.*`: accuracy in percent, score in 0..5, and counts."""
    asked = [
        (video, caption, question)
        for video, (sample, own) in enumerate(zip(samples, captions, strict=True))
        for caption in own
        for question in _questions(sample)
    ]
    told = [each for each in asked if each[1] is not None]
    answers = judge.ask([Reading(caption or "", question.question) for _, caption, question in told], progress)
    known = [(question, answer) for (_, _, question), answer in zip(told, answers, strict=True) if answer is not None]
    grades = judge.ask([Grading(question.question, question.answer, answer) for question, answer in known], progress)
    grade, answer = iter(grades), iter(answers)
    ratings: list[list[Rating | None]] = [[] for _ in samples]
    for video, caption, _ in asked:
        # A video without a caption answers nothing: wrong, but judged.
        rating = NOTHING if caption is None else next(grade) if next(answer) is not None else None
        ratings[video].append(rating)
    metrics = {f"vdcscore.{name}": value for name, value in aggregate(ratings, draws).items()}
    return JudgedScores(metrics, [_of_video(video) for video in ratings])


def aggregate(ratings: Sequence[Sequence[Rating | None]], draws: Draws = NO_DRAWS) -> dict[str, float]:
    """From the ratings of each video (None: failed) to both ways. Videos have at least one question.

    Keys strict.* and compat.* with accuracy (percent), score (0..5) and videos; dropped_zero and dropped_failed count
    the videos that `compat` leaves out, failed the judgments that `strict` counts as wrong.
    """
    strict = [[rating or NOTHING for rating in video] for video in ratings]
    whole = [video for video in ratings if None not in video]
    compat = [[r for r in video if r is not None] for video in whole]
    kept = [video for video in compat if _score(video) > 0 and any(rating.right for rating in video)]
    return {
        **_means("strict", strict, draws),
        **_means("compat", kept, draws),
        "compat.dropped_zero": float(len(compat) - len(kept)),
        "compat.dropped_failed": float(len(ratings) - len(whole)),
        "strict.failed": float(sum(rating is None for video in ratings for rating in video)),
    }


def vdcscore_cost(sample: CaptioningSample, captions: Sequence[str | None], judge: Judge) -> Cost:
    """Two calls a question and caption; the answers to rate are taken for twenty words."""
    total = Cost()
    for caption in captions:
        for question in _questions(sample) if caption is not None else ():
            reading = Reading(caption or "", question.question)
            answer = judge.known(reading) or "an answer of about twenty words " * 3
            total += judge.cost([reading, Grading(question.question, question.answer, answer)])
    return total


def _of_video(video: Sequence[Rating | None]) -> dict[str, float]:
    strict = [rating or NOTHING for rating in video]
    return {f"vdcscore.{name}": value for name, value in _means("strict", [strict], NO_DRAWS).items()} | {
        "vdcscore.strict.failed": float(sum(rating is None for rating in video))
    }


def _questions(sample: CaptioningSample) -> Sequence[VideoQuestion]:
    return sample.questions or ()


def _score(video: Sequence[Rating]) -> float:
    return fmean(rating.score for rating in video)


def _means(name: str, videos: Sequence[Sequence[Rating]], draws: Draws) -> dict[str, float]:
    if not videos:
        return {f"{name}.videos": 0.0}
    rows = {
        f"{name}.accuracy": [100.0 * fmean(rating.right for rating in video) for video in videos],
        f"{name}.score": [_score(video) for video in videos],
    }
    means = {key: fmean(values) for key, values in rows.items()}
    return {**means, f"{name}.videos": float(len(videos)), **mean_intervals(rows, draws)}
