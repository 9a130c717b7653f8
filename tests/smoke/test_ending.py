"""The demo ends when it is told to, every time, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

QUESTION = '{ patient(identifier: {value: "9994071009"}) { patient { names { family } } allergies { totalCount } } }'
SHERWOOD = [sys.executable, "-c", "import gateway.cli; gateway.cli.main()"]
COMMAND = [*SHERWOOD, "demo", "--port", "0"]


def end_one(tmp_path: object) -> None:
    """Start a demo, wait until it says that it is ready, interrupt it once."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "COLUMNS": "200"}
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        said = ""
        for line in demo.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/graphql(?=\s)", said)[:1]
        body = json.dumps({"query": QUESTION}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert b"Quillfeather" in answer.read()
        demo.send_signal(signal.SIGINT)
        try:
            demo.wait(30)
        except subprocess.TimeoutExpired:
            demo.kill()
            pytest.fail("the demo did not end within 30 s of one interrupt")
    assert os.listdir(str(tmp_path)) == []


def test_one_interrupt_ends_the_demo_and_nothing_is_kept(tmp_path: object) -> None:
    for _ in range(3):
        end_one(tmp_path)


def test_what_serves_says_where_once_it_answers_and_one_interrupt_ends_it(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("", encoding="utf-8")
    with subprocess.Popen([*SHERWOOD, "serve", "-c", str(config), "--port", "0"], stderr=subprocess.PIPE) as gateway:
        try:
            assert gateway.stderr is not None
            said = json.loads(gateway.stderr.readline())
            with urllib.request.urlopen(f"{said['url']}/healthz", timeout=30) as answer:
                assert answer.read() == b"alive\n"
            gateway.send_signal(signal.SIGINT)
            gateway.wait(30)
        finally:
            gateway.kill()
    assert said["event"] == "serving"


@pytest.mark.slow
def test_twenty_demos_end_at_one_interrupt_each(tmp_path: object) -> None:
    for _ in range(20):
        end_one(tmp_path)
