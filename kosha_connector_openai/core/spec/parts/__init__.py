"""The models of the manifest's parts, one module for each."""
