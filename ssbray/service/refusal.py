"""Why a request gets no answer, in the one shape that clients know."""

from __future__ import annotations

import traceback
from typing import Any

from ssbray.errors import InputError


class Refusal(Exception):
    """An HTTP status, a code for programs, the field, and a sentence for the reader."""

    def __init__(self, status: int, code: str, field: str | None, message: str, retry_after_s: int | None = None
                 ) -> None:
        super().__init__(message)
        self.status, self.code, self.field, self.message = status, code, field, message
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:  # exceptions travel between the processes of the endpoint
        return Refusal, (self.status, self.code, self.field, self.message, self.retry_after_s)

    @classmethod
    def of(cls, error: InputError) -> Refusal:
        """What the user can mend."""
        return cls(422, "invalid", error.field, error.remedy)

    @classmethod
    def lacking(cls, what: str, field: str) -> Refusal:
        """The endpoint was started for the other kind of request only."""
        return cls(503, f"no_{what}", field, f"this endpoint was started without a {what}")

    @property
    def content(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"code": self.code, "field": self.field, "message": self.message}}


def portable(answer: Any) -> Any:
    """An answer that may leave its process: of an error of ours only the text does, with its trace, for the log."""
    if not isinstance(answer, Exception) or isinstance(answer, InputError | Refusal):
        return answer
    return RuntimeError("".join(traceback.format_exception(answer)))
