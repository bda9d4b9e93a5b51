"""`reeltune init`: a folder of videos and a table become samples, a recipe and a page. Imports nothing heavy before it
runs."""

import argparse
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.commands.own_tasks import add_task_files, load_task_files

if TYPE_CHECKING:
    from reeltune.data.cells import Mapped
    from reeltune.data.start import Started
    from reeltune.sample import Sample

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Read a folder of videos and a table (.csv, .tsv, .json, .jsonl, .parquet, a saved Hugging Face dataset), "
        "print which column is used for which field, and write DIR/train.jsonl, held_out.jsonl, recipe.yaml and "
        "index.html. Unusable rows go to set_aside.jsonl with the reason. To correct a guess, run it again with "
        "--column."
    )
    parser.add_argument("folder", type=Path, help="where the videos are")
    parser.add_argument("table", type=Path, help="the table, or conversations as `reeltune data import` reads them")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="output folder")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=NAME",
        help="use this column for this field: start=begin",
    )
    parser.add_argument("--task", help="the task, if the columns fit several")
    parser.add_argument("--index-from", type=int, choices=(0, 1), help="whether option numbers start at 0 or 1")
    parser.add_argument(
        "--held-out", type=float, default=0.1, metavar="SHARE", help="share of the videos (default: 0.1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed that selects the held-out videos")
    parser.add_argument(
        "--model", default="toyworld:base", metavar="DIR", help="model of the recipe (default: toyworld:base)"
    )
    add_task_files(parser)
    parser.add_argument(
        "--no-digests",
        action="store_true",
        help="do not record digests of the videos, by which later damage is detected",
    )
    parser.add_argument("--force", action="store_true", help="overwrite a recipe.yaml that was edited")


def run(args: argparse.Namespace) -> int:
    from reeltune.data.columns import map_columns
    from reeltune.data.formats import recognized
    from reeltune.data.start import Videos, rows_of_format, rows_of_table, start
    from reeltune.data.tables import first_entry, read_table

    load_task_files(args)
    _check(args)
    videos, counts = Videos(args.folder), Counter[str]()
    name = recognized(first_entry(args.table)) if args.table.suffix in (".json", ".jsonl") else None
    mapped = None
    if name:
        given = rows_of_format(name, args.table, videos, counts)
        columns: dict[str, Any] = {"form": f"{name}: each entry names its own task"}
    else:
        rows = read_table(args.table)
        mapped = map_columns(rows, given=_given(args.column), task=args.task, index_from=args.index_from)
        given = rows_of_table(rows, mapped)
        columns = {**mapped.columns} | {"not used": ", ".join(mapped.unused(rows)) or "none"}
        _say_guess(args.table, len(rows), mapped, mapped.unused(rows))
    found = start(
        given, videos, args.output, held_out=args.held_out, seed=args.seed, counts=counts, digests=not args.no_digests
    )
    _write(args, found, columns)
    return 0


def _check(args: argparse.Namespace) -> None:
    from reeltune.data.recipe_text import is_untouched
    from reeltune.errors import InputError

    if not args.folder.is_dir():
        raise InputError(f"{args.folder}: not a folder; give the folder that contains the videos")
    if not 0 <= args.held_out < 1:
        raise InputError(
            f"--held-out is the share of videos for evaluation and must be at least 0 and below 1; got {args.held_out}"
        )
    recipe = args.output / "recipe.yaml"
    if recipe.exists() and not args.force and not is_untouched(recipe):
        raise InputError(f"{recipe} was edited; give another -o, or --force to overwrite it")


def _given(words: list[str]) -> dict[str, str]:
    from reeltune.errors import InputError

    found = {}
    for word in words:
        name, equals, column = word.partition("=")
        if not (name and equals and column):
            raise InputError(f"--column must look like start=begin (FIELD=COLUMN); got {word!r}")
        found[name] = column
    return found


def _say_guess(table: Path, rows: int, mapped: "Mapped", unused: list[str]) -> None:
    from reeltune.progress import counted

    print(f"{table}: {counted(rows, 'row')}, read as {mapped.task}")
    for name, column in mapped.columns.items():
        print(f"  {name:<10} {column if isinstance(column, str) else ' and '.join(column)}")
    for note in mapped.notes:
        print(f"  {note}")
    if unused:
        print(f"  not used: {', '.join(unused)}   (--column FIELD=NAME corrects the guess)")


def _write(args: argparse.Namespace, found: "Started", columns: dict[str, Any]) -> None:
    from reeltune.data.kept import keep_media
    from reeltune.data.recipe_text import recipe_text
    from reeltune.files import write_jsonl, write_text
    from reeltune.progress import counted
    from reeltune.report.first_look import first_look_page, rows_shown
    from reeltune.tasks import load_samples

    out: Path = args.output
    write_jsonl(out / "train.jsonl", found.train)
    if found.held_out:
        write_jsonl(out / "held_out.jsonl", found.held_out)
    else:
        (out / "held_out.jsonl").unlink(missing_ok=True)
    write_jsonl(out / "set_aside.jsonl", found.aside)
    keep_media(out, [*found.train, *found.held_out])
    samples = load_samples(out / "train.jsonl")
    command = shlex.join(["reeltune", "init", *map(str, (args.folder, args.table)), "-o", str(out), *_words(args)])
    write_text(out / "recipe.yaml", recipe_text(out, samples, len(found.held_out), model=args.model, command=command))
    shown = rows_shown(samples)
    summary = [
        ("to train on", counted(len(found.train), "sample")),
        ("held out", counted(len(found.held_out), "sample")),
        ("videos", found.videos),
        ("videos that are not in the table", found.unused_videos),
        ("set aside", len(found.aside)),
        *((text, count) for text, count in found.counts.items()),
    ]
    page = first_look_page(f"{args.table.name}: {samples[0].task}", summary, columns, shown, found.aside, mode="direct")
    write_text(out / "index.html", page)
    _say_result(out, found, shown)


def _words(args: argparse.Namespace) -> list[str]:
    words = [word for each in args.column for word in ("--column", each)]
    words += ["--task", args.task] if args.task else []
    words += ["--no-digests"] if args.no_digests else []
    return words + (["--model", args.model] if args.model != "toyworld:base" else [])


def _say_result(out: Path, found: "Started", shown: "list[Sample]") -> None:
    from reeltune.progress import counted
    from reeltune.tasks import get_task

    print("ten rows:" if len(shown) == SHOWN else f"{counted(len(shown), 'row')}:")
    for sample in shown:
        task = get_task(sample.task)
        print(f"  {sample.id}  {Path(sample.media_name).name}  {_cut(task.prompt(sample, 'direct'))}")
        print(f"      -> {_cut(task.gold(sample, 'direct'))}")
    for text, count in found.counts.items():
        print(f"  {count} {text}")
    print(
        f"{counted(len(found.train), 'sample')} for training, {len(found.held_out)} held out, from "
        f"{counted(found.videos, 'video')}; also in the folder: {counted(found.unused_videos, 'video')}"
    )
    if found.aside:
        first = found.aside[0]
        print(f"{counted(len(found.aside), 'row')} set aside, the first: row {first['row']}: {first['reason']}")
        print(f"  all of them: {out / 'set_aside.jsonl'}")
    print(f"look at: {out / 'index.html'}, or browse all samples: {shlex.join(['reeltune', 'explore', str(out)])}")
    print(f"train: reeltune train {out / 'recipe.yaml'}", flush=True)
    if not found.held_out:
        print("reeltune: no videos are held out, so the run will not be evaluated", file=sys.stderr)


def _cut(text: str, limit: int = 110) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
