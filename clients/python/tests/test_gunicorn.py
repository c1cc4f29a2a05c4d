"""gunicorn with --preload: the client is made in the parent, and each worker is a fork of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import FakeService
from lease_service import LeaseAnswers

import vaultspan

pytest.importorskip("gunicorn")

APP = """
import glob
import os
import time
from vaultspan import Vaultspan

contoso = Vaultspan({url!r}, token="t", local="required").tenant("contoso")
PARENT = {parent}

def app(environ, start_response):
    # Each request waits for the other, so that one worker cannot serve both.
    open(f"served-{{os.getpid()}}", "w").close()
    while len(glob.glob("served-*")) < 2:
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{{os.getpid()}} {{contoso.encrypt('a')}}".encode()]

if PARENT:
    contoso.encrypt("a")  # the parent holds a key, connections and a thread when it forks
"""


@pytest.mark.parametrize("parent", [False, True])
def test_no_two_workers_share_a_leaf(fake: FakeService, tmp_path: Path, parent: bool) -> None:
    fake.answer = LeaseAnswers()
    (tmp_path / "service_app.py").write_text(APP.format(url=fake.url, parent=parent))
    listener = socket.create_server(("127.0.0.1", 0))  # requests wait in it until a worker accepts them
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    options = ["--preload", "--workers=2", "--timeout=120", f"--bind=fd://{listener.fileno()}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "service_app:app"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(vaultspan.__file__).parent.parent)},
        pass_fds=[listener.fileno()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )

    def ask() -> tuple[str, str]:
        with urllib.request.urlopen(url, timeout=60) as answer:
            pid, sealed = answer.read().decode().split()
        return pid, sealed.split(".")[0]

    try:
        with listener, ThreadPoolExecutor(2) as pool:
            answers = [asked.result() for asked in [pool.submit(ask), pool.submit(ask)]]
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=60)
        print(output.decode())  # shown when the test fails
    assert [len(set(column)) for column in zip(*answers, strict=True)] == [2, 2]
    taken = [seen.path for seen in fake.seen if seen.path.endswith("/leases")]
    assert len(taken) == 2 + parent
    assert server.returncode == 0
