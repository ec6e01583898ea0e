"""Runs a command of `python -m model` inside the test's process."""

from model.__main__ import main


def run_command(name: str, **options: object) -> int:
    """The exit status of `python -m model NAME --option value …`."""
    flat = [
        part
        for key, value in options.items()
        for part in (f"--{key.replace('_', '-')}", str(value))
    ]
    try:
        return main([name, *flat])
    except SystemExit as ended:  # of argparse, for a value that an option does not take
        return ended.code if isinstance(ended.code, int) else 1
