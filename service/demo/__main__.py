"""`python -m service.demo`: start the service, show it the samples, print how well it did."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from service.client import ClientError
from service.demo.errors import DemoError
from service.demo.server import running_service, service_environment
from service.demo.table import format_table
from service.demo.tour import run_tour

_FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for results")
    out: Path = parser.parse_args(argv).out
    signal.signal(signal.SIGTERM, _leave)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with running_service(out / "service.log", service_environment()) as url:
            print(f"the service is ready at {url}")
            rows = run_tour(url, out)
    except (ClientError, DemoError, OSError) as exc:
        print(f"the demo failed: {exc}", file=sys.stderr)
        return _FAILED
    print(f"\n{format_table(rows)}\n\noverlays, masks and overview.jpg are in {out}/")
    return 0


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Unwind, so that the service is stopped, where a bare SIGTERM would orphan it."""
    sys.exit(_FAILED)


if __name__ == "__main__":
    sys.exit(main())
