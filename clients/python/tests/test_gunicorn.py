"""gunicorn with --preload: the client is made in the parent, and each worker is a fork of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import FakeService
from lease_service import LeaseAnswers

import vaultspan

pytest.importorskip("gunicorn")

APP = """
import os
from vaultspan import Vaultspan

contoso = Vaultspan({url!r}, token="t", local="required").tenant("contoso")
PARENT = {parent}

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{{os.getpid()}} {{contoso.encrypt('a')}}".encode()]

if PARENT:
    contoso.encrypt("a")  # the parent holds a key, connections and a thread when it forks
"""


@pytest.mark.parametrize("parent", [False, True])
def test_no_two_workers_share_a_leaf(fake: FakeService, tmp_path: Path, parent: bool) -> None:
    fake.answer = LeaseAnswers()
    (tmp_path / "service_app.py").write_text(APP.format(url=fake.url, parent=parent))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers=2", f"--bind={bind}", "service_app:app"]
    env = {**os.environ, "PYTHONPATH": str(Path(vaultspan.__file__).parent.parent)}
    server = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    leaves: dict[str, set[str]] = {}
    try:
        ends = time.monotonic() + 20
        while len(leaves) < 2 and server.poll() is None and time.monotonic() < ends:
            try:
                with urllib.request.urlopen(f"http://{bind}/", timeout=5) as answer:
                    pid, sealed = answer.read().decode().split()
            except OSError:
                time.sleep(0.05)
                continue
            leaves.setdefault(pid, set()).add(sealed.split(".")[0])
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=20)
    assert len(leaves) == 2, output.decode()
    assert len(set.union(*leaves.values())) == 2
    taken = [seen.path for seen in fake.seen if seen.path.endswith("/leases")]
    assert len(taken) == 2 + parent
    assert server.returncode == 0
