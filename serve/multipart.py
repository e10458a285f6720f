"""Form data (RFC 7578) out of a body that is already bounded."""

import re
from dataclasses import dataclass

from ssbray.service.refusal import Refusal

PARTS = 16
HEADER_BYTES = 4096
BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))""", re.IGNORECASE)
NAME = re.compile(rb"""^content-disposition:\s*form-data\s*;(?:.*;)?\s*name="([^"\r\n]{1,64})\"""", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """One field of a form."""

    name: str
    content: bytes

    @property
    def text(self) -> str:
        """The content as text; a field that is none is refused."""
        try:
            return self.content.decode().strip()
        except UnicodeDecodeError:
            raise Refusal(422, "invalid", self.name, "is no UTF-8 text") from None


def parse(body: bytes, content_type: str) -> dict[str, Part]:
    """The fields by name. Each may come once; what is malformed is refused, never guessed."""
    match = BOUNDARY.search(content_type)
    if match is None:
        raise broken("the content type names no boundary")
    mark = b"--" + (match[1] or match[2]).encode("latin-1")
    if not body.startswith(mark):
        raise broken("it does not begin with its boundary")
    found: dict[str, Part] = {}
    at = len(mark)
    while body[at:at + 2] == b"\r\n":
        end = body.find(b"\r\n" + mark, at)
        if end < 0:
            raise broken("it ends within a part")
        head_end = body.find(b"\r\n\r\n", at, min(end + 4, at + HEADER_BYTES))
        if head_end < 0:
            raise broken("a part has no header, or one that is too long")
        names = [m[1] for line in body[at + 2:head_end].split(b"\r\n") if (m := NAME.match(line))]
        if len(names) != 1:
            raise broken("a part has no name")
        name = names[0].decode("utf-8", "replace")
        if name in found:
            raise Refusal(422, "invalid", name, "was sent twice")
        found[name] = Part(name, body[head_end + 4:end])
        if len(found) > PARTS:
            raise broken(f"it has more than {PARTS} parts")
        at = end + 2 + len(mark)
    if body[at:at + 2] != b"--":
        raise broken("its last boundary is missing")
    return found


def broken(why: str) -> Refusal:
    """The form itself is wrong."""
    return Refusal(422, "invalid", None, f"the body is no multipart form: {why}")
