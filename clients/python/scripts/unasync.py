"""Makes the blocking client of the asyncio one: python scripts/unasync.py [--check]."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "vaultspan"
SOURCE, TARGET = PACKAGE / "_async_client.py", PACKAGE / "_client.py"
RULES = [
    (
        r'"""The client of asyncio\..*?"""',
        '"""The blocking client. Made of _async_client.py by scripts/unasync.py: edit that."""',
    ),
    (
        r"Calls at the same time travel to the service in batches, as those with ``_many`` do\.",
        "The calls with ``_many`` travel to the service in batches.",
    ),
    (r"A blocking source is read in a thread\.", "They are read in a thread."),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"\b_async_service\b", "_service"),
    (r"\bhttpx\.AsyncClient\b", "httpx.Client"),
    (r"that serves\n    forked children and later event loops too\.", "that serves\n    forked children too."),
    (r"\bAsync(?=[A-Z])", ""),
]

text = SOURCE.read_text()
for pattern, replacement in RULES:
    text = re.sub(pattern, replacement, text)
for command in (["check", "--fix", "--quiet"], ["format", "--quiet"]):
    ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET), "-"]
    text = subprocess.run(ruff, input=text, text=True, capture_output=True, check=True).stdout
if "--check" not in sys.argv:
    TARGET.write_text(text)
elif not TARGET.exists() or TARGET.read_text() != text:
    sys.exit("src/vaultspan/_client.py is stale: run python scripts/unasync.py")
