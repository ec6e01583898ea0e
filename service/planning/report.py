"""A plan as tables, with everything it assumes."""

from collections.abc import Sequence

from rich.table import Table

from service.planning.plan import Plan
from service.planning.profile import Profile

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """Bytes with a decimal unit."""
    for unit in _UNITS[:-1]:
        if abs(count) < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {_UNITS[-1]}"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose first column names the row."""
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        made.add_row(*row)
    return made


def plan_tables(plan: Plan) -> list[Table]:
    """Fleet, Redis and network, then the assumptions."""
    fleet, store, network = plan.fleet, plan.store, plan.network
    kind = "GPUs" if fleet.gpus else "cores"
    rows = [
        ("replicas for the peak", f"{fleet.needed}", f"limited by {fleet.limited_by}"),
        ("replicas with one zone lost", f"{fleet.replicas}", f"{plan.workload.zones} zones"),
        ("pods while upgrading", f"{fleet.while_upgrading}", f"surge {plan.workload.surge:.0%}"),
        (kind, f"{fleet.gpus or fleet.cores}", f"{fleet.cores} cores in all"),
        ("share of registrations", f"{fleet.registration_share:.1%}", _registrations(plan)),
        ("requests/s a replica at most", f"{fleet.replica_rps:.1f}", _ms(fleet.request_s)),
        ("p99 of the peak's replicas", _ms(fleet.p99_s), f"{fleet.utilisation:.0%} busy"),
        ("a session in Redis", size(store.session_bytes), f"{plan.workload.sessions:,} of them"),
        ("Redis memory", size(store.memory_bytes), "without replicas of Redis"),
        ("found beside Redis", f"{store.copy_hits:.1%}", f"{store.copies_a_replica:.0f} a replica"),
        ("Redis sends", f"{size(store.out_bytes_s)}/s", f"takes {size(store.in_bytes_s)}/s"),
        ("Redis commands/s", f"{store.commands_s:.0f}", f"{store.core_share:.2f} cores of Redis"),
        ("Redis cells", f"{store.cells}", f"limited by {store.limited_by}"),
        ("clients send", f"{size(network.in_bytes_s)}/s", f"get {size(network.out_bytes_s)}/s"),
    ]
    load = plan.workload
    title = f"{load.rps:g} requests/s, {load.classes} classes x {load.shots} shots: {_what(plan)}"
    return [table(title, ("", "needed", ""), rows), _assumptions(plan)]


def _what(plan: Plan) -> str:
    profile = plan.profile
    return f"{profile.model} {profile.precision}, {profile.origin}"


def _assumptions(plan: Plan) -> Table:
    rows = [(name, f"{value}") for name, value in plan.workload.model_dump().items()]
    rows.append(("registrations", "adapt=auto, report=true, no close-ups"))
    return table("Assumptions", ("", ""), rows + _unit_costs(plan.profile))


def _registrations(plan: Plan) -> str:
    return f"{plan.workload.registrations_s:.3g} sessions/s"


def _unit_costs(profile: Profile) -> list[tuple[str, str]]:
    rows = [("unit costs", f"{profile.origin}, {profile.date}"), ("machine", profile.machine)]
    rows += [("", each) for each in profile.assumptions]
    for name in ("engine", "host", "registration", "wire", "store"):
        part = getattr(profile, name).model_dump()
        rows += [
            (f"{name}.{cost}", f"{value:.4g}" if isinstance(value, float) else f"{value}")
            for cost, value in part.items()
        ]
    return rows


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
