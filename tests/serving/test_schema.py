"""The endpoint against its own OpenAPI document, by a tool that reads it and makes up requests, good and bad."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, openapi
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serve.front import create
from ssbray.service.settings import Settings
from tests.serving.conftest import LIMITS
from tests.serving.fakes import Fake

pytestmark = pytest.mark.serving
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance]
PLAIN = settings(max_examples=40, deadline=None, derandomize=True, database=None,
                 phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))


@pytest.fixture
def operations(decoder):
    """The routes, each with a strategy for what may be sent to it."""
    limits = LIMITS.model_copy(update={"per_minute": 10**6})
    app = create(Fake(), Settings(limits=limits, known_open=True), decoder=decoder, log=lambda _: None)
    return [found.ok() for found in openapi.from_asgi("/openapi.json", app).get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_one_that_the_document_names(operations, mode):
    """What keeps to the document, and what breaks it in one place."""
    tried = set()
    for operation in operations:
        def call(case):
            tried.add(case.operation.label)
            case.call_and_validate(checks=CHECKS)

        try:
            PLAIN(given(case=operation.as_strategy(generation_mode=mode))(call))()
        except Unsatisfiable:  # a route without parameters cannot be asked wrongly
            assert mode is GenerationMode.NEGATIVE
    assert "POST /v1/predict" in tried
    assert mode is GenerationMode.NEGATIVE or len(tried) == len(operations)
