"""Learning many tasks at once: balancing of task gradients, networks, agents, evaluation."""
