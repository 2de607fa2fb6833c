"""Parkour tasks for a Unitree Go1."""
