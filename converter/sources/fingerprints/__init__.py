"""Which architecture of torchvision or timm a state_dict belongs to, by its names and shapes.

In comes a state_dict as `checkpoints` reads it, out goes the name of its architecture and what its builder is called
with; nothing is built here. `index.json.gz` is made by `python -m scripts.fingerprints`.
"""
