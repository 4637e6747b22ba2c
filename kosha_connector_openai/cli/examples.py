"""Examples that the help of a command ends with, by the command's whole name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "run": (
        "run createCompletion model=gpt-3.5-turbo-instruct prompt=Hi",
        "run createTranscription model=whisper-1 file=@talk.wav",
        "run listModels --all",
    ),
    "validate": ("validate createImage prompt=Lighthouse n=2",),
    "dry-run": ("dry-run createSpeech model=tts-1 voice=alloy input=Hi",),
    "connect": ("connect work --store file", "run listModels --connection work"),
    "sandbox": ("sandbox --port 0",),
    "studio": ("studio --sandbox",),
    "serve": ("serve --port 8010", "serve --config gateway.yaml --check"),
    "mcp": ("mcp --list", "mcp --groups images,audio"),
    "actions search": ("actions search speech",),
    "actions options": ("actions options createChatCompletion model --search mini",),
    "actions sample": ("actions sample createResponse --full",),
    "jobs wait": ("run createVideo prompt=Waves --detach", "jobs wait video --out waves.mp4"),
    "task run": ("task run summarise text=@report.txt", "task run translate text=@report.txt language=French"),
    "bulk run": (
        "bulk run ask in.csv --map question=text -o out.csv --dry-run",
        "bulk run ask in.csv --map question=text -o out.csv",
        "bulk run createEmbedding in.jsonl -o out.jsonl --via batch",
    ),
    "bulk resume": ("bulk resume out.csv",),
    "workflow run": ('workflow run moderate-then-answer.yaml question="Is it salty?"',),
    "trigger poll": ("trigger poll batch --state poll.json",),
    "spec diff": ("spec diff ours newer.json --only requests",),
    "export curl": ("export curl --actions createResponse,listModels",),
}
"""Arguments as one types them in a shell, after the program's name."""


def epilog(command: str) -> str:
    """The end of a command's help: its examples, a line each; empty where it has none."""
    lines = EXAMPLES.get(command, ())
    return "\n".join(["\b", "Examples:", *(f"  kosha-openai {line}" for line in lines)]) if lines else ""
