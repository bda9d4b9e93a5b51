"""A key in the environment of every command, which judges send to a server that repeats it: it is in no output."""

import argparse
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import reeltune.cli
from faults.commands import ROOT, commands, small
from faults.table import Row
from faults.zygote import run

CANARY = "sk-canary-51f0c2d9"
ANSWERS = (200, 500, 200, 429)
REFUSES = "/refuses"
"""Paths below it are answered with 401."""
LEFT_OUT = {"reproduce": "trains and evaluates for minutes, by the same code", "explore": "a server; does not end"}


def canary(scratch: Path) -> Row:
    """Every command with the key in its environment, and those that judge with a server that repeats it."""
    row = Row("world", "a key in all outputs")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.asked = 0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["CANARY"] = CANARY
    place = scratch / "canary"
    inputs = place / "inputs"
    known = [(each.name, each.main, each.words, each.processes) for each in commands(inputs)]
    address = f"http://127.0.0.1:{server.server_port}/v1"
    more = [(" ".join(words[:2]), reeltune.cli.main, words, 1) for words in _judged(place, inputs, address)]
    more += [(" ".join(words[:2]), reeltune.cli.main, words, 1) for words in _after(place, inputs)]
    known_to_hold: set[Path] = set()
    for number, (name, call, words, processes) in enumerate([*more, *known]):
        folder, said = place / f"out-{number}", place / f"out-{number}.txt"
        code = run(call, words, folder, said, processes=processes)
        files = {path for path in place.rglob("*") if path.is_file()} - known_to_hold
        holds = [path for path in files if CANARY.encode() in path.read_bytes()]
        known_to_hold |= set(holds)
        wrong = f"{name}: the key stands in {holds}" if holds else None
        failed = (
            f"{name}: exit code {code}\n{said.read_text(errors='replace')[-600:]}" if code not in (0, 1, 2) else None
        )
        row.took(wrong or failed)
    asked: int = server.asked  # type: ignore[attr-defined]
    server.shutdown()
    tried = {words[0] for _, call, words, _ in [*more, *known] if call is reeltune.cli.main}
    row.note = f"{len(tried)} commands; the server was asked {asked} times"
    if missing := _all_commands() - tried - LEFT_OUT.keys():
        row.took(f"not tried: {', '.join(sorted(missing))}")
    if asked < len(ANSWERS):
        row.took(f"the server was asked {asked} times only: too little was shown")
    return row


def _judged(place: Path, inputs: Path, address: str) -> list[list[str]]:
    """What asks the server: a score, a training run, an evaluation; and keys where none belong."""
    samples, predictions = place / "samples.jsonl", place / "predictions.jsonl"
    video = inputs / "videos" / "0001.mp4"
    asked = [
        {"id": str(n), "video": str(video), "task": "open_ended", "question": f"Why {n}?", "target": "It rains."}
        for n in range(4)
    ]
    samples.write_text("".join(json.dumps(each) + "\n" for each in asked))
    predictions.write_text(
        "".join(json.dumps({"id": each["id"], "text": "<answer>wet</answer>"}) + "\n" for each in asked)
    )
    settings = {"base_url": address, "model": "m", "api_key_env": "CANARY", "attempts": "3", "backoff_s": "0.01"}
    judge = [word for key, value in settings.items() for word in ("--judge-set", f"{key}={value}")]
    score = ["score", str(samples), str(predictions), "--json", "out.json", "--judge", "openai", *judge]
    recipe = ["judge.kind=openai", *(f"judge.{key}={value}" for key, value in settings.items())]
    train = [*small(inputs, "grpo"), f"data.train={samples}", f"eval.data={samples}", "run.dir=../run", *recipe]
    evaluate = [
        "eval", "toyworld:base", str(samples), "-o", "../eval", "--recipe", str(ROOT / "recipes/toy/grpo.yaml"),
        *small(inputs, "grpo")[3:-4], *recipe,
    ]  # fmt: skip
    refused = [word.replace("/v1", f"{REFUSES}/v1") for word in score]
    wrong = [f"api_key_env={CANARY}", f"api_key={CANARY}", f"base_url=http://{CANARY}@h/"]
    misplaced = [[*score, "--judge-set", setting] for setting in wrong]
    misplaced += [[*train, "run.dir=out", f"judge.{setting}"] for setting in wrong]
    asked_of = ["eval", "m", str(samples), "-o", "out", "--endpoint", address, "--endpoint-key-env"]
    return [score, refused, train, evaluate, *misplaced, [*asked_of, "CANARY"], [*asked_of, CANARY]]


def _after(place: Path, inputs: Path) -> list[list[str]]:
    """All other commands, on what the first ones wrote."""
    run_, grpo, video = str(place / "run"), str(ROOT / "recipes/toy/grpo.yaml"), str(inputs / "videos" / "0001.mp4")
    samples, model = str(place / "samples.jsonl"), f"{run_}/checkpoints/step-000001/model"
    lora = [*small(inputs, "sft"), "adapter={rank: 4}", "run.dir=../lora"]
    return [
        ["report", run_], ["report", run_, "--export", "out"], ["view", run_], lora,
        ["merge", str(place / "lora/checkpoints/step-000001/adapter"), "-o", "out"],
        ["push", run_, "a/b", "-o", "out"], ["ask", model, video, "Why?", "-o", "page.html"],
        ["compare", str(place / "eval"), str(place / "eval"), "--json", "out.json"],
        ["config", grpo, "judge.api_key_env=CANARY"], ["config", grpo, f"judge.api_key_env={CANARY}"],
        ["plan", grpo, "judge.api_key_env=CANARY", "--json", "out.json"], ["doctor", "--json", "out.json"],
        ["data", "check", samples, "--fix", "out.jsonl", "--json", "out.json", "--decode", "--plot", "out.svg"],
        ["data", "export", samples, "--to", "trl", "-o", "out.jsonl"], ["recipes", "copy", "toy/grpo", "out.yaml"],
        ["recipes", "list"], ["completion", "bash"], ["serve", "toyworld:base", "--print"],
    ]  # fmt: skip


def _all_commands() -> set[str]:
    parser = reeltune.cli.make_parser()
    return {
        name for action in parser._actions if isinstance(action, argparse._SubParsersAction) for name in action.choices
    }


class _Echo(BaseHTTPRequestHandler):
    """A server that repeats all that it was sent, the key among it, as an error and as an answer."""

    def do_POST(self) -> None:
        sent = str(self.headers) + self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = json.dumps({"error": {"message": sent}, "choices": [{"message": {"content": sent}}]}).encode()
        code = ANSWERS[self.server.asked % len(ANSWERS)]  # type: ignore[attr-defined]
        self.send_response(401 if self.path.startswith(REFUSES) else code)
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Sent", self.headers.get("Authorization", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
