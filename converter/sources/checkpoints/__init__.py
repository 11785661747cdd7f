"""Files of weights: read without running anything that is in them, and put into a module.

In comes a `.pt`, `.pth` or `.safetensors` file, out goes a state dict. Whole modules that were pickled are in
`by_name`.
"""
