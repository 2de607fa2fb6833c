"""Meta-World's manipulation tasks on a Franka arm."""
