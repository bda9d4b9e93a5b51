"""The section `judge` of a recipe. What may be a secret in it is refused before anything is printed or written."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from reeltune.config.section import Section

VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
"""In capitals, as all that vendors name: a key in its place has small letters or signs, and is known by them."""


class JudgeConfig(Section):
    """Scores rewards that no rule can compute. `openai` is any OpenAI-compatible endpoint; `recorded` replays its
    transcript; `events` is exact and for toyworld; `lexical` counts shared words, a proxy."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: str = Field(
        "none", description="none, openai, recorded, events, lexical, or your own module:object or file.py:object."
    )
    options: dict[str, Any] = Field({}, description="Options of your own judge.")
    base_url: str | None = Field(None, description="Address of the endpoint, http://HOST:PORT/v1.")
    model: str | None = Field(None, description="Name of the model at the endpoint.")
    temperature: float = Field(0.0, ge=0, description="Sampling temperature of the judge.")
    max_tokens: int = Field(1024, ge=1, description="Longest reply.")
    api_key_env: str | None = Field(None, description="Environment variable that holds the key; none: no key is sent.")
    transcript: str | None = Field(None, description="JSON Lines file of all replies, used as cache and recording.")
    prompts: str | None = Field(None, description="Folder of NAME.txt files that replace our prompts.")
    quotes: Literal["kept", "single"] = Field(
        "kept", description="single: double quotes become single ones where events are asked for, as AutoDQ published."
    )
    concurrency: int = Field(16, ge=1, description="Concurrent requests.")
    timeout_s: float = Field(60.0, gt=0, description="Timeout of one request, in seconds.")
    attempts: int = Field(6, ge=1, description="Attempts per prompt while the endpoint fails.")
    backoff_s: float = Field(1.0, ge=0, description="First pause after a failure, in seconds; it doubles each time.")
    replies: int = Field(2, ge=1, description="Malformed replies accepted per prompt before it counts as unanswered.")
    max_failures: int = Field(50, ge=1, description="Number of consecutive unanswered questions that stops the run.")
    budget_tokens: int = Field(1_000_000, ge=0, description="Token budget; a run that may cost more must be confirmed.")

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "JudgeConfig":
        needs = {"openai": ("base_url", "model"), "recorded": ("transcript",)}.get(self.kind, ())
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            raise ValueError(f"kind {self.kind} needs {' and '.join(f'judge.{name}' for name in missing)}")
        return self

    @field_validator("api_key_env")
    @classmethod
    def _is_the_name_of_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not VARIABLE.fullmatch(name):
            raise ValueError(
                "must be the name of an environment variable in capitals, such as OPENAI_API_KEY. The given value "
                "is not one and is not repeated here: if it is the key itself, remove it from the recipe and from "
                "your shell history"
            )
        return name

    @field_validator("base_url")
    @classmethod
    def _holds_no_secret(cls, address: str | None) -> str | None:
        if address is not None and any(sign in address for sign in "@?#"):
            raise ValueError(
                "must look like http://HOST:PORT/v1, without a user, key or query; pass the key through "
                "judge.api_key_env"
            )
        return address

    def kept_at(self, path: Path) -> "JudgeConfig":
        """The same; the replies of an endpoint go to `path` where no transcript is named, and are never lost."""
        keeps = self.kind == "openai" and self.transcript is None
        return self.model_copy(update={"transcript": str(path)}) if keeps else self
