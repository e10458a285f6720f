"""Why a request gets no answer, in the one shape that clients know."""

from __future__ import annotations

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

    @property
    def content(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"code": self.code, "field": self.field, "message": self.message}}
