"""Instruction: any request with a reference response. Supervised fine-tuning on it keeps chat skills."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from reeltune.answers.final_answer import answer_text, instruct, wrap
from reeltune.sample import Sample, Text
from reeltune.tasks.base import Mode, Parsed, RewardOptions, Task, most_common
from reeltune.tasks.choices import comparable
from reeltune.tasks.pictures import texts_picture


class InstructionSample(Sample):
    instruction: Text
    response: Text


class Instruction(Task[InstructionSample, str]):
    """In `direct` mode the whole completion is the response: no tags are asked for."""

    name = "instruction"
    sample_type = InstructionSample
    default_weights: ClassVar = {"format": 1.0, "exact": 1.0}

    def prompt(self, sample: InstructionSample, mode: Mode) -> str:
        if mode != "think":
            return sample.instruction
        return f"{sample.instruction} {instruct('write your response as <answer>response</answer>', mode)}"

    def gold(self, sample: InstructionSample, mode: Mode) -> str:
        return wrap(sample.response, mode, thought="Let me look.") if mode == "think" else sample.response

    def format_reward(self, sample: InstructionSample, text: str, mode: Mode) -> float:
        return super().format_reward(sample, text, mode) if mode == "think" else float(bool(text.strip()))

    def parse(self, sample: InstructionSample, text: str) -> Parsed[str]:
        found = answer_text(text).text
        return Parsed(found) if found else Parsed(None, "no answer")

    def content_rewards(
        self, sample: InstructionSample, value: str | None, options: RewardOptions
    ) -> dict[str, float | None]:
        return {"exact": self._exact(sample, value)}

    def scores(self, sample: InstructionSample, value: str | None) -> dict[str, float]:
        return {"accuracy": self._exact(sample, value)}

    def trivial_scores(
        self, samples: Sequence[InstructionSample], fit_on: Sequence[InstructionSample] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        response = most_common([s.response for s in fit_on or samples])
        return {"majority_response": [self.scores(s, response) for s in samples]}

    def picture(self, sample: InstructionSample, answers: Mapping[str, str | None]) -> str:
        return texts_picture(sample.response, answers)

    def _exact(self, sample: InstructionSample, value: str | None) -> float:
        return float(value is not None and comparable(value) == comparable(sample.response))


TASK = Instruction()
