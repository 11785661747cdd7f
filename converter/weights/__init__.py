"""Checkpoints into a converted model, and its weights back into a state_dict of torch.

In comes a `.keras` file with the record that its conversion left in it, out goes a `.keras` file with other weights, or
a checkpoint. Nothing is matched by guessing, and no module is needed: `sources/checkpoints` puts weights into modules.
"""
