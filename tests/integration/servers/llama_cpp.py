"""Runs llama.cpp's own HTTP server: ``python llama_cpp.py MODEL PORT KEY [embeddings]``. Ends when its standard input does."""

from __future__ import annotations

import sys

import xllamacpp


def serve(model: str, port: int, key: str, embeddings: bool) -> None:
    """Answers on this machine until standard input ends; ``embeddings`` serves vectors in place of text."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.model_alias = {"tiny"}
    params.port = port
    params.api_keys = [key]
    params.n_ctx = 4096
    params.n_parallel = 2
    params.cpuparams.n_threads = 2
    params.warmup = False
    if embeddings:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], "embeddings" in sys.argv[4:])
