"""`reeltune ask MODEL VIDEO QUESTION`: one answer, drawn. Imports nothing heavy before it runs."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Ask a model about a video or an image and print its answer; a span is drawn on the video's time line, a "
        "box as its corners. A checkpoint uses the mode, frames and limits it was trained with."
    )
    parser.add_argument("model", help="a Hugging Face directory or hub name, an adapter's folder, or toyworld:base")
    parser.add_argument("video", type=Path, help="a video, or an image")
    parser.add_argument("question", help="the question; with --task, what the task asks about")
    parser.add_argument("--task", metavar="NAME", help="use this task's prompt: temporal_grounding, ...")
    parser.add_argument(
        "--recipe", type=Path, help="use the settings of this recipe (default: those the checkpoint was trained with)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PAGE", help="also write a page with the video and the answer"
    )
    parser.add_argument(
        "--open", action="store_true", help="open the page in the browser (without -o: a temporary page)"
    )
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="section.key=value", help="settings, as in a recipe"
    )


def run(args: argparse.Namespace) -> int:
    from reeltune.errors import InputError

    # Before torch is imported and a model loaded.
    if not args.video.is_file():
        raise InputError(f"{args.video}: no such file; give the path of a video or an image")
    import tempfile

    from reeltune.api import load, recipe
    from reeltune.build import load_tasks
    from reeltune.commands.view import show
    from reeltune.data.sources import asked_by
    from reeltune.files import write_text
    from reeltune.report.asked import Asked, asked_page, drawn
    from reeltune.tasks.question import put

    own = recipe(asked_by(args.recipe, args.model), f"model.path={args.model}", *args.overrides)
    load_tasks(own)
    question = args.question if args.task is None else put(args.task, args.video, args.question, own.data.mode)
    with load(own) as model:
        answer = model.ask(args.video, question, max_new_tokens=own.eval.max_new_tokens)
        [shown] = model.reader.ask(question, args.video).media
    found = Asked(args.video, question, answer, shown.duration)
    print(answer)
    if picture := drawn(found):
        print(picture)
    if args.output is None and not args.open:
        return 0
    page = args.output or Path(tempfile.mkdtemp(prefix="reeltune-")) / "asked.html"
    write_text(page, asked_page(found))
    return show(page, in_browser=args.open)
