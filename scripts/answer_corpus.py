"""How well the answer readers agree with a careful reader: `python scripts/answer_corpus.py [--show] [FILE ...]`.

Prints, per kind of answer, over the texts of tests/answers/corpus, in percent: agreement; false credit (an answer is
read that the careful reader does not see: a wrong one, or one where there is none); missed (there is one, none is
read). `unseen` is what the readers of that day made of all the file's texts before anybody had looked at the results
(tests/answers/corpus/unseen.json): the honest guess at texts that nobody has seen.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reeltune.answers.boxes import read_boxes
from reeltune.answers.choices import read_label, read_letter
from reeltune.answers.final_answer import answer_text
from reeltune.answers.numbers import read_number
from reeltune.answers.spans import read_spans

CORPUS = Path(__file__).parents[1] / "tests" / "answers" / "corpus"
OUTCOMES = ("agreement", "false credit", "missed")


def read(row: dict[str, Any]) -> tuple[Any, str | None]:
    """What our reader makes of a text of the corpus, and the reason where that is nothing."""
    block = answer_text(row["text"])
    match row["kind"]:
        case "letter" | "option":
            return read_letter(block, row["options"])
        case "label":
            return read_label(block, row["labels"])
        case "number":
            return read_number(block)
        case "span":
            return read_spans(block)
        case "box":
            return read_boxes(block, row["count"])
        case kind:
            raise ValueError(f"kind {kind!r} of {row['text']!r}: no reader has it")


def same(read_value: Any, careful: Any) -> bool:
    if read_value is None or careful is None:
        return read_value is careful
    if isinstance(careful, list):
        return [list(each) for each in read_value] == [list(each) for each in careful]
    if isinstance(careful, float):
        return abs(read_value - careful) <= 1e-9 * max(1.0, abs(careful))
    return bool(read_value == careful)


def outcome(row: dict[str, Any]) -> str:
    found, _ = read(row)
    return "agreement" if same(found, row["answer"]) else "missed" if found is None else "false credit"


def rows(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=sorted(CORPUS.glob("*.jsonl")))
    parser.add_argument("--show", action="store_true", help="print every text that is read otherwise")
    arguments = parser.parse_args()
    unseen = json.loads((CORPUS / "unseen.json").read_text(encoding="utf-8"))
    for file in arguments.files:
        print(f"\n{file.name}")
        found: dict[str, list[str]] = {}
        for row in rows([file]):
            result = outcome(row)
            found.setdefault(row["kind"], []).append(result)
            if arguments.show and result != "agreement":
                value, reason = read(row)
                print(f"  {result}: {row['kind']} {row['text']!r}: {value!r} ({reason}), careful: {row['answer']!r}")
        print(f"{'kind':8} {'texts':>6}" + "".join(f"{name:>14}" for name in OUTCOMES))
        everything = [each for results in found.values() for each in results]
        for kind, results in [*sorted(found.items()), ("all", everything)]:
            shares = "".join(f"{100 * results.count(name) / len(results):13.1f}%" for name in OUTCOMES)
            print(f"{kind:8} {len(results):6}{shares}")
        if file.stem in unseen:
            print(f"{'unseen':15}" + "".join(f"{share:13.1f}%" for share in unseen[file.stem]))


if __name__ == "__main__":
    main()
