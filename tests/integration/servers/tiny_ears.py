"""Writes a speech model in the format of ggml's whisper files: ``python tiny_ears.py PATH``. Whatever it hears, it writes "hello world".

Its layers do nothing; the place of each token alone says which one follows. Run by the servers' own Python, which has numpy.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy

WORDS, VOCABULARY = 50_257, 51_865
END, TIMES = 50_257, 50_364
"""The tokens that end a text and that stand for 0.00 s; one more is 0.02 s later (the multilingual vocabulary)."""
WIDTH, HEARING, LENGTH, MELS, BINS = 64, 1_500, 448, 80, 201
HELLO, WORLD = 1_000, 1_001
SAID = {2: TIMES, 3: HELLO, 4: WORLD, 5: TIMES + 50, 6: END}
"""The place of a token -> what follows: the first places are the start, the language and the task."""


def places() -> numpy.ndarray:
    """What each place adds: a direction of its own for those that say something."""
    found = numpy.zeros((LENGTH, WIDTH), numpy.float32)
    for place in range(LENGTH):
        found[place, min(place, 7)] = 40.0
    return found


def tokens() -> numpy.ndarray:
    """What each token looks for: the place before it. Text ends wherever nothing else is allowed."""
    found = numpy.zeros((VOCABULARY, WIDTH), numpy.float32)
    for place, token in SAID.items():
        found[token, place] = 1.0
    found[END, 5:8] = [0.5, 1.0, 1.0]
    return found


def layer(prefix: str, cross: bool) -> dict[str, numpy.ndarray]:
    """A layer whose output weights are zero."""
    found = {f"{prefix}.mlp.0.weight": numpy.zeros((4 * WIDTH, WIDTH)), f"{prefix}.mlp.0.bias": numpy.zeros(4 * WIDTH)}
    found |= {f"{prefix}.mlp.2.weight": numpy.zeros((WIDTH, 4 * WIDTH)), f"{prefix}.mlp.2.bias": numpy.zeros(WIDTH)}
    for kind in ("attn", *(["cross_attn"] if cross else [])):
        for part in ("query", "key", "value", "out"):
            found[f"{prefix}.{kind}.{part}.weight"] = numpy.zeros((WIDTH, WIDTH))
            if part != "key":
                found[f"{prefix}.{kind}.{part}.bias"] = numpy.zeros(WIDTH)
    for norm in ("mlp_ln", "attn_ln", *(["cross_attn_ln"] if cross else [])):
        found |= {f"{prefix}.{norm}.weight": numpy.ones(WIDTH), f"{prefix}.{norm}.bias": numpy.zeros(WIDTH)}
    return found


def tensors() -> dict[str, numpy.ndarray]:
    """Every tensor by name."""
    found = {
        "encoder.positional_embedding": numpy.zeros((HEARING, WIDTH)),
        "encoder.conv1.weight": numpy.zeros((WIDTH, MELS, 3)),
        "encoder.conv1.bias": numpy.zeros((WIDTH, 1)),
        "encoder.conv2.weight": numpy.zeros((WIDTH, WIDTH, 3)),
        "encoder.conv2.bias": numpy.zeros((WIDTH, 1)),
        "encoder.ln_post.weight": numpy.ones(WIDTH),
        "encoder.ln_post.bias": numpy.zeros(WIDTH),
        "decoder.positional_embedding": places(),
        "decoder.token_embedding.weight": tokens(),
        "decoder.ln.weight": numpy.ones(WIDTH),
        "decoder.ln.bias": numpy.zeros(WIDTH),
    }
    return found | layer("encoder.blocks.0", cross=False) | layer("decoder.blocks.0", cross=True)


def write(path: Path) -> None:
    """The model's file."""
    head = (VOCABULARY, HEARING, WIDTH, 1, 1, LENGTH, WIDTH, 1, 1, MELS, 0)
    with path.open("wb") as file:
        file.write(struct.pack("<I11i", 0x67676D6C, *head))
        file.write(struct.pack("<2i", MELS, BINS))
        filters = numpy.zeros((MELS, BINS), numpy.float32)
        for band in range(MELS):
            filters[band, band * 2 : band * 2 + 3] = 0.01
        file.write(filters.tobytes())
        file.write(struct.pack("<i", WORDS))
        for token in range(WORDS):
            word = {HELLO: b" hello", WORLD: b" world"}.get(token, b"t%d" % token)
            file.write(struct.pack("<i", len(word)) + word)
        for name, values in tensors().items():
            shape = values.shape[::-1]
            file.write(struct.pack(f"<3i{len(shape)}i", len(shape), len(name), 0, *shape) + name.encode())
            file.write(values.astype("<f4").tobytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
