# Keyfob: `docker build .` builds the service, `docker build --target tests .` its tests.

FROM python:3.13-slim AS base
WORKDIR /app
# A user id of its own, so that it owns nothing on the host. /data is the only folder it writes to,
# beside /tmp: the root file system may be read-only.
RUN groupadd --gid 10001 keyfob \
    && useradd --uid 10001 --gid keyfob --no-create-home --home-dir /data --shell /usr/sbin/nologin keyfob \
    && install --directory --owner keyfob --group keyfob --mode 0700 /data

FROM base AS builder
ENV PIP_NO_CACHE_DIR=1
COPY scripts/install scripts/install
COPY requirements/runtime.txt requirements/runtime.txt
RUN sh scripts/install requirements/runtime.txt
COPY alembic.ini alembic.ini
COPY src src
# Compiled now, since the file system may be read-only later.
RUN .venv/bin/python -m compileall -q src

FROM builder AS tests
COPY requirements/dev.txt requirements/dev.txt
RUN sh scripts/install requirements/dev.txt
# Coverage and Hypothesis write beside the sources. PostgreSQL does not run as root.
COPY --chown=keyfob:keyfob . .
RUN chown keyfob:keyfob .
USER 10001:10001
CMD [".venv/bin/python", "-m", "pytest", "-n", "logical", "--maxprocesses", "8", "--cov"]

FROM base AS service
COPY --from=builder /app /app
ENV PATH="/app/.venv/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    KEYFOB_HOST=0.0.0.0 \
    KEYFOB_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + (os.environ.get('KEYFOB_PORT') or '8000') + '/health/ready', timeout=4)"]
# No init process: keyfob handles SIGTERM itself from its first moment, drains, exits with 0, and
# waits for every process that it started.
CMD ["keyfob", "serve"]
