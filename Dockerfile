# The packages are installed in a first stage; the last one holds Python, them and the sources, and builds nothing.
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS packages
COPY requirements.lock .
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements.lock \
    && /opt/venv/bin/python -m pip uninstall --yes pip

FROM python:${PYTHON}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8123 \
    DATA_DIR=/data \
    LOG_FORMAT=json
# The number, not the name, is what `runAsNonRoot` and bind mounts look at.
RUN groupadd --gid 10001 threadkeep \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin threadkeep \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY langgraph.json server.py ./
COPY docs docs
COPY checkpoints checkpoints
COPY nodes nodes
COPY graphs graphs
COPY threadkeep threadkeep
# The root file system may be read-only, so what Python would write on the first start is written now.
RUN python -m compileall -q /app
USER 10001:10001
VOLUME /data
EXPOSE 8123
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/ready', timeout=4)"]
# MODEL is not set: without a model or a key the server refuses to start and says so. Nor is ALLOW_UNAUTHENTICATED,
# without which it refuses to listen on 0.0.0.0: compose.yaml sets it, because it publishes the port on this machine only.
ENTRYPOINT ["python", "server.py"]
