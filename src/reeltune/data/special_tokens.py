"""Texts that hold a model's special tokens: the tokenizer would take them for a video, or for the end of a turn."""

from collections.abc import Collection, Iterator
from typing import Any

from reeltune.sample import Sample

KNOWN_SPECIAL_TOKENS = (
    "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<image>", "<IMG_CONTEXT>",
)  # fmt: skip
"""Of the Qwen-VL, LLaVA and InternVL families: what is looked for where no model is given. A model knows its own."""
NO_TEXT = ("id", "task", "video", "source", "meta")


def texts_of(sample: Sample) -> Iterator[tuple[str, str]]:
    """(field, text) of all that a task may show to a model or ask it to write; lists and mappings are walked."""
    for name in type(sample).model_fields:
        if name not in NO_TEXT:
            yield from _texts(name, getattr(sample, name))


def special_tokens_in(text: str, tokens: Collection[str]) -> list[str]:
    """Those of `tokens` that stand in `text`, sorted."""
    return sorted(token for token in tokens if token in text)


def _texts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(f"{place}[{number}]", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(f"{place}.{key}", item)
    elif hasattr(type(value), "model_fields"):
        for key in type(value).model_fields:
            yield from _texts(f"{place}.{key}", getattr(value, key))
