"""Products with a weight along axes that lie elsewhere than a Dense or a MatMul wants them: EinsumDense, by letters."""
