"""The ground that all environments share, for the simulator and for what robots see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from isaacgym import gymapi
from torch import Tensor

from isaacgymenvs_tasks.parkour.terrain import build
from isaacgymenvs_tasks.parkour.terrain.tile import CELL


class Ground:
    """Terrains side by side, a row a level and a column a task, or a level plane in their place.

    Args:
        specs: K terrain families.
        options: ``cfg["env"]["terrain"]``.
        device: of what is looked up.

    Attributes:
        terrain: heights on a grid, see :func:`~isaacgymenvs_tasks.parkour.terrain.build`; all 0 for a plane.
        plane: whether it is one.
        origins: (levels, K, 3) m, where robots begin; ``goals``: (levels, K, 8, 3) m.
    """

    def __init__(self, specs: Sequence[Any], options: Mapping[str, Any], device: torch.device) -> None:
        low, high = options["difficulty"]
        rows = int(options["rows"])
        self.terrain = build(specs, np.linspace(low, high, rows), int(options["seed"]), rows, len(specs), border=2.0)
        self.origins = torch.from_numpy(self.terrain.origins).to(device)
        self.goals = torch.from_numpy(self.terrain.goals).to(device)
        self.plane = bool(options["plane"])
        if self.plane:
            self.terrain.heights[:] = 0
            self.origins[..., 2] = 0.0
            self.goals[..., 2] = 0.0
        heights = torch.from_numpy(self.terrain.heights).to(device).float() * self.terrain.vertical_scale
        lowest = heights.clone()  # over a cell and its neighbours in x and y
        lowest[:-1] = torch.minimum(lowest[:-1], heights[1:])
        lowest[:, :-1] = torch.minimum(lowest[:, :-1], heights[:, 1:])
        self._lowest = lowest

    def add_to(self, gym: Any, sim: Any) -> None:
        """Put it into a simulation."""
        if self.plane:
            level = gymapi.PlaneParams()
            level.normal = gymapi.Vec3(0.0, 0.0, 1.0)
            gym.add_ground(sim, level)
            return
        field = gymapi.HeightFieldParams()
        field.nbColumns, field.nbRows = self.terrain.heights.shape
        field.column_scale = field.row_scale = self.terrain.horizontal_scale
        field.vertical_scale = self.terrain.vertical_scale
        first = CELL / 2 - self.terrain.border  # heights belong to the middle of cells
        field.transform.p = gymapi.Vec3(first, first, 0.0)
        samples: Any = self.terrain.heights.ravel()  # int16, which the type of the array does not say
        gym.add_heightfield(sim, samples, field)

    def lowest_at(self, points: Tensor) -> Tensor:
        """(...) m, the lowest ground around points (..., 2) m; beyond the edge, that of the edge."""
        # A diverged position is no cell; its environment is reset before anyone acts on what it sees.
        cell = torch.nan_to_num((points + self.terrain.border) / CELL).clamp(0.0, 1e6).long()
        i, j = (cell[..., axis].clamp_max(size - 1) for axis, size in enumerate(self._lowest.shape))
        return self._lowest[i, j]
