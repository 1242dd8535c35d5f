"""A text file that tells whether it is still as it was written: it carries the checksum of its own bytes."""

import hashlib
import re

_HEX = r"[0-9a-f]{64}"
_JSON_SEAL = re.compile(rb'("seal_sha256": ")(' + _HEX.encode() + rb')?(")')
_HTML_SEAL = re.compile(rb"\n<!-- seal_sha256: (" + _HEX.encode() + rb") -->\n\Z")


def seal_json(text: str) -> str:
    """The text with the empty value of its `"seal_sha256": ""` filled in.

    Raises
    ------
    ValueError
        There is not exactly one such place.
    """
    content = text.encode("utf-8")
    if len(_JSON_SEAL.findall(content)) != 1:
        raise ValueError("a document to seal holds one empty seal_sha256")
    return _JSON_SEAL.sub(rb"\g<1>" + _digest_of_json(content) + rb"\g<3>", content).decode("utf-8")


def seal_json_again(text: str) -> str:
    """A sealed text that was changed on purpose, with the seal that it has then."""
    return seal_json(_JSON_SEAL.sub(rb"\g<1>\g<3>", text.encode("utf-8")).decode("utf-8"))


def is_json_sealed(content: bytes) -> bool:
    """Whether not a byte has changed since `seal_json`."""
    found = _JSON_SEAL.findall(content)
    return len(found) == 1 and found[0][1] == _digest_of_json(content)


def seal_html(text: str) -> str:
    """The page with a comment of its checksum at its end."""
    return f"{text}\n<!-- seal_sha256: {hashlib.sha256(text.encode('utf-8')).hexdigest()} -->\n"


def is_html_sealed(content: bytes) -> bool:
    """Whether not a byte has changed since `seal_html`."""
    found = _HTML_SEAL.search(content)
    return found is not None and hashlib.sha256(content[: found.start()]).hexdigest().encode() == found[1]


def _digest_of_json(content: bytes) -> bytes:
    return hashlib.sha256(_JSON_SEAL.sub(rb"\g<1>\g<3>", content)).hexdigest().encode()
