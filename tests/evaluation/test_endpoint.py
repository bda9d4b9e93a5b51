"""`reeltune eval --endpoint`: models that somebody else serves, over real HTTP, with the same prompts and readers."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.chat_endpoint import ChatEndpoint

from reeltune.cli import main
from reeltune.evaluation.endpoint import jpeg
from reeltune.video.digests import record_digests
from reeltune.video.encode import write_video


class Endpoint(ChatEndpoint):
    """Says one thing, whatever it is asked."""

    def __init__(self) -> None:
        self.says, self.ended = "<answer>1.0 to 2.0</answer>", "stop"
        super().__init__(lambda body: (self.says, self.ended))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.close()


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for index in range(3):
        write_video(tmp_path / f"{index}.mp4", rng.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8), 2.0)
        row = {"id": f"s{index}", "task": "temporal_grounding", "video": f"{index}.mp4", "query": "a dog runs"}
        rows.append(row | {"target": [[1.0, 2.0]]})
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluate(endpoint: Endpoint, samples: Path, *more: str, code: int = 0) -> dict[str, Any]:
    out = samples.parent / "out"
    words = ["eval", "somebody/their-model", str(samples), "-o", str(out), "--endpoint", endpoint.url, *more]
    assert main(words) == code
    return json.loads((out / "scores.json").read_text()) if code == 0 else {}


def test_the_file_is_sent_and_the_answer_scored_as_any(endpoint: Endpoint, samples: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("THEIR_KEY", "sk-abcdefghijkl")
    found = evaluate(endpoint, samples, "--endpoint-key-env", "THEIR_KEY", "data.system=Be brief.")
    assert found["temporal_grounding"]["miou"] == 100.0
    assert len(endpoint.bodies) == 3 and set(endpoint.keys) == {"Bearer sk-abcdefghijkl"}
    body = endpoint.bodies[0]
    assert body["model"] == "somebody/their-model" and body["temperature"] == 0.0
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    video, text = user["content"]
    sent = base64.b64decode(video["video_url"]["url"].removeprefix("data:video/mp4;base64,"))
    assert sent in [path.read_bytes() for path in samples.parent.glob("*.mp4")] and "a dog runs" in text["text"]
    identity = (samples.parent / "out" / "identity.json").read_text()
    assert "somebody/their-model, served, sent file" in identity and "sk-" not in identity


def test_frames_are_sent_after_their_times(endpoint: Endpoint, samples: Path) -> None:
    endpoint.ended = "length"
    found = evaluate(endpoint, samples, "--send", "frames", "video.max_frames=4")
    assert found["temporal_grounding"]["truncated"] == 100.0
    parts = endpoint.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"] * 4 + ["text"]
    assert parts[0]["text"] == "<0.0 seconds>" and parts[2]["text"] != parts[0]["text"]
    assert parts[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_what_cannot_be_sent_is_set_aside(endpoint: Endpoint, samples: Path) -> None:
    (samples.parent / "1.mp4").write_bytes(b"no video")
    found = evaluate(endpoint, samples, "--send", "frames", "video.max_broken_share=0.5")
    assert found["set_aside"] == 1 and len(endpoint.bodies) == 2


def test_a_file_with_other_bytes_than_recorded_is_not_sent(endpoint: Endpoint, samples: Path) -> None:
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert record_digests(rows, samples.parent) == []
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (samples.parent / "1.mp4").open("ab") as file:
        file.write(b"\0")
    found = evaluate(endpoint, samples, "video.max_broken_share=0.5")
    assert found["set_aside"] == 1 and len(endpoint.bodies) == 2


def test_nobody_there_is_a_temporary_failure(endpoint: Endpoint, samples: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("reeltune.judges.endpoint.LONGEST_PAUSE", 0.01)
    endpoint.close()
    evaluate(endpoint, samples, code=75)
    assert "--endpoint:" in capsys.readouterr().err


def test_a_jpeg_holds_the_frame() -> None:
    frame = np.zeros((32, 48, 3), dtype=np.uint8)
    frame[:, 24:] = (200, 40, 90)
    codec: Any = av.CodecContext.create("mjpeg", "r")
    [picture] = [*codec.decode(av.Packet(jpeg(frame)))]
    seen = picture.to_ndarray(format="rgb24")
    assert seen.shape == frame.shape and np.abs(seen.astype(int) - frame)[:, [4, 40]].max() < 12


def test_the_whole_conversation_is_sent(endpoint: Endpoint, samples: Path) -> None:
    """System message, earlier turns with what they show, images as images; what cannot be sent is set aside."""
    picture = samples.parent / "map.png"
    picture.write_bytes(b"the server's to read")
    row = {
        "id": "1", "task": "instruction", "instruction": "And now?", "response": "Yes.", "system": "Be short.",
        "media": [{"video": "1.mp4"}, {"image": "map.png"}],
        "turns": [
            {"role": "user", "text": "Is it dark?", "media": [{"video": "0.mp4"}]},
            {"role": "assistant", "text": "It is."},
        ],
    }  # fmt: skip
    part = row | {"id": "2", "media": [{"video": "1.mp4", "start": 0.5}]}
    samples.write_text(json.dumps(row) + "\n" + json.dumps(part) + "\n")
    evaluate(endpoint, samples, "video.max_broken_share=0.5")
    [body] = endpoint.bodies
    system, first, reply, last = body["messages"]
    assert (system["role"], system["content"]) == ("system", "Be short.")
    assert (reply["role"], reply["content"]) == ("assistant", "It is.")
    kinds = [[part["type"] for part in message["content"]] for message in (first, last)]
    assert kinds == [["video_url", "text"], ["video_url", "image_url", "text"]]
    assert last["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    [line] = (samples.parent / "out" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "2" and "with start of its own" in line
