"""A user turn as token ids: what the chat template writes, with a placeholder for every vision token."""

from typing import Any

from reeltune.errors import InputError
from reeltune.models.families.base import Family
from reeltune.video.clip import Clip


def render_prompt(tokenizer: Any, family: Family, text: str, system: str | None) -> str:
    """One user turn, the video, then `text`, as the chat template writes it: with one placeholder for the video."""
    placeholder = family.placeholder
    content = [{"type": family.content_type}, {"type": "text", "text": text}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    rendered: str = tokenizer.apply_chat_template(
        messages, chat_template=family.chat_template, tokenize=False, add_generation_prompt=True
    )
    if rendered.count(placeholder) != 1:
        raise InputError(
            f"the chat template must write {placeholder} once per video; with one video it wrote it "
            f"{rendered.count(placeholder)} times (does the text itself contain it?): {rendered[:200]!r}"
        )
    return rendered


def prompt_ids(tokenizer: Any, family: Family, rendered: str, clip: Clip) -> list[int]:
    """Token ids [P] of a rendered prompt, with a placeholder for each vision token of the clip."""
    expanded = rendered.replace(family.placeholder, family.video_text(clip))
    # `verbose` would warn of long prompts on its own terms; the reader checks their length.
    ids: list[int] = tokenizer(expanded, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def max_positions(config: Any) -> int | None:
    """Tokens of prompt and answer together that the language model takes; None where its config states no limit."""
    limit: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return limit
