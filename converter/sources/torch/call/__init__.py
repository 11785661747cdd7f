"""A call of `forward`: which tensors it takes, under which names and in what structures, and what it gives.

In comes a module with specifications or examples, out goes a `Call`, and where tensors lie in lists or the module has a
state, a module around it that takes them one by one. Nothing is traced or exported here.
"""
