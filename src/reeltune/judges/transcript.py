"""Every reply of a judge, on disk: cache, proof and recording in one JSON Lines file.

A line is appended the moment a reply arrives, so a killed run loses no reply and the next one asks
only the rest. The same file replays a run without the judge (`judge.kind=recorded`).
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.files import append_lines
from reeltune.judges.prompts import Message


@dataclass(frozen=True)
class ModelSettings:
    """What decides a reply beside the prompt. The address is left out: one model may move between servers."""

    model: str
    temperature: float
    max_tokens: int

    def hash_of(self, messages: Sequence[Message]) -> str:
        """Names a prompt to this model. Equal hashes mean equal requests."""
        text = json.dumps({**asdict(self), "messages": list(messages)}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Transcript:
    """Replies by prompt hash. Safe for threads, and for processes that append to one file.

    A reply that broke the asked form is kept as rejected, so that it is not asked for again. Without a path it lives in
    memory only. Raises InputError for a file that is not a transcript; a last line cut off by a kill is no line yet.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.settings: set[ModelSettings] = set()
        self._replies: dict[str, str] = {}
        self._rejected: Counter[str] = Counter()
        self._lock = threading.Lock()
        if path is not None and path.exists():
            self._load(path)

    def __len__(self) -> int:
        return len(self._replies)

    def reply(self, prompt_hash: str) -> str | None:
        return self._replies.get(prompt_hash)

    def rejected(self, prompt_hash: str) -> int:
        """How many replies to this prompt came in vain."""
        return self._rejected[prompt_hash]

    def add(
        self,
        prompt_hash: str,
        settings: ModelSettings,
        messages: Sequence[Message],
        reply: str,
        *,
        rejected: str | None = None,
    ) -> None:
        """Store a reply; `rejected` says what is wrong with it."""
        row = {"hash": prompt_hash, **asdict(settings), "messages": list(messages), "reply": reply}
        with self._lock:
            if rejected is None:
                self._replies[prompt_hash] = reply
            else:
                row["rejected"] = rejected
                self._rejected[prompt_hash] += 1
            if self.path is not None:
                append_lines(self.path, [json.dumps(row, ensure_ascii=False)])

    def _load(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip() and line.endswith(b"\n"):
                        self._take(line, f"{path}, line {number}")
        except OSError as error:
            raise InputError(f"{path}: cannot be read as a judge transcript: {error.strerror}") from error

    def _take(self, line: bytes, where: str) -> None:
        try:
            row: dict[str, Any] = json.loads(line)
            settings = ModelSettings(row["model"], row["temperature"], row["max_tokens"])
            prompt_hash, reply = row["hash"], row["reply"]
            known = settings.hash_of(row["messages"])
            str(reply).encode()
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{where}: not a line of a judge transcript ({error}); give another path") from None
        if known != prompt_hash or not isinstance(reply, str):
            raise InputError(f"{where}: the hash does not match the prompt, so the line was edited; remove it")
        self.settings.add(settings)
        if "rejected" in row:
            self._rejected[prompt_hash] += 1
        else:
            self._replies[prompt_hash] = reply
