"""Files that are replaced as a whole."""

from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write atomically: a reader finds the old file or the new one, never half of one."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
