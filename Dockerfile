# The service as images: locked wheels, the code that serves and the shipped bundle; no torch, no
# compiler, no root. docs/operations.md tells how they are built and run.
#
#   docker build --tag fewshot-segmentation:0.1.0 .                           for CPUs (target `cpu`)
#   docker build --target gpu --tag fewshot-segmentation:0.1.0-gpu .          for NVIDIA GPUs
#   docker build --target ray --tag fewshot-segmentation:0.1.0-ray .          nodes of a Ray cluster
#   docker build --target test .                                              serves the samples
#   docker build --target sbom --output out/sbom .                            CycloneDX, a file each

FROM python:3.11.14-slim-bookworm AS python

FROM python AS installer
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ONLY_BINARY=:all:

# Statically linked, so that it runs in every image below.
FROM python AS init
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini=0.19.0-1* \
    && rm -rf /var/lib/apt/lists/*

# Compiled here: containers run with a root that cannot be written to.
FROM python AS app
WORKDIR /app
COPY model/__init__.py model/
COPY model/lru_cache.py model/
COPY model/contract/ model/contract/
COPY model/runtime/ model/runtime/
COPY model/bundles/ model/bundles/
COPY service/ service/
RUN python -m compileall -q .

FROM installer AS cpu-dependencies
COPY requirements-cpu.txt /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --requirement /tmp/requirements-cpu.txt

# The requirements are locked for Python 3.11, and CUDA's images bring 3.12 or 3.10. uv's builds of
# Python need nothing of the system they run on, and uv knows their checksums (ADR 23).
FROM astral/uv:0.13.9 AS uv
FROM installer AS cuda-python
COPY --from=uv /uv /usr/local/bin/
RUN uv python install --no-bin --install-dir /opt/python 3.11.14

FROM cuda-python AS gpu-dependencies
COPY requirements-gpu.txt /tmp/
RUN /opt/python/cpython-3.11.14-linux-x86_64-gnu/bin/python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --requirement /tmp/requirements-gpu.txt

FROM cuda-python AS ray-dependencies
COPY requirements-ray.txt /tmp/
RUN /opt/python/cpython-3.11.14-linux-x86_64-gnu/bin/python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --requirement /tmp/requirements-ray.txt

# What was installed, as bills of materials.
FROM installer AS bills
COPY requirements-sbom.txt /tmp/
RUN python -m venv /opt/sbom \
    && /opt/sbom/bin/pip install --require-hashes --requirement /tmp/requirements-sbom.txt
COPY --from=cpu-dependencies /opt/venv /opt/cpu
COPY --from=cuda-python /opt/python /opt/python
COPY --from=gpu-dependencies /opt/venv /opt/gpu
COPY --from=ray-dependencies /opt/venv /opt/ray
WORKDIR /bills
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o cpu.cdx.json /opt/cpu \
    && /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o gpu.cdx.json /opt/gpu \
    && /opt/sbom/bin/cyclonedx-py environment --output-reproducible -o ray.cdx.json /opt/ray

FROM scratch AS sbom
COPY --from=bills /bills /

# CUDA 13.0 asks for the oldest driver of all 13.x, 580; onnxruntime wants cuDNN 9 beside it.
FROM nvidia/cuda:13.0.3-cudnn-runtime-ubuntu24.04 AS gpu-base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fewshot-segmentation" \
      org.opencontainers.image.description="Few-shot segmentation with SD-AANet over HTTP, on NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    FSS_HOST=0.0.0.0 \
    FSS_PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --gid 10001 service \
    && useradd --uid 10001 --gid service --no-create-home --shell /usr/sbin/nologin service \
    && install --directory --owner service --group service /var/lib/fss/jobs
COPY --from=init /usr/bin/tini-static /usr/local/bin/tini
COPY --from=cuda-python /opt/python /opt/python
COPY --from=app /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["tini", "--"]

# KubeRay says which command runs; the probes are those of k8s/overlays/ray/rayservice.yaml.
FROM gpu-base AS ray
COPY --from=ray-dependencies /opt/venv /opt/venv

FROM gpu-base AS gpu
COPY --from=gpu-dependencies /opt/venv /opt/venv
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://' + ('[::1]:' if ':' in os.environ['FSS_HOST'] else '127.0.0.1:') + os.environ['FSS_PORT'] + '/readyz', timeout=4)"]
CMD ["python", "-m", "service"]

FROM python AS cpu-base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fewshot-segmentation" \
      org.opencontainers.image.description="Few-shot segmentation with SD-AANet over HTTP, on CPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    FSS_HOST=0.0.0.0 \
    FSS_PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN groupadd --gid 10001 service \
    && useradd --uid 10001 --gid service --no-create-home --shell /usr/sbin/nologin service \
    && install --directory --owner service --group service /var/lib/fss/jobs
COPY --from=init /usr/bin/tini-static /usr/local/bin/tini
COPY --from=cpu-dependencies /opt/venv /opt/venv
COPY --from=app /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://' + ('[::1]:' if ':' in os.environ['FSS_HOST'] else '127.0.0.1:') + os.environ['FSS_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "service"]

# Two classes registered over HTTP and four images segmented, in the image and as its user.
FROM cpu-base AS test
RUN ["python", "-m", "service.demo", "--out", "/tmp/demo"]

# The last stage is what is built when no target is named.
FROM cpu-base AS cpu
