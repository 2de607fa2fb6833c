"""Parts of learners that never step an environment; the learners themselves are agents."""
