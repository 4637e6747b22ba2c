"""Writes a llama model of half a megabyte with random weights, as GGUF: ``python tiny_model.py PATH``. What it says makes no sense.

Run by the servers' own Python, which has the package ``gguf``; nothing of the connector is imported here.
"""

from __future__ import annotations

import sys

import gguf
import numpy

WIDTH, INNER, LAYERS, HEADS, CONTEXT = 64, 128, 2, 4, 2048
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"


def vocabulary() -> list[tuple[bytes, int, float]]:
    """Three marks, every byte, and the printable characters: token, kind, score."""
    kinds = gguf.TokenType
    marks = [(b"<unk>", kinds.UNKNOWN, 0.0), (b"<s>", kinds.CONTROL, 0.0), (b"</s>", kinds.CONTROL, 0.0)]
    octets = [(f"<0x{value:02X}>".encode(), kinds.BYTE, 0.0) for value in range(256)]
    letters = ["\u2581", *map(chr, range(33, 127))]
    return [*marks, *octets, *((letter.encode(), kinds.NORMAL, -float(rank)) for rank, letter in enumerate(letters))]


def shapes(tokens: int) -> dict[str, tuple[int, ...]]:
    """Every tensor by name; those of one dimension are norms."""
    found: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (tokens, WIDTH),
        "output.weight": (tokens, WIDTH),
        "output_norm.weight": (WIDTH,),
    }
    for layer in range(LAYERS):
        block = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        block |= {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        norms = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
        found |= {f"blk.{layer}.{name}.weight": shape for name, shape in {**block, **norms}.items()}
    return found


def write(path: str) -> None:
    """The model's file."""
    writer = gguf.GGUFWriter(path, "llama")
    tokens, kinds, scores = zip(*vocabulary(), strict=True)
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(tokens))
    writer.add_token_types(list(kinds))
    writer.add_token_scores(list(scores))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)
    chance = numpy.random.default_rng(7)
    for name, shape in shapes(len(tokens)).items():
        values = chance.standard_normal(shape) * 0.05 if len(shape) > 1 else numpy.ones(shape)
        writer.add_tensor(name, values.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
