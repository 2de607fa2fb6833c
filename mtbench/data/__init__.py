"""Trajectories on disk: their format, how they are collected, and what learners draw from them."""

from mtbench.data.trajectories import DatasetError, Trajectories, Writer

__all__ = ["DatasetError", "Trajectories", "Writer"]
