# docker build -t mtbench .
# docker run --gpus all -v "$PWD/runs:/work/runs" mtbench train task=MT50 train=TOPPO sim_device=cuda:0
# Without --gpus and sim_device it trains on the CPU. PyTorch and Warp bring CUDA's libraries; the driver is the host's.
FROM nvidia/cuda:12.8.1-base-ubuntu24.04

COPY --from=ghcr.io/astral-sh/uv:0.8 /uv /usr/local/bin/uv
RUN apt-get update && apt-get install -y --no-install-recommends libegl1 libgl1 libosmesa6 && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics \
    UV_PYTHON_INSTALL_DIR=/opt/python UV_NO_CACHE=1 UV_LINK_MODE=copy VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH

WORKDIR /src
RUN uv venv --seed --python 3.11 /opt/venv
COPY constraints.txt .
RUN uv pip install -c constraints.txt torch mujoco mujoco-warp
COPY pyproject.toml setup.py README.md LICENSE ./
COPY cfg cfg
COPY assets assets
COPY mtbench mtbench
COPY isaacgymenvs_tasks isaacgymenvs_tasks
RUN uv pip install -c constraints.txt '.[gpu,report,viewer]'

RUN useradd --create-home user && mkdir -p /work/runs && chown -R user /work
USER user
WORKDIR /work
ENTRYPOINT ["mtbench"]
CMD ["--help"]
