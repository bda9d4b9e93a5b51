"""A judge that is a chat model: asked over the network (`openai`), or replayed from its transcript (`recorded`)."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reeltune.errors import InputError
from reeltune.judges.base import A, Cost, Judge, Progress
from reeltune.judges.endpoint import Endpoint, Unanswered
from reeltune.judges.prompts import Message, Prompts, load_prompts
from reeltune.judges.questions import BadReply, Question
from reeltune.judges.transcript import ModelSettings, Transcript

if TYPE_CHECKING:
    from reeltune.config.judge import JudgeConfig

CHARACTERS_PER_TOKEN = 4
"""A usual figure for English; only for estimates (our choice)."""
BATCH = 2048
"""Questions whose prompts are held in memory at a time."""


class ChatJudge(Judge):
    """Prompts and strict readers over a transcript. Subclasses say what happens to a prompt that is not in it."""

    def __init__(self, settings: ModelSettings, prompts: Prompts, transcript: Transcript, *, replies: int = 2) -> None:
        """`replies`: how many replies in the wrong form are taken per prompt before it counts as unanswered."""
        super().__init__()
        self.settings = settings
        self.prompts = prompts
        self.transcript = transcript
        self.replies = replies
        self._lock = threading.Lock()

    @property
    def label(self) -> str:
        origin = "own prompts" if self.prompts.origin == "own" else "prompts from files"
        return f"{self.settings.model}, {origin} {self.prompts.digest}"

    def identity(self) -> dict[str, Any]:
        prompts = {"prompts": self.prompts.origin, "prompts_hash": self.prompts.digest}
        return {"judge": self.kind, **asdict(self.settings), **prompts}

    def cost(self, questions: Sequence[Question[Any]]) -> Cost:
        """Counts each distinct prompt that is not answered yet once, and the longest reply it may get."""
        total, seen = Cost(), set[str]()
        for question in questions:
            messages = self.prompts.messages(question)
            prompt_hash = self.settings.hash_of(messages)
            if prompt_hash in seen or self._settled(prompt_hash):
                total += Cost(free=1)
                continue
            seen.add(prompt_hash)
            sent = sum(len(message["content"]) for message in messages) // CHARACTERS_PER_TOKEN + 8
            total += Cost(calls=1, prompt_tokens=sent, completion_tokens=self.settings.max_tokens)
        return total

    def known(self, question: Question[A]) -> A | None:
        return self._known(question, self.settings.hash_of(self.prompts.messages(question)))

    def _settled(self, prompt_hash: str) -> bool:
        return self.transcript.reply(prompt_hash) is not None or self.transcript.rejected(prompt_hash) >= self.replies

    def _known(self, question: Question[A], prompt_hash: str) -> A | None:
        """An answer given before; one that today's reader refuses is none."""
        reply = self.transcript.reply(prompt_hash)
        try:
            return question.read(reply) if reply is not None else None
        except BadReply:
            return None

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, value in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + value)


class RecordedJudge(ChatJudge):
    """Replays a transcript. Raises InputError for a question that is not in it: nothing is made up."""

    kind: ClassVar[str] = "recorded"

    def cost(self, questions: Sequence[Question[Any]]) -> Cost:
        return Cost(free=len(questions))

    def ask(self, questions: Sequence[Question[A]], progress: Progress | None = None) -> list[A | None]:
        answers = [self._replayed(question) for question in questions]
        if progress:
            progress(len(questions))
        return answers

    def _replayed(self, question: Question[A]) -> A | None:
        messages = self.prompts.messages(question)
        prompt_hash = self.settings.hash_of(messages)
        self._count(questions=1)
        answer = self._known(question, prompt_hash)
        if answer is not None:
            self._count(cache_hits=1)
            return answer
        if self.transcript.rejected(prompt_hash):
            self._count(failures=1)
            return None
        raise InputError(
            f"{self.transcript.path}: there is no recorded reply to a {question.template!r} question "
            f"({prompt_hash[:12]}) to {self.label}: {messages[-1]['content'][:200]!r}. Texts, model or prompts "
            "differ from the recorded run; record again with judge.kind=openai"
        )


class OpenAIJudge(ChatJudge):
    """Asks an endpoint, at most `concurrency` prompts at a time; equal prompts are sent once.

    Raises InputError when the endpoint refuses for good, when nothing ever answered, and after `max_failures`
    unanswered questions in a row. What was answered until then is in the transcript.
    """

    kind: ClassVar[str] = "openai"

    def __init__(
        self,
        endpoint: Endpoint,
        prompts: Prompts,
        transcript: Transcript,
        *,
        concurrency: int = 16,
        replies: int = 2,
        max_failures: int = 50,
    ) -> None:
        super().__init__(endpoint.settings, prompts, transcript, replies=replies)
        self.endpoint = endpoint
        self.concurrency = concurrency
        self.max_failures = max_failures
        self._failed_in_a_row = 0

    def ask(self, questions: Sequence[Question[A]], progress: Progress | None = None) -> list[A | None]:
        batches = [questions[start : start + BATCH] for start in range(0, len(questions), BATCH)]
        return [answer for batch in batches for answer in self._ask(batch, progress)]

    def _ask(self, questions: Sequence[Question[A]], progress: Progress | None) -> list[A | None]:
        prompts = [self.prompts.messages(question) for question in questions]
        hashes = [self.settings.hash_of(messages) for messages in prompts]
        distinct = {name: index for index, name in reversed(list(enumerate(hashes)))}
        if progress:
            progress(len(questions) - len(distinct))
        stop = threading.Event()
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="judge")
        try:
            futures: dict[str, Future[A | None]] = {
                name: pool.submit(self._resolve, questions[index], name, prompts[index], stop)
                for name, index in distinct.items()
            }
            _collect(list(futures.values()), progress)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
        answers = [futures[name].result() for name in hashes]
        unanswered = sum(answer is None for answer in answers)
        self._count(questions=len(questions), failures=unanswered, cache_hits=len(questions) - len(distinct))
        return answers

    def _resolve(
        self, question: Question[A], prompt_hash: str, messages: list[Message], stop: threading.Event
    ) -> A | None:
        answer = self._known(question, prompt_hash)
        if answer is not None:
            self._count(cache_hits=1)
            return answer
        rejected: BadReply | None = None
        try:
            while not stop.is_set() and self.transcript.rejected(prompt_hash) < self.replies:
                reply = self.endpoint.complete(messages, on_retry=lambda: self._count(retries=1), stop=stop)
                self._count(calls=1, prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens)
                try:
                    answer = question.read(reply.text)
                except BadReply as error:
                    rejected = error
                    self._count(rejected=1)
                    self.transcript.add(prompt_hash, self.settings, messages, reply.text, rejected=str(error))
                else:
                    self.transcript.add(prompt_hash, self.settings, messages, reply.text)
                    self._failed_in_a_row = 0
                    return answer
            if rejected is not None:
                raise Unanswered(f"{self.replies} malformed replies, the last: {rejected}")
        except Unanswered as error:
            if not stop.is_set():
                self._failed(error)
        return None

    def _failed(self, error: Unanswered) -> None:
        with self._lock:
            self._failed_in_a_row += 1
            failed = self._failed_in_a_row
        kept = f"{len(self.transcript)} replies are saved in {self.transcript.path or 'memory only'}"
        if error.refused and self.counts.calls == 0:
            raise InputError(f"the judge cannot be reached: {error}; start it, or check judge.base_url. {kept}")
        if failed >= self.max_failures:
            raise InputError(f"the judge failed to answer {failed} questions in a row; the last: {error}. {kept}")


def _collect(futures: "list[Future[Any]]", progress: Progress | None) -> None:
    """Wait for all; the first error ends the waiting and is raised."""
    callback: Callable[[Future[Any]], object] | None = (lambda future: progress(1)) if progress else None
    for future in futures:
        if callback:
            future.add_done_callback(callback)
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()


def openai_judge(config: "JudgeConfig") -> OpenAIJudge:
    """The judge of an endpoint. InputError for a key that the environment lacks."""
    key = _key(config.api_key_env) if config.api_key_env is not None else None
    assert config.base_url is not None and config.model is not None  # JudgeConfig's own rule
    endpoint = Endpoint(
        config.base_url,
        ModelSettings(config.model, config.temperature, config.max_tokens),
        key=key,
        timeout_s=config.timeout_s,
        attempts=config.attempts,
        backoff_s=config.backoff_s,
    )
    return OpenAIJudge(
        endpoint,
        _prompts(config),
        _transcript(config),
        concurrency=config.concurrency,
        replies=config.replies,
        max_failures=config.max_failures,
    )


def _key(name: str) -> str:
    key = os.environ.get(name, "").strip()
    if not key:
        raise InputError(f"judge.api_key_env={name!r}: the environment variable is missing or empty; set it")
    return key


def recorded_judge(config: "JudgeConfig") -> RecordedJudge:
    """The judge of a transcript, asked as the model that it holds; with several, as the one that the settings name."""
    prompts, transcript = _prompts(config), _transcript(config)
    held = sorted(transcript.settings, key=str)
    if not held:
        raise InputError(
            f"judge.transcript={config.transcript!r}: it has no recorded replies; record some with kind=openai"
        )
    chosen = [each for each in held if config.model in (None, each.model)]
    if len(chosen) != 1:
        names = ", ".join(f"{each.model} at temperature {each.temperature}" for each in held)
        raise InputError(f"judge.model={config.model!r}: the transcript contains {names}; name one of them")
    return RecordedJudge(chosen[0], prompts, transcript, replies=config.replies)


def _prompts(config: "JudgeConfig") -> Prompts:
    return load_prompts(Path(config.prompts) if config.prompts else None, single_quotes=config.quotes == "single")


def _transcript(config: "JudgeConfig") -> Transcript:
    return Transcript(Path(config.transcript) if config.transcript else None)
