# docker build -t mtbench .
# docker run --gpus all -v "$PWD/runs:/work/runs" mtbench train task=MT50 train=TOPPO sim_device=cuda:0
# Without --gpus and sim_device it trains on the CPU. PyTorch and Warp bring CUDA's libraries; the base gives driver hooks.
FROM nvidia/cuda:12.8.1-base-ubuntu22.04

RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3.11 python3.11-venv libegl1 libgl1 libosmesa6 && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics PIP_NO_CACHE_DIR=1 PATH=/opt/venv/bin:$PATH

WORKDIR /src
RUN python3.11 -m venv /opt/venv
COPY constraints.txt .
RUN pip install -c constraints.txt torch
COPY pyproject.toml setup.py README.md LICENSE ./
COPY cfg cfg
COPY assets assets
COPY mtbench mtbench
COPY isaacgymenvs_tasks isaacgymenvs_tasks
RUN pip install -c constraints.txt '.[gpu,report,viewer]'

RUN useradd --create-home user && mkdir -p /work/runs && chown -R user /work
USER user
WORKDIR /work
ENTRYPOINT ["mtbench"]
CMD ["--help"]
