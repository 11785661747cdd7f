"""The same architectures in PyTorch, as they are written there: `keraport weights port` takes their weights over."""
