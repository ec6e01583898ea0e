"""Every number and switch of the service, read once from `FSS_*` in the entry point."""

import os
import re
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from limits import parse_many
from pydantic import (
    AfterValidator,
    BeforeValidator,
    DirectoryPath,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.device_names import device_names
from service.schemas import MAX_CLASSES
from service.store_url import MEMORY, StoreUrl
from service.units import MIB

SHIPPED_BUNDLES = Path(__file__).resolve().parent.parent / "model" / "bundles"
SHIPPED_BUNDLE = SHIPPED_BUNDLES / "base"

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
BatchSize = Annotated[int, Field(ge=1, le=256)]
_ORIGIN = re.compile(r"https?://[^/\s*?#@]+")
_TOKEN = re.compile(r"[\x21-\x7e]{0,4096}")  # what a header may hold
Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600, allow_inf_nan=False)]


def _ascending(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if not sizes or sizes[0] != 1 or sorted(set(sizes)) != list(sizes):
        raise ValueError("must ascend from 1, such as 1,2,4,8")
    return sizes


def _devices(text: str) -> str:
    if text != "auto":
        device_names(text)
    return text


def _rate_limits(text: str) -> str:
    if any(limit.amount < 1 or limit.get_expiry() < 1 for limit in parse_many(text)):
        raise ValueError("a rate limit allows at least one request")
    return text


def _proxies(text: str) -> str:
    try:
        for each in [] if text in {"", "*"} else text.split(","):
            ip_network(each.strip())
    except ValueError as exc:
        raise ValueError("must be addresses, networks such as 10.0.0.0/8, or * alone") from exc
    return text


def _words(text: object) -> object:
    return tuple(text.replace(",", " ").split()) if isinstance(text, str) else text


def _paths(text: object) -> object:
    return tuple(filter(None, text.split(os.pathsep))) if isinstance(text, str) else text


def _folder(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    if not path.is_dir():
        raise ValueError(f"{path} is no folder")
    return path


def _not_empty(text: object) -> object:
    if isinstance(text, str) and not text.strip():
        raise ValueError("must not be empty")
    return text


def _none_if_empty(text: object) -> object:
    return None if text == "" else text


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("must be such as https://label.example:8080, without a path")
    return text


def _without_slash(text: object) -> object:
    return text.removesuffix("/") if isinstance(text, str) else text


def _token(token: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError("must be at most 4096 printable ASCII characters, without spaces")
    return token


RateLimit = Annotated[str, AfterValidator(_rate_limits)]
Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_words)]
Folder = Annotated[Path, AfterValidator(_folder)]


class Settings(BaseSettings):
    """Frozen configuration; a value out of bounds stops the start with its name."""

    # What was given is not repeated in errors: it may hold passwords.
    model_config = SettingsConfigDict(
        env_prefix="FSS_",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    host: Annotated[str, BeforeValidator(_not_empty)] = "127.0.0.1"
    """Address to listen on; `0.0.0.0`: all IPv4 ones of this machine, for other machines to
    connect; `::`: all IPv6 ones."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0: any free one."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of log lines, which are JSON on standard error."""
    metrics: bool = True
    """Serve `GET /metrics`."""
    playground: bool = True
    """Serve the playground at `GET /`."""
    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://[^/\s?#]+[^\s?#]*$")] | None = None
    """Where to send traces, such as http://collector:4318; unset: nowhere. `OTEL_*` say how."""

    api_keys_file: Path | None = None
    """File of owners and the hashes of their keys; unset: no key is needed."""
    rate_limit: RateLimit | None = None
    """Most requests of one client, such as `600/minute;20/second`; unset: no limit."""
    max_client_requests: Annotated[int, Field(ge=0, le=65536)] = 0
    """Most requests of one client at a time; 0: half of `FSS_MAX_REQUESTS` with keys, else any."""
    forwarded_allow_ips: Annotated[str, AfterValidator(_proxies)] = "127.0.0.1"
    """Proxies whose X-Forwarded-For is believed: addresses and networks, by commas; * for all;
    empty: none."""
    cors_origins: Origins = ()
    """Origins whose pages may call the service, as `https://label.example`; by commas."""

    engine: Literal["onnx", "fake", "ray"] = "onnx"
    """Where inference runs: `onnx` here, `ray` in a pool (`docs/ray.md`); `fake` is for tests."""
    bundle: Annotated[Path, BeforeValidator(_not_empty)] = SHIPPED_BUNDLE
    """Bundle to serve; its name is that of the default model."""
    bundles: Annotated[DirectoryPath | None, BeforeValidator(_not_empty)] = None
    """A folder whose subfolders are further bundles; SIGHUP has it scanned again."""
    bundles_watch_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 0.0
    """Seconds between two looks for changed bundles; 0: look on SIGHUP alone."""
    bundle_key: Path | None = None
    """An Ed25519 public key; bundles without its signature are refused. Unset: not checked."""
    devices: Annotated[str, AfterValidator(_devices)] = "auto"
    """`auto` (every GPU, else the CPU), or for example `cuda:0,cuda:1`, `cpu`, or two halves of the
    CPU, `cpu:0,cpu:1`."""
    precision: Literal["auto", "fp32", "fp16", "int8"] = "auto"
    """Precision of the network; `auto`: the fastest of the bundle that the device can use well."""
    gpu_memory_bytes: Annotated[int, Field(ge=0)] = 0
    """Most memory of each graph on each GPU; 0: no limit."""
    threshold: Probability | None = None
    """Probability from which a pixel is marked, in place of the bundle's own."""

    intra_op_threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads of one graph; 0: as many as this process may use."""
    codec_threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads that decode images and encode masks of one client; all clients together have one
    more. 0: as many as this process may use."""
    batch_sizes: Annotated[
        tuple[BatchSize, ...], NoDecode, BeforeValidator(_words), AfterValidator(_ascending)
    ] = (1, 2, 4, 8)
    """Images in an encoder batch, ascending from 1; each size is run once at the start."""
    max_batch_pairs: Annotated[int, Field(ge=1, le=4096)] = 32
    """Most pairs of an image and a class in one head call."""
    max_batch_shots: Annotated[int, Field(ge=1, le=65536)] = 64
    """Most shots of all pairs of one head call, padded; bounds the memory of their tokens."""
    batch_wait_s: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Seconds that an idle device waits for more images; they join a busy one's batch anyway."""
    max_queued_images: Annotated[int, Field(ge=16, le=65536)] = 256
    """Most images that wait for the engine or are in it; more are refused with 503."""

    max_tiles: Annotated[int, Field(ge=4, le=65536)] = 512
    """Most tiles of one image; where more would be needed, each tile covers more."""
    max_tiled_images: Annotated[int, Field(ge=1, le=1024)] = 2
    """Most large images held while their tiles are worked on; others wait for their turn."""

    decode_cache_bytes: Annotated[int, Field(ge=0)] = 64 * MIB
    """Room for decoded query images, at the network's size; a repeated file is decoded once."""
    encode_cache_bytes: Annotated[int, Field(ge=0)] = 256 * MIB
    """Room for encoded query images, on each device; a repeated image is encoded once."""
    prediction_cache_bytes: Annotated[int, Field(ge=0, le=256 * MIB)] = 16 * MIB
    """Room for predictions: a class in an image, asked again, needs no inference; 0: none kept."""
    class_cache_bytes: Annotated[int, Field(ge=0)] = 256 * MIB
    """Room on each GPU, for each network, for the classes that were asked for last; 0: none."""
    stuck_s: Seconds = 120.0
    """Longest time of one batch, or of reloading the device, in seconds; then it counts as lost."""

    ray_num_gpus: Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)] = 0.0
    """GPUs of each replica of the pool: a share such as 0.5, or whole ones; 0: the CPU alone."""
    ray_num_cpus: Annotated[float, Field(gt=0, le=256, allow_inf_nan=False)] = 1.0
    """CPUs of each replica; also the threads of one graph where `FSS_INTRA_OP_THREADS` is 0."""
    ray_min_replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Fewest replicas of the pool."""
    ray_max_replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Most replicas of the pool; at least `FSS_RAY_MIN_REPLICAS`."""
    ray_target_requests: Annotated[int, Field(ge=1, le=4096)] = 16
    """Requests of a replica, waiting or in progress, above which the pool grows."""
    ray_max_ongoing: Annotated[int, Field(ge=1, le=4096)] = 32
    """Most requests in one replica, which share its batches; at least twice its largest batch."""
    ray_max_queued: Annotated[int, Field(ge=1, le=65536)] = 64
    """Most requests of this process that wait for a replica; more are refused with 503."""

    max_requests: Annotated[int, Field(ge=1, le=65536)] = 64
    """Most requests in progress at the same time, once their bodies have arrived."""
    upload_s: Seconds = 30.0
    """Longest time for the body of a request to arrive, in seconds."""
    max_wait_s: Seconds = 4.0
    """Longest expected queueing time, in seconds; requests expected to wait longer get 503."""
    deadline_s: Seconds = 60.0
    """Longest time for the response, in seconds, once the body has arrived."""
    drain_s: Annotated[int, Field(ge=0, le=3600)] = 30
    """How long open requests may finish after SIGTERM, in seconds."""
    keep_alive_s: Annotated[int, Field(ge=1, le=3600)] = 75
    """Seconds for which an idle connection stays open; more than proxies in front keep theirs."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1024 * MIB)] = 64 * MIB
    """Largest body of one request."""
    max_upload_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024 * MIB)] = 512 * MIB
    """Most bytes of the bodies of all requests together; at least one full body. One API key may
    use at most half of this at a time; an archive may also take at most half, and so may all
    archives together that are downloaded."""
    max_files: Annotated[int, Field(ge=1, le=16)] = 16
    """Most images of one request, and most masks."""
    max_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50_000_000
    """Most pixels of one image or mask."""
    max_pixels_in_flight: Annotated[int, Field(ge=0, le=100_000_000_000)] = 0
    """Most pixels of all images decoded or encoded at a time; 0: twice `FSS_MAX_PIXELS`."""

    store_url: StoreUrl = SecretStr(MEMORY)
    """Where sessions are kept: here, or in `redis://[user:password@]host:6379/0`, `rediss://` or
    `unix:///socket?db=0`."""
    store_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] = "fss"
    """Prefix of every key in Redis, so that several services can share one."""
    store_timeout_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 2.0
    """Longest time for a response of Redis, in seconds, and a second more for each 8 MiB of it;
    less than a readiness probe has."""
    ttl_s: Seconds = 3600.0
    """Seconds without a request after which a session ends."""
    max_sessions: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Most sessions that memory:// keeps; those longest unused go first."""
    max_classes: Annotated[int, Field(ge=1, le=MAX_CLASSES)] = 64
    """Most classes of one session; a label map has room for 254."""
    max_shots: Annotated[int, Field(ge=1, le=1024)] = 64
    """Most shots of one class."""
    max_store_bytes: Annotated[int, Field(ge=MIB)] = 1024 * MIB
    """Most bytes of prototypes in this process: all sessions, or with Redis its local copies."""
    max_owner_sessions: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Most sessions of one API key."""
    max_owner_bytes: Annotated[int, Field(ge=MIB)] = 256 * MIB
    """Most bytes of the prototypes of one API key."""

    label_studio_url: Annotated[Origin | None, BeforeValidator(_without_slash)] = None
    """Label Studio to be an ML backend of, such as http://label.example:8080; unset: none."""
    label_studio_token: Annotated[SecretStr, AfterValidator(_token)] = SecretStr("")
    """Token to read its tasks with: a legacy token or a personal access token."""
    label_studio_image_origins: Origins = ()
    """Where else its images may come from, such as `https://images.example`, by commas."""
    label_studio_shots: Annotated[int, Field(ge=1, le=64)] = 16
    """Most shots of one class, which are its newest annotations; at most `FSS_MAX_SHOTS`."""

    jobs_dir: Annotated[Path | Literal["auto"] | None, BeforeValidator(_none_if_empty)] = "auto"
    """Folder of jobs, for one process alone; `auto`: in the user's state folder; empty: no jobs."""
    jobs_folders: Annotated[tuple[Folder, ...], NoDecode, BeforeValidator(_paths)] = ()
    """Existing folders whose images any client may have segmented; by colons; unset: none."""
    jobs_max_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * MIB
    """Largest body that makes a job."""
    jobs_max_images: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most images of one job."""
    jobs_max_total_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024 * MIB
    """Most bytes of the images of all jobs."""
    jobs_max_owner: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Most jobs of one API key; without keys, of all clients together."""
    jobs_max_owner_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * MIB
    """Most bytes of the images of all jobs of one API key."""
    jobs_stall_s: Seconds = 30.0
    """Longest time without progress while the body of a job arrives, however long it takes."""
    jobs_ttl_s: Annotated[float, Field(gt=0, le=366 * 24 * 3600, allow_inf_nan=False)] = 604800.0
    """Seconds after which a job that has ended is removed, with its images and results."""

    @property
    def max_client_upload_bytes(self) -> int:
        """Most bytes of the bodies of one client together, of an archive, or of all downloaded."""
        return max(self.max_body_bytes, self.max_upload_bytes // 2)

    @model_validator(mode="after")
    def _none_contradicts_another(self) -> Self:
        if self.label_studio_url is not None and not self.label_studio_token.get_secret_value():
            raise ValueError("FSS_LABEL_STUDIO_URL needs FSS_LABEL_STUDIO_TOKEN")
        if self.engine == "ray" and find_spec("ray") is None:
            raise ValueError("FSS_ENGINE=ray needs the extra `ray`, see requirements-ray.txt")
        if self.ray_max_replicas < self.ray_min_replicas:
            raise ValueError("FSS_RAY_MAX_REPLICAS must be at least FSS_RAY_MIN_REPLICAS")
        if self.ray_num_gpus > 1 and not self.ray_num_gpus.is_integer():
            raise ValueError("FSS_RAY_NUM_GPUS must be a share of one GPU or a whole number")
        if self.max_upload_bytes < self.max_body_bytes:
            raise ValueError("FSS_MAX_UPLOAD_BYTES must be at least FSS_MAX_BODY_BYTES")
        if self.max_batch_shots < self.max_shots:
            raise ValueError("FSS_MAX_BATCH_SHOTS must be at least FSS_MAX_SHOTS")
        return self
