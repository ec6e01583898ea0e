"""The code of docs/client.md runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/client.md").read_text(), re.M | re.S)


@pytest.mark.parametrize("block", BLOCKS)
def test_code_runs(url: str, block: str) -> None:
    assert "http://127.0.0.1:8000" in block
    code = block.replace("http://127.0.0.1:8000", url)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout
