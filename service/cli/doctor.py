"""`fss doctor`."""

import asyncio
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from service.cli.failure import FAILED, CommandError
from service.cli.machine import (
    Gpus,
    gpus,
    memory_bytes,
    missing_cuda_libraries,
    onnxruntime_builds,
    processor_features,
)
from service.cli.quiet import quiet_engine
from service.units import GIB

if TYPE_CHECKING:
    from service.engine import Engine
    from service.settings import Settings
    from service.stores import SessionStore

Verdict = Literal["ok", "note", "bad"]
_STORE_ADVICE = {
    "AuthenticationError": "look at the user and password of FSS_STORE_URL",
    "NOPERM": "its user may not use keys that begin with FSS_STORE_PREFIX, or not run scripts",
    "READONLY": "FSS_STORE_URL names a replica, not the primary",
    "OOM": "it is full, and refuses to register more",
    "MISCONF": "it cannot write to its disk",
}


class Finding(NamedTuple):
    """One thing that was looked at; what is `bad` does not work, a `note` is for information."""

    about: str
    verdict: Verdict
    text: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what the service would run on here, and why a GPU is not used.

    Looks at the processor, memory, onnxruntime, GPU, settings, bundles, session store, API keys,
    traces and jobs, and runs one inference of each bundle. The exit status is 1 if something would
    not work.
    """
    quiet_engine()
    findings = list(examine())
    if as_json:
        print(json.dumps([each._asdict() for each in findings], indent=2))
    else:
        for each in findings:
            print(f"{each.verdict:<5}{each.about:<14}{each.text}")
    if any(each.verdict == "bad" for each in findings):
        raise typer.Exit(FAILED)


def examine() -> Iterator[Finding]:
    """Everything there is to say, from the machine up to an inference."""
    yield _processor()
    yield _memory()
    yield _builds(onnxruntime_builds())
    settings = None
    try:
        settings = _settings()
        yield Finding("settings", "ok", f"devices {settings.devices}, {settings.precision}")
    except CommandError as exc:
        yield Finding("settings", "bad", str(exc))
    yield _gpu("auto" if settings is None else settings.devices)
    if settings is not None:
        yield from _bundles(settings)
        yield asyncio.run(_store(settings))
        yield _keys(settings)
        yield _traces(settings)
        yield _jobs(settings)


def why_no_gpu(
    found: Gpus, providers: list[str], missing: Callable[[], list[str]], devices: str
) -> Finding:
    """Whether a GPU would be used, and if not, what is in the way."""
    if found.driver is None:
        return Finding("gpu", "note", "not used: there is no NVIDIA driver; the CPU works")
    if not found.number:
        return Finding("gpu", "note", f"not used: driver {found.driver} shows no GPU")
    shown = f"{found.number}, driver {found.driver}"
    if devices != "auto" and "cuda" not in devices and "tensorrt" not in devices:
        return Finding("gpu", "note", f"{shown}; not used: FSS_DEVICES={devices}")
    if "CUDAExecutionProvider" not in providers:
        advice = "install requirements-gpu.txt in an environment of its own"
        return Finding("gpu", "note", f"{shown}; not used: onnxruntime is built for CPU; {advice}")
    if lacking := missing():
        return Finding("gpu", "bad", f"{shown}; {', '.join(lacking)} cannot be loaded")
    return Finding("gpu", "ok", shown)


def _processor() -> Finding:
    from model.runtime.precision import multiplies_bytes
    from service.engine import available_cpus

    features = processor_features()
    text = f"{available_cpus()} of {os.cpu_count()} cores; {' '.join(features) or 'no AVX2'}"
    if multiplies_bytes():
        return Finding("processor", "ok", text)
    return Finding("processor", "note", f"{text}; no VNNI: fp32")


def _memory() -> Finding:
    usable = memory_bytes()
    if usable is None:
        return Finding("memory", "note", "unknown")
    verdict: Verdict = "ok" if usable >= 2 * GIB else "note"
    return Finding("memory", verdict, f"{usable / GIB:.1f} GiB")


def _builds(builds: list[str]) -> Finding:
    import onnxruntime as ort

    providers = ", ".join(ort.get_available_providers())
    if len(builds) > 1:
        advice = "they overwrite each other: uninstall both, then install one"
        return Finding("onnxruntime", "bad", f"{' and '.join(builds)}; {advice}")
    return Finding("onnxruntime", "ok", f"{''.join(builds) or ort.__version__}; {providers}")


def _gpu(devices: str) -> Finding:
    import onnxruntime as ort

    return why_no_gpu(gpus(), ort.get_available_providers(), missing_cuda_libraries, devices)


def _settings() -> "Settings":
    from service.cli.serve import startup_errors_as_messages
    from service.environment import read_settings

    with startup_errors_as_messages():
        return read_settings()


def _bundles(settings: "Settings") -> Iterator[Finding]:
    """Each bundle loaded and run once, one at a time; those of the folder by their directories."""
    from model.contract import Manifest
    from service.assembly import create_bundle_folder, create_loader
    from service.cli.serve import startup_errors_as_messages
    from service.engine import REFUSALS, require_own_revision

    bundles, seen = create_bundle_folder(settings), list[Manifest]()
    try:
        with startup_errors_as_messages():
            load = create_loader(settings)
        directories = [bundles.bundle] if settings.engine == "fake" else bundles.directories()
    except (CommandError, OSError) as exc:
        yield Finding("bundle", "bad", str(exc))
        return
    for directory in directories:
        place = "" if directory == bundles.bundle else f"{directory.name}: "
        try:
            engine = load(directory)
            require_own_revision(engine.manifest, seen)
        except REFUSALS as exc:
            yield Finding("bundle", "bad", f"{place}{exc}")
            continue
        seen.append(engine.manifest)
        verdict, text = asyncio.run(_tried(engine))
        yield Finding("bundle", verdict, f"{place}{text}")


async def _tried(engine: "Engine") -> tuple[Verdict, str]:
    """What comes of running a bundle once, as the service does before it is ready."""
    name = engine.manifest.model
    await engine.start()
    try:
        if engine.failure is not None or not engine.ready:
            return "bad", f"{name}: {engine.failure or 'no inference'}"
        devices = ", ".join(f"{device} in {each}" for device, each in engine.devices.items())
        return "ok", f"{name} works on {devices}"
    finally:
        await engine.stop()


async def _store(settings: "Settings") -> Finding:
    """Whether a session can be made, read and deleted; an empty one, under an id of its own."""
    from service.assembly import create_store
    from service.errors import ServiceError, StoreUnavailableError

    store = create_store(settings, {})
    try:
        await store.ping()
        await _try_session(store)
    except StoreUnavailableError as exc:
        advice = _STORE_ADVICE.get(exc.reason, "look at FSS_STORE_URL")
        return Finding("sessions", "bad", f"cannot be kept ({exc.reason}): {advice}")
    except ServiceError as exc:
        return Finding("sessions", "bad", f"cannot be kept: {exc.title}")
    finally:
        await store.close()
    kind = settings.store_url.get_secret_value().partition(":")[0]
    return Finding("sessions", "ok", f"{kind} keeps them")


async def _try_session(store: "SessionStore") -> None:
    from service.stores import SessionContent, SessionKey

    key = SessionKey("", f"doctor-{secrets.token_hex(16)}")
    await store.restore(key, SessionContent("doctor", time.time(), {}))
    await store.get(key)
    await store.delete(key)


def _keys(settings: "Settings") -> Finding:
    from service.access import KeyFile, KeyFileError

    if settings.api_keys_file is None:
        return Finding("keys", "note", "none: whoever reaches the service may use it")
    try:
        keys = KeyFile(settings.api_keys_file)
    except KeyFileError as exc:
        return Finding("keys", "bad", f"FSS_API_KEYS_FILE: {exc}")
    return Finding("keys", "ok", f"{len(keys)} in {settings.api_keys_file.name}")


def _traces(settings: "Settings") -> Finding:
    """Whether the variables of OpenTelemetry can be used; the collector is not asked."""
    from service.assembly import create_tracer
    from service.telemetry import TracingError

    try:
        tracer = create_tracer(settings)
    except TracingError as exc:
        return Finding("traces", "bad", f"OTEL_*: {exc}")
    if tracer is None:
        return Finding("traces", "note", "sent nowhere: FSS_OTLP_ENDPOINT is not set")
    tracer.shutdown()
    return Finding("traces", "ok", "sent to FSS_OTLP_ENDPOINT")


def _jobs(settings: "Settings") -> Finding:
    """The directory of jobs, in which nothing is changed; a service that runs has it to itself."""
    from service.jobs import JobsDirectoryError, check_jobs_directory

    if settings.jobs_dir is None:
        return Finding("jobs", "note", "switched off: FSS_JOBS_DIR is empty")
    try:
        return Finding("jobs", "ok", f"kept in {check_jobs_directory(settings.jobs_dir)}")
    except JobsDirectoryError as exc:
        # Without the default directory a service works as well.
        harmless = exc.busy or settings.jobs_dir == "auto"
        return Finding("jobs", "note" if harmless else "bad", str(exc))
