"""`reeltune completion bash|zsh|fish`: written from the commands' own arguments by shtab."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reeltune.config.shipped import is_recipe, shipped

BASH = """
_reeltune_recipes() {{
  compgen -W "{names}" -- "$1"
  compgen -f -- "$1"
}}
"""
ZSH = """
_reeltune_recipes() {{
  _alternative "recipes:shipped recipe:({names})" "files:file:_files"
}}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        'Print a completion script. In bash: eval "$(reeltune completion bash)", or write it to '
        "~/.local/share/bash-completion/completions/reeltune. In zsh: to a file _reeltune in a folder of $fpath. In "
        "fish: to ~/.config/fish/completions/reeltune.fish."
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that will read the script")


def run(args: argparse.Namespace) -> int:
    import shtab

    _mark(args.parser, shtab.FILE, {**shtab.FILE, "bash": "_reeltune_recipes", "zsh": "_reeltune_recipes"})
    names = " ".join(name for name, path in shipped().items() if is_recipe(path))
    preamble = {"bash": BASH, "zsh": ZSH}.get(args.shell, "").format(names=names)
    print(shtab.complete(args.parser, args.shell, preamble=preamble))
    return 0


def _mark(parser: argparse.ArgumentParser, file: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
    """Say of every argument that is a path that it completes to files, and of recipes also to those that we ship."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            # shtab shows a command's description, which is a paragraph; a shell has room for its line of help.
            short = {each.dest: each.help for each in action._choices_actions}
            for name, each in action.choices.items():
                each.description = short[name]
                _mark(each, file, recipe)
        elif action.type is Path or action.dest in ("model", "recipe", "source"):
            known: Any = action
            known.complete = recipe if action.dest == "recipe" else file
