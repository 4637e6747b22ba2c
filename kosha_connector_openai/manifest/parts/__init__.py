"""The closed models of the manifest's parts, one module each: what a provider's author writes in ``connector/*.yaml``."""
