"""Files of weights: read without running anything that is in them, and put into a module.

In comes a `.pt`, `.pth` or `.safetensors` file, out goes a state dict, or a module whose parameters lie mapped in the
file (`fill`). Whole modules that were pickled are in `by_name`.
"""
