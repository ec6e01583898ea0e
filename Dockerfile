# The CPU service: locked wheels, the service and the shipped bundle; no torch, no compiler, no root.
FROM python:3.11.14-slim-bookworm AS dependencies

COPY requirements-cpu.txt /tmp/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
        --requirement /tmp/requirements-cpu.txt

FROM python:3.11.14-slim-bookworm

ENV PATH=/opt/venv/bin:$PATH \
    FSS_HOST=0.0.0.0 \
    FSS_PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

RUN groupadd --gid 10001 service \
    && useradd --uid 10001 --gid service --no-create-home --shell /usr/sbin/nologin service

COPY --from=dependencies /opt/venv /opt/venv
WORKDIR /app
COPY model/__init__.py model/
COPY model/contract/ model/contract/
COPY model/runtime/ model/runtime/
COPY model/bundles/ model/bundles/
COPY service/ service/

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["python", "-m", "service"]
