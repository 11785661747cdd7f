"""What a source draws at random: the numbers that a proof gives to both sides, and what the saved file draws by itself.

In: a source that knows of its noise. Out: arrays for its inputs, and measurements. Not in here: how noise became inputs
(sources/noise.py), and the layer that draws (keraport/layers/noise.py).
"""
