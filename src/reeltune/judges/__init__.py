"""Who says whether a caption entails an event. `build_judge` makes one from a recipe's or a command's settings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reeltune.errors import InputError
from reeltune.judges.base import Judge

if TYPE_CHECKING:
    from reeltune.config.recipe import JudgeConfig
    from reeltune.judges.endpoint import Endpoint
    from reeltune.judges.transcript import ModelSettings, Transcript

__all__ = ["Judge", "build_judge"]


def build_judge(config: "JudgeConfig") -> Judge | None:
    """The judge that the settings name; None for kind none.

    Raises InputError for a missing key, transcript, prompt folder or model. Nothing is sent yet.
    """
    from reeltune.judges.prompts import load_prompts
    from reeltune.judges.transcript import Transcript

    if config.kind == "none":
        return None
    if config.kind == "events":
        from reeltune.judges.events import EventsJudge

        return EventsJudge()
    if config.kind == "lexical":
        from reeltune.judges.lexical import LexicalJudge

        return LexicalJudge()
    from reeltune.judges.chat import OpenAIJudge, RecordedJudge

    prompts = load_prompts(Path(config.prompts) if config.prompts else None)
    transcript = Transcript(Path(config.transcript) if config.transcript else None)
    if config.kind == "recorded":
        return RecordedJudge(_recorded_settings(config, transcript), prompts, transcript, replies=config.replies)
    return OpenAIJudge(
        _endpoint(config),
        prompts,
        transcript,
        concurrency=config.concurrency,
        replies=config.replies,
        max_failures=config.max_failures,
    )


def _endpoint(config: "JudgeConfig") -> "Endpoint":
    from reeltune.judges.endpoint import Endpoint
    from reeltune.judges.transcript import ModelSettings

    if config.api_key_env and not os.environ.get(config.api_key_env):
        raise InputError(f"judge.api_key_env={config.api_key_env!r}: the environment has no such variable; set it")
    assert config.base_url is not None and config.model is not None  # JudgeConfig's own rule
    return Endpoint(
        config.base_url,
        ModelSettings(config.model, config.temperature, config.max_tokens),
        key=os.environ[config.api_key_env] if config.api_key_env else None,
        timeout_s=config.timeout_s,
        attempts=config.attempts,
        backoff_s=config.backoff_s,
    )


def _recorded_settings(config: "JudgeConfig", transcript: "Transcript") -> "ModelSettings":
    """The model that the transcript holds; with several, the one that the settings name."""
    held = sorted(transcript.settings, key=str)
    if not held:
        raise InputError(f"judge.transcript={config.transcript!r}: there is no recorded reply; record with kind=openai")
    chosen = [each for each in held if config.model in (None, each.model)]
    if len(chosen) != 1:
        names = ", ".join(f"{each.model} at temperature {each.temperature}" for each in held)
        raise InputError(f"judge.model={config.model!r}: the transcript holds {names}; name one of them alone")
    return chosen[0]
