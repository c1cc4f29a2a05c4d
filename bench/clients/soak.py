"""Ten minutes of the Python client, remote and local in two threads: VAULTSPAN_URL and VAULTSPAN_TOKEN.

Prints a JSON line each half minute, and fails if a call failed or memory grew after the first two minutes.
"""

from __future__ import annotations

import gc
import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

from vaultspan import Vaultspan

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
PAUSE_SECONDS = 0.02
MAX_GROWTH_BYTES = 16 * 1024 * 1024
begun = time.monotonic()
rows = [0, 0]


def left() -> float:
    return SECONDS - (time.monotonic() - begun)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work(at: int, local: Literal[False, "required"]) -> None:
    url, token = os.environ["VAULTSPAN_URL"], os.environ["VAULTSPAN_TOKEN"]
    with Vaultspan(url, token=token, local=local) as client:
        contoso = client.tenant("contoso")
        while left() > 0:
            context = {"table": "users", "id": str(rows[at])}
            row = {"email": f"ann{rows[at]}@example.org", "note": "x" * 200}
            sealed = contoso.encrypt_fields(row, context=context, key="compact")
            assert contoso.decrypt_fields(sealed, context=context) == row
            rows[at] += 1
            time.sleep(PAUSE_SECONDS)


samples: list[tuple[float, int]] = []
with ThreadPoolExecutor(2) as pool:
    running: list[Future[None]] = [pool.submit(work, 0, False), pool.submit(work, 1, "required")]
    while left() > 0 and not any(one.done() for one in running):
        time.sleep(min(30, SECONDS / 20))
        gc.collect()
        samples.append((SECONDS - left(), resident_bytes()))
        sample = {"client": "python", "seconds": round(samples[-1][0]), "rows": sum(rows), "rssBytes": samples[-1][1]}
        print(json.dumps(sample), flush=True)
    for one in running:
        one.result()
warm = next(size for seconds, size in samples if seconds >= SECONDS / 5)
assert samples[-1][1] - warm < MAX_GROWTH_BYTES, "memory grows"
