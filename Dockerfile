# syntax=docker/dockerfile:1
# LookTwice in a container: `docker build -t looktwice .` for CPUs, `--build-arg VARIANT=cuda` for NVIDIA GPUs.
# Photos and results are in /data, what is fetched or remembered in /cache. The user inside is not root.
ARG PYTHON=3.12
ARG VARIANT=cpu

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY agent agent
COPY evals evals
COPY looktwice looktwice
COPY nano nano
COPY prompts prompts
COPY tools tools
RUN python -m venv /env && /env/bin/pip install --no-cache-dir --upgrade pip==25.3

# TORCH_INDEX names an index of PyTorch's wheels without CUDA, whose libraries are most of what a container weighs.
FROM build AS build-cpu
ARG TORCH_INDEX=
RUN grep -v -E '^(torch|torchvision|triton|nvidia-|cuda-)' constraints.txt > versions.txt \
    && grep -E '^(torch|torchvision)==' constraints.txt > torch.txt \
    && /env/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} -r torch.txt \
    && /env/bin/pip install --no-cache-dir -c versions.txt '.[metrics]'

FROM build AS build-cuda
RUN /env/bin/pip install --no-cache-dir -c constraints.txt '.[metrics]'

# hadolint ignore=DL3006
FROM build-${VARIANT} AS built

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="LookTwice" \
      org.opencontainers.image.description="A visual inspector that explains itself" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --create-home --uid 10001 looktwice \
    && mkdir /data /cache \
    && chown looktwice /data /cache
COPY --from=built /env /env
ENV PATH=/env/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/cache/huggingface \
    LOOKTWICE_CACHE=/cache/banks \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /data
VOLUME ["/data", "/cache"]
EXPOSE 7860
HEALTHCHECK --interval=5m --timeout=1m CMD ["looktwice", "doctor"]
ENTRYPOINT ["looktwice"]
CMD ["--help"]
