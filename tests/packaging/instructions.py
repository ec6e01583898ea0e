"""Shell commands of docs/operations.md, so that tests can follow them to the letter."""

import re
import subprocess
from pathlib import Path

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def block_with(words: str) -> str:
    """The one fenced block of shell commands that holds these words."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", _PAGE.read_text(), re.M | re.S)
    (found,) = (block for block in blocks if words in block)
    return str(found)


def follow(block: str, folder: Path) -> None:
    """Run the commands in a folder; any that fails fails the test."""
    script = f"set -euo pipefail\n{block}"
    run = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
