"""A recipe's plan on given devices."""

from reeltune.planning.answer import Answer, answer
from reeltune.planning.costs import PromptCost, prompt_cost
from reeltune.planning.hardware import Devices
from reeltune.planning.setting import setting_of
from reeltune.planning.source import Plan


def answer_recipe(plan: Plan, prompt: PromptCost, devices: Devices) -> Answer:
    """`plan` is a recipe's; `prompt` the cost of its longest prompt."""
    assert plan.recipe is not None
    setting = setting_of(plan.recipe, plan.architecture, devices)
    return answer(plan.architecture, prompt, setting, devices, steps=plan.recipe.steps)


def answer_longest(plan: Plan, devices: Devices) -> Answer:
    """The same, with the prompt that the recipe's longest video makes."""
    prompt = prompt_cost(
        plan.architecture, text_tokens=plan.text_tokens, vision_tokens=plan.vision_tokens[0], routing=plan.routing
    )
    return answer_recipe(plan, prompt, devices)
