"""Files as base64 inside JSON: which texts are one, and what stays as it is."""

import base64

from kosha_connector_openai.outputs.embedded import embedded_names, replaced
from kosha_connector_openai.outputs.files import OutputFile

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
NAMES = frozenset({"audio"})


def look(value: object, *, pictures: bool = False) -> tuple[object, list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []

    def see(pointer: str, file: OutputFile, _: str) -> str:
        found.append((pointer, file.content_type))
        return "FILE"

    return replaced(value, NAMES, see, pictures=pictures), found


def test_files_are_found_by_their_first_bytes_their_name_or_as_data_urls():
    """Each with its pointer and its type; the rest of the value is as it was."""
    png, sound = base64.b64encode(PNG).decode(), base64.b64encode(b"RIFF\0\0\0\0WAVE" + bytes(40)).decode()
    pcm = base64.b64encode(bytes(range(60))).decode()
    value = {"a/b": [{"x": png}, {"y": f"data:image/webp;base64,{pcm}"}], "z": sound, "message": {"audio": pcm}, "text": "kept"}
    changed, found = look(value)
    assert changed == {"a/b": [{"x": "FILE"}, {"y": "FILE"}], "z": "FILE", "message": {"audio": "FILE"}, "text": "kept"}
    assert found == [
        ("/a~1b/0/x", "image/png"),
        ("/a~1b/1/y", "image/webp"),
        ("/z", "audio/wav"),
        ("/message/audio", "application/octet-stream"),
    ]


def test_what_is_no_file_is_the_very_same_value():
    """Texts, ids, reasoning that goes back as it came, vectors, and what only looks like base64."""
    value = {
        "text": "iVBORw0KGgo is how a PNG begins, in base64!",
        "encrypted_content": base64.b64encode(bytes(range(99))).decode(),
        "audio": "short",
        "embedding": [0.1, 0.2],
        "data:": "data:text/plain,hello hello hello hello hello",
    }
    changed, found = look(value)
    assert changed is value
    assert found == []


def test_of_events_only_whole_pictures_count():
    """A piece of a sound may begin as a file does."""
    piece = base64.b64encode(b"ID3" + bytes(60)).decode()
    value = {"audio": piece, "partial_image_b64": base64.b64encode(PNG).decode()}
    changed, _ = look(value, pictures=True)
    assert changed == {"audio": piece, "partial_image_b64": "FILE"}


def test_the_names_are_those_of_the_rules(connector):
    """Of fields, of pieces that are put together, and of bytes in events."""
    assert {"b64_json", "data", "audio", "result"} <= embedded_names(connector.outputs.part)
