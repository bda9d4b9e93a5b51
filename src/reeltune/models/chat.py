"""A conversation as token ids: what the chat template writes, with a placeholder for every vision token.

What a user, a system message or an answer says is text, also where it looks like a special token.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from reeltune.errors import InputError
from reeltune.models.families.base import Family
from reeltune.models.types import Message
from reeltune.video.clip import Clip

# Stands in a rendered chat for a text that looks like a special token; of the area that is no character's.
FIRST_MARK = 0xF0000


@dataclass(frozen=True)
class Rendered:
    """A conversation as the chat template writes it.

    text: one placeholder for each of `media`, in their order; texts that look like special tokens as marks.
    plain: mark -> the text that it stands for.
    """

    text: str
    media: tuple[Clip, ...]
    plain: dict[str, str]

    @property
    def shown(self) -> str:
        """The chat as one reads it, with placeholders and without marks."""
        return re.sub("|".join(self.plain), lambda found: self.plain[found[0]], self.text) if self.plain else self.text


def special_tokens(tokenizer: Any, family: Family) -> frozenset[str]:
    """The tokens that never come from plain text: the tokenizer's special ones, and what the family knows."""
    added = tokenizer.added_tokens_decoder.values()
    vocabulary = tokenizer.get_added_vocab()
    vision = {name for name in family.vision_tokens if name in vocabulary}
    return frozenset({token.content for token in added if token.special} | vision | {family.placeholder})


def render_prompt(tokenizer: Any, family: Family, messages: Sequence[Message]) -> Rendered:
    """The messages as the chat template writes them, and then the beginning of an answer.

    InputError for media that the family does not take, and for a template that does not write each once.
    """
    special = _pattern(special_tokens(tokenizer, family))
    marks = (chr(n) for n in count(FIRST_MARK) if not any(chr(n) in message.text for message in messages))
    plain: dict[str, str] = {}

    def marked(found: re.Match[str]) -> str:
        mark = next(marks)
        plain[mark] = found[0]
        return mark

    chat = []
    for message in messages:
        shown = [{"type": family.image_type if clip.is_image else family.content_type} for clip in message.media]
        text = {"type": "text", "text": special.sub(marked, message.text)}
        chat.append({"role": message.role, "content": [*shown, text]})
    written: str = tokenizer.apply_chat_template(
        chat, chat_template=family.chat_template, tokenize=False, add_generation_prompt=True
    )
    return Rendered(written, _in_order(family, written, [clip for each in messages for clip in each.media]), plain)


def prompt_ids(tokenizer: Any, family: Family, rendered: Rendered) -> list[int]:
    """Token ids [P] of a rendered prompt, with a placeholder for each vision token."""
    media = iter(rendered.media)
    expanded = _placeholders(family).sub(lambda _: family.text_of(next(media)), rendered.text)
    ids: list[int] = []
    for piece in re.split(f"({'|'.join(rendered.plain)})", expanded) if rendered.plain else [expanded]:
        ids += _as_text(tokenizer, family, rendered.plain[piece]) if piece in rendered.plain else _ids(tokenizer, piece)
    return ids


def text_ids(tokenizer: Any, family: Family, text: str) -> list[int]:
    """Token ids of a text none of which is a special token, whatever it looks like."""
    pieces = re.split(f"({_pattern(special_tokens(tokenizer, family)).pattern})", text)
    found = [_as_text(tokenizer, family, each) if n % 2 else _ids(tokenizer, each) for n, each in enumerate(pieces)]
    return [token for ids in found for token in ids]


def max_positions(config: Any) -> int | None:
    """Tokens of prompt and answer together that the language model takes; None where its config states no limit."""
    limit: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return limit


def _pattern(tokens: frozenset[str]) -> re.Pattern[str]:
    """Any of them, the longest first."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))


def _placeholders(family: Family) -> re.Pattern[str]:
    return _pattern(frozenset(filter(None, (family.placeholder, family.image_placeholder))))


def _in_order(family: Family, text: str, media: Sequence[Clip]) -> tuple[Clip, ...]:
    """The media as their placeholders come: some templates write a turn's images before its videos."""
    if family.image_placeholder in (None, family.placeholder):
        queues = {family.placeholder: iter(media)}
    else:
        assert family.image_placeholder is not None
        queues = {
            family.placeholder: iter([clip for clip in media if not clip.is_image]),
            family.image_placeholder: iter([clip for clip in media if clip.is_image]),
        }
    if family.image_placeholder is None and any(clip.is_image for clip in media):
        raise InputError(
            f"{type(family).__name__} does not accept images; show them as frames of a video, or use another model"
        )
    written = _placeholders(family).findall(text)
    found = [clip for each in written if (clip := next(queues[each], None))]
    if len(written) != len(media) or len(found) != len(media):
        raise InputError(
            f"the chat template must write one placeholder per video ({family.placeholder}) and per image "
            f"({family.image_placeholder}); with {len(media)} of them it wrote {len(written)}: {text[:200]!r}"
        )
    return tuple(found)


def _ids(tokenizer: Any, text: str) -> list[int]:
    # `verbose` would warn of long prompts on its own terms; the reader checks their length.
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] if text else []
    return ids


def _as_text(tokenizer: Any, family: Family, text: str) -> list[int]:
    """Ids of what looks like a special token, as the characters that it is made of."""
    never = {tokenizer.convert_tokens_to_ids(token) for token in special_tokens(tokenizer, family)}
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if not never & set(ids):
        return ids
    # A tokenizer that splits none, or a token that it does not call special.
    return [*_ids(tokenizer, text[:1]), *text_ids(tokenizer, family, text[1:])]
