"""The Dockerfile: linted, pinned, contained, and followed step by step as far as Python goes."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.packaging.dockerfile import Stage, lineage, read_stages
from tests.service.processes import serving, unused_port

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "onnx", "onnxscript"):
    sys.modules[name] = None
import service.app, service.cli, model.runtime
"""
START_TIMEOUT_S = 120
TESTING = "PYTEST_CURRENT_TEST"
SERVING = ("cpu", "gpu", "ray")


@pytest.fixture(scope="module")
def stages(root: Path) -> dict[str, Stage]:
    """Every stage."""
    return read_stages(root / "Dockerfile")


def run(
    command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished command, its output as text."""
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False
    )


def test_hadolint_has_nothing_to_say(root: Path) -> None:
    linted = run([str(Path(sys.executable).parent / "hadolint"), str(root / "Dockerfile")])
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_targets_are_there_and_the_cpu_is_the_default(stages: dict[str, Stage]) -> None:
    assert {"cpu", "gpu", "ray", "test", "sbom"} <= stages.keys()
    assert list(stages)[-1] == "cpu"
    assert lineage(stages, "test")[1:] == lineage(stages, "cpu")[1:]


def test_base_images_are_pinned_to_a_patch_release(stages: dict[str, Stage]) -> None:
    bases = {stage.base for stage in stages.values()} - stages.keys() - {"scratch"}
    assert len(bases) == 3
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+[a-z0-9.-]*", base) for base in bases)


def test_every_image_has_the_python_that_the_requirements_are_locked_for(
    root: Path, stages: dict[str, Stage]
) -> None:
    (version,) = re.findall(r":(3\.11\.\d+)-", stages["python"].base)
    (installed,) = (step for step in stages["cuda-python"].all("RUN") if "python install" in step)
    assert installed.split()[-1] == version
    (locked,) = re.findall(r"--python-version (\S+)", (root / "Makefile").read_text())
    assert version.startswith(f"{locked}.")


@pytest.mark.parametrize("target", SERVING)
def test_images_are_contained(stages: dict[str, Stage], target: str) -> None:
    steps = [step for stage in lineage(stages, target) for step in stage.steps]
    found = {step.instruction: step.rest for step in reversed(steps)}
    assert found["USER"] == "10001:10001"
    assert found["ENTRYPOINT"] == '["tini", "--"]'
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in found["LABEL"]
    # A cluster's operator says what runs in the last one, and asks in its own way.
    assert ("CMD" in found) == ("HEALTHCHECK" in found) == (target != "ray")
    if target != "ray":
        assert found["CMD"] == '["python", "-m", "service"]'
        assert "/readyz" in found["HEALTHCHECK"]


def test_installation_checks_hashes_and_takes_wheels_alone(stages: dict[str, Stage]) -> None:
    installing = [
        (name, step)
        for name, stage in stages.items()
        for step in stage.all("RUN")
        if "pip install" in step
    ]
    assert {name for name, _ in installing} == {
        *("cpu-dependencies", "gpu-dependencies", "ray-dependencies", "bills"),
    }
    for name, step in installing:
        assert "--require-hashes" in step
        assert any(s.environment.get("PIP_ONLY_BINARY") == ":all:" for s in lineage(stages, name))


def test_every_source_exists_and_enters_the_build_context(
    root: Path, stages: dict[str, Stage]
) -> None:
    ignore = (root / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    sources = {source for stage in stages.values() for source, _ in stage.copied}
    assert all((root / source).exists() for source in sources)
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert let_in == {source.rstrip("/") for source in sources}


class Built(NamedTuple):
    """What the steps of the CPU image leave: its environment of Python and its working folder."""

    python: Path
    app: Path


@pytest.fixture(scope="module")
def built(root: Path, stages: dict[str, Stage], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The image's files in a folder.

    pip is uv here, which checks the same hashes of the same file, but has kept what it fetched.
    """
    image = tmp_path_factory.mktemp("image")
    uv = str(Path(sys.executable).parent / "uv")
    python = image / "venv" / "bin" / "python"
    ((requirements, _),) = stages["cpu-dependencies"].copied
    checks = ["--only-binary", ":all:", "--require-hashes", "--requirement", requirements]
    for command in (
        [uv, "venv", "--quiet", "--no-config", "--python", sys.executable, str(image / "venv")],
        [uv, "pip", "install", "--quiet", "--no-config", "--python", str(python), *checks],
    ):
        done = run(command, cwd=root)
        assert done.returncode == 0, done.stderr
    app = image / "app"
    skip = shutil.ignore_patterns("__pycache__")
    for source, target in stages["app"].copied:
        if (root / source).is_dir():
            shutil.copytree(root / source, app / target, ignore=skip, dirs_exist_ok=True)
        else:
            (app / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(root / source, app / target)
    (compiling,) = stages["app"].all("RUN")
    done = run([str(python), *compiling.split()[1:]], cwd=app)
    assert done.returncode == 0, done.stderr
    return Built(python, app)


def test_copied_files_are_enough_to_import_the_service(built: Built) -> None:
    done = run([str(built.python), "-c", WITHOUT_TORCH], cwd=built.app)
    assert done.returncode == 0, done.stderr


def test_no_training_code_is_copied(built: Built) -> None:
    assert {path.name for path in (built.app / "model").iterdir()} - {"__pycache__"} == {
        *("__init__.py", "bundles", "contract", "lru_cache.py", "runtime"),
    }


def health_check(stages: dict[str, Stage], target: str, python: Path) -> list[str]:
    """The command by which Docker asks an image after its health, in another Python."""
    (check,) = (step for stage in lineage(stages, target) for step in stage.all("HEALTHCHECK"))
    (_, command) = check.split("CMD ")
    return [str(python), *json.loads(command)[1:]]


class Container(NamedTuple):
    """The image's command as a process, and the image's own question after its health."""

    process: subprocess.Popen[bytes]
    port: int
    health_check: list[str]
    environment: dict[str, str]

    def is_healthy(self) -> bool:
        """Whether Docker would call it healthy."""
        return run(self.health_check, env=self.environment).returncode == 0


@pytest.fixture
def container(stages: dict[str, Stage], built: Built, tmp_path: Path) -> Iterator[Container]:
    """The image's command, in its folder and with its variables, on a free port."""
    (stage, *_) = (stage for stage in lineage(stages, "cpu") if stage.all("CMD"))
    port = unused_port()
    variables = stage.environment | {"FSS_PORT": str(port), "HOME": str(tmp_path)}
    variables["FSS_JOBS_DIR"] = ""  # as k8s/base has it; by itself the image keeps jobs in HOME
    path = f"{built.python.parent}:{os.environ['PATH']}"
    # onnxruntime keeps to itself where it thinks that it is tested.
    foreign = {"CI", TESTING, "XDG_STATE_HOME"}
    around = {name: value for name, value in os.environ.items() if name not in foreign}
    check = health_check(stages, "cpu", built.python)
    environment = around | variables | {"PATH": path}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            json.loads(stage.all("CMD")[0]), cwd=built.app, env=environment, stderr=log
        )
    yield Container(process, port, check, environment)
    process.kill()
    process.wait()


def files_of(folder: Path) -> dict[Path, int]:
    """Every file and when it was changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_command_becomes_healthy_and_writes_nothing(
    built: Built, container: Container, tmp_path: Path
) -> None:
    before = files_of(built.app)
    assert not container.is_healthy()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not container.is_healthy():
        assert container.process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, "the service was not ready in time"
        time.sleep(0.5)
    models = httpx.get(f"http://127.0.0.1:{container.port}/models").json()
    assert models
    container.process.terminate()
    container.process.wait(60)
    assert files_of(built.app) == before
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", pytest.param("::", marks=pytest.mark.ipv6)],  # noqa: S104
)
def test_health_is_asked_for_where_the_service_listens(
    stages: dict[str, Stage], tmp_path: Path, host: str
) -> None:
    environment = {"FSS_ENGINE": "fake", "FSS_JOBS_DIR": "", "FSS_HOST": host}
    with serving(tmp_path / "log", environment) as server:
        known = os.environ | environment | {"FSS_PORT": str(server.client.base_url.port)}
        for target in ("cpu", "gpu"):
            check = health_check(stages, target, Path(sys.executable))
            assert run(check, env=known).returncode == 0, target
        server.process.kill()
        server.process.wait()
        assert run(check, env=known).returncode != 0


def test_the_test_stage_serves_the_samples(
    stages: dict[str, Stage], built: Built, tmp_path: Path
) -> None:
    command = json.loads(stages["test"].all("RUN")[0].replace("/tmp/demo", str(tmp_path)))  # noqa: S108
    # With the smaller bundle, which takes half as long; `make demo` runs with the default.
    environment = os.environ | {"FSS_BUNDLE": "model/bundles/lite"}
    done = run([str(built.python), *command[1:]], cwd=built.app, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "overview.jpg").is_file()


def test_bills_of_materials_are_made_of_every_image(stages: dict[str, Stage]) -> None:
    (_, making) = stages["bills"].all("RUN")
    for target in SERVING:
        assert f"-o {target}.cdx.json /opt/{target}" in making
        assert f"--from={target}-dependencies /opt/venv /opt/{target}" in stages["bills"].all(
            "COPY"
        )
    assert stages["sbom"].all("COPY") == ["--from=bills /bills /"]
