"""The models of the manifest's parts, one file each; reading any of them costs nothing until a use asks for it."""
