"""The paper's experiments: pictures of episodes, the map of prototypes, and the ablation."""
