"""What was proven, kept: inputs, the outputs of everybody who was asked, and how far they were apart.

A store is plain files: `models/NAME.json` for each model, and the arrays under their own hash in `objects/`, written
before the model that names them. `check` converts again and says which leg of the way has drifted: torch ↔ onnxruntime,
onnxruntime ↔ Keras in memory, or Keras ↔ the file loaded again.
"""
