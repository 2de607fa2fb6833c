"""A stand-in for NVIDIA's closed ``isaacgym``, as strict as what its documentation and ``isaacgym-stubs`` say.

It is found before any other only with this folder's parent on PYTHONPATH. Physics is :mod:`mtbench.sim`'s; everything that
mtbench.sim forgives is refused here:

- names, arguments and fields that the stubs do not have;
- importing it after torch;
- tensors before ``prepare_sim``, actors after it;
- a second call of a setter between two calls of ``simulate``, and a refresh after a setter;
- tensors that are not contiguous, of another dtype, or gone when the call arrives;
- DOF states set for an actor that has no DOFs.

Tensors that are acquired are buffers: writing to them changes nothing, and only a refresh fills them.
"""

import sys

if "torch" in sys.modules:
    raise ImportError("PyTorch was imported before isaacgym modules.  Please import torch after isaacgym modules.")
