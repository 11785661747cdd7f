"""Small models of libraries that people name, each made by its own package: `pip install '.[zoos]'`.

A file for each library; models/other_zoos.toml lists them with their inputs and licences. In goes nothing, out comes a
module of plain tensors with random weights.
"""
