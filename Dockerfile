# syntax=docker/dockerfile:1
#
#   docker build -t parapet .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -p 127.0.0.1:8000:8000 parapet
#
# With a configuration:  -v "$PWD/parapet.yaml:/etc/parapet/parapet.yaml:ro" -e PARAPET_CONFIG=/etc/parapet/parapet.yaml
# Without TORCH_INDEX the default index's torch is installed: it runs on a CPU and on NVIDIA's devices, and is large.
# For a small image that needs no GPU, or for one version of CUDA:
#   docker build --build-arg TORCH_INDEX=<index of torch's wheels for cpu, or for that version> -t parapet .
# Nothing is written but under /tmp; decision records go to stderr unless `record` names a file on a volume.

FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/parapet
COPY constraints.txt ./
RUN /opt/parapet/bin/python -m pip install -c constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0
COPY pyproject.toml README.md LICENSE ./
COPY proxy ./proxy
COPY policies ./policies
COPY models ./models
RUN /opt/parapet/bin/python -m pip install -c constraints.txt '.[all]'

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="parapet" \
      org.opencontainers.image.description="A guardrails proxy for large language models" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/parapet /opt/parapet
# pip has compiled every module: nothing has to be written at run time, and the file system may be read-only.
ENV PATH=/opt/parapet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /tmp
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PARAPET_PORT', 8000)}/healthz\", timeout=2)"]
ENTRYPOINT ["parapet"]
CMD ["serve", "--host", "0.0.0.0"]
