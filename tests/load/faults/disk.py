"""The disk is full: not a byte can be written to any file."""

from pathlib import Path

from tests.load.faults.case import HANG_S, Case
from tests.load.faults.worker import LAUNCH
from tests.load.scenes import Size
from tests.load.service_process import ServiceProcess, bundle_path, serving
from tests.load.tenants import Style
from tests.load.traffic import Mix, Traffic

# Well over the megabyte from which form parsers like to write to temporary files.
_LARGE = Style(Size(480, 640), "png", fresh=2, images=4)


async def full_disk(case: Case) -> None:
    """Uploads of many megabytes are still served, since nothing touches the disk."""
    settings = {
        "FSS_BUNDLE": str(bundle_path(case.options.bundle, case.folder)),
        "TMPDIR": str(case.folder / "missing"),
        "HOME": str(case.folder / "missing"),
    }
    launch = (*LAUNCH, "--no-files")
    async with serving(case.folder, settings, launch=launch, keep_log=False) as process:
        limit = _file_limit(process)
        case.promise("no file may grow", limit == "0", f"limit {limit} bytes")
        tenants = await case.tenants(process.port, _LARGE, count=2)
        traffic = Traffic(process.port, tenants, Mix(registrations=0.3, timeout_s=HANG_S))
        tally = await traffic.closed_loop(case.options.clients, case.options.spell_s)
        size = len(tenants[0].questions[0].known.body.content) / 1e6
        case.promise_content(f"uploads of {size:.1f} MB", tally)


def _file_limit(process: ServiceProcess) -> str:
    limits = (Path("/proc") / str(process.pid) / "limits").read_text().splitlines()
    line = next(line for line in limits if line.startswith("Max file size"))
    return line.removeprefix("Max file size").split()[0]
