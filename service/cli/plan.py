"""`fss plan`: what a load needs; `plan-measure`: unit costs here; `simulate`: what breaks first."""

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.failure import USAGE, CommandError, field_messages
from service.planning.defaults import DEFAULT_PROFILE, DEFAULT_SHARE, Routing
from service.units import GIB

if TYPE_CHECKING:
    from service.planning.profile import Profile

Profiled = Annotated[str, typer.Option("--profile", help="Unit costs: a shipped name or a file.")]
Gpu = Annotated[
    str | None, typer.Option(help="Estimate for this GPU instead, such as h100; not measured.")
]
Net = Annotated[Literal["lite", "base", "r50"], typer.Option(help="Network of the estimate.")]
Share = Annotated[
    float,
    typer.Option("--gpu-share", min=0.01, max=1, help="Share of its peak that the GPU reaches."),
]
Cores = Annotated[int, typer.Option("--gpu-cores", min=1, help="Cores of the host for each GPU.")]
Classes = Annotated[int, typer.Option(min=1, help="Classes of each session.")]
Shots = Annotated[int, typer.Option(min=1, max=1024, help="Shots of each class.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")]


def plan(
    rps: Annotated[float, typer.Option(min=0.001, help="Segment requests a second, at the peak.")],
    classes: Classes = 1,
    shots: Shots = 5,
    images: Annotated[int, typer.Option(min=1, max=16, help="Images of each request.")] = 1,
    close_ups: Annotated[
        float, typer.Option(min=0, max=8, help="Mean number of close-ups of an image (mode=auto).")
    ] = 0.0,
    sessions: Annotated[int, typer.Option(min=2, help="Sessions alive at once.")] = 100_000,
    session_hours: Annotated[float, typer.Option(min=0.01, help="Hours a session lives.")] = 8.0,
    encode_hits: Annotated[
        float, typer.Option(min=0, max=1, help="Share of images that the replica has seen before.")
    ] = 0.0,
    routing: Annotated[
        Routing, typer.Option(help="Requests of a session go to one replica, or to any.")
    ] = "affinity",
    utilisation: Annotated[
        float, typer.Option(min=0.05, max=0.99, help="Share of devices and cores to plan with.")
    ] = 0.7,
    p99: Annotated[
        float, typer.Option(min=0.001, help="Longest p99 of a request, in seconds.")
    ] = 1.0,
    zones: Annotated[int, typer.Option(min=1, help="Zones, one of which may fail.")] = 3,
    copies_gib: Annotated[
        float,
        typer.Option(min=0.01, help="GiB of session copies in a replica (FSS_MAX_STORE_BYTES)."),
    ] = 1.0,
    redis_gib: Annotated[float, typer.Option(min=0.1, help="GiB of memory of one Redis.")] = 64.0,
    redis_gbit: Annotated[
        float, typer.Option(min=0.1, help="Gbit/s that one Redis can send.")
    ] = 10.0,
    profile: Profiled = DEFAULT_PROFILE,
    gpu: Gpu = None,
    network: Net = "lite",
    gpu_share: Share = DEFAULT_SHARE,
    gpu_cores: Cores = 8,
    as_json: Json = False,
) -> None:
    """Replicas, devices, Redis and network for a load, with all assumptions."""
    from pydantic import ValidationError
    from rich.console import Console

    from service.planning.fleet import PlanError
    from service.planning.plan import make_plan
    from service.planning.profile import ProfileError
    from service.planning.report import plan_tables
    from service.planning.workload import Workload

    try:
        workload = Workload(
            rps=rps,
            classes=classes,
            shots=shots,
            images=images,
            close_ups=close_ups,
            sessions=sessions,
            session_hours=session_hours,
            encode_hits=encode_hits,
            routing=routing,
            utilisation=utilisation,
            p99_s=p99,
            zones=zones,
            copies_bytes=copies_gib * GIB,
            redis_bytes=redis_gib * GIB,
            redis_bytes_s=redis_gbit * 1e9 / 8,
        )
        made = make_plan(workload, _profile(profile, gpu, network, gpu_share, gpu_cores))
    except ValidationError as exc:
        raise CommandError("; ".join(field_messages(exc)), USAGE) from exc
    except (PlanError, ProfileError) as exc:
        raise CommandError(str(exc), USAGE) from exc
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
        return
    for each in plan_tables(made):
        Console().print(each)


def plan_measure(
    out: Annotated[Path, typer.Option(help="File to write the profile to.")],
    url: Annotated[str, typer.Option(help="A service nobody uses.")] = "http://127.0.0.1:8000",
    redis: Annotated[str, typer.Option(help="A Redis nobody uses.")] = "redis://127.0.0.1:6379/0",
    machine: Annotated[str, typer.Option(help="What it runs on, for readers.")] = "this machine",
    cores: Annotated[
        int, typer.Option(min=0, help="Cores of the service; 0: as many as here.")
    ] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Requests of each kind.")] = 10,
) -> None:
    """Unit costs of a running service and a Redis; a key is read from FSS_CLIENT_KEY."""
    from rich.console import Console
    from rich.progress import Progress

    from service.planning.measure import MeasureOptions, measure, steps
    from service.planning.profile import ProfileError

    if out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK):
        raise CommandError(f"{out} cannot be written", USAGE)
    count = cores or len(os.sched_getaffinity(0))
    key = os.environ.get("FSS_CLIENT_KEY")
    seed = secrets.randbits(32)  # a service remembers the images of another measurement
    options = MeasureOptions(url, redis, out.stem, count, machine, key, repeats, seed)
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("requests", total=steps(options))
            found = measure(options, lambda: bar.advance(task))
        out.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except (ProfileError, OSError) as exc:
        raise CommandError(str(exc)) from exc
    typer.echo(f"{out}: plan with --profile {out}")


def simulate(
    replicas: Annotated[
        int, typer.Option(min=10, help="Replicas of the fleet, a device each.")
    ] = 1000,
    sessions: Annotated[int, typer.Option(min=10, help="Sessions alive at once.")] = 10_000_000,
    classes: Classes = 5,
    shots: Shots = 5,
    cells: Annotated[int, typer.Option(min=1, help="Redis cells of the better designs.")] = 200,
    copies_gib: Annotated[
        float,
        typer.Option(
            min=0.01,
            help="GiB of session copies in a replica (FSS_MAX_STORE_BYTES) of the last design.",
        ),
    ] = 10.0,
    sample: Annotated[
        int, typer.Option(min=10, help="Replicas that are simulated, out of all.")
    ] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    profile: Profiled = DEFAULT_PROFILE,
    gpu: Gpu = "h100",
    network: Net = "lite",
    gpu_share: Share = DEFAULT_SHARE,
    gpu_cores: Cores = 8,
    as_json: Json = False,
) -> None:
    """Designs under rising load and under faults, one request at a time."""
    from pydantic import ValidationError
    from rich.console import Console
    from rich.progress import Progress

    from service.planning.profile import ProfileError
    from service.planning.simulation import Scenario
    from service.planning.simulation.study import designs, runs, study, study_tables
    from service.planning.workload import Workload

    try:
        base = Scenario(
            workload=Workload(rps=1, classes=classes, shots=shots, sessions=sessions),
            profile=_profile(profile, gpu, network, gpu_share, gpu_cores),
            replicas=replicas,
            sample=min(sample, replicas),
            seed=seed,
        )
    except ValidationError as exc:
        raise CommandError("; ".join(field_messages(exc)), USAGE) from exc
    except ProfileError as exc:
        raise CommandError(str(exc), USAGE) from exc
    asked = runs(base, designs(cells, copies_gib * GIB))
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("runs", total=len(asked))
        rows = list(study(asked, lambda: bar.advance(task)))
    if as_json:
        found = [{**row._asdict(), "outcome": row.outcome._asdict()} for row in rows]
        typer.echo(json.dumps({"profile": base.profile.model_dump(), "runs": found}, indent=2))
        return
    origin, capacity = base.profile.origin, f"{base.capacity_rps:,.0f}"
    typer.echo(f"{base.profile.name} ({origin}): {replicas} replicas can do {capacity} requests/s")
    for each in study_tables(rows):
        Console(width=120).print(each)


def _profile(name: str, gpu: str | None, network: str, share: float, cores: int) -> "Profile":
    from service.planning.gpu import estimate
    from service.planning.profile import load_profile

    base = load_profile(name)
    return base if gpu is None else estimate(base, network, gpu, share=share, cores=cores)
