"""Every route, the one shape of errors, and that OpenAPI tells the truth about both."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ssbray.service import examples
from ssbray.service.keys import Keys
from tests.serving.asgi import form, predict, request
from tests.serving.fakes import Fake

JSON = {"content-type": "application/json"}


def call(app, method, path, **options):
    return asyncio.run(request(app, method, path, **options))


def true_to_openapi(app, path, method, answer):
    """The status is documented for the route, and the body fits the schema that is given for it."""
    document = app.openapi()
    entry = document["paths"][path][method.lower()]["responses"][str(answer.status)]
    kind = answer.headers["content-type"].split(";")[0]
    assert kind in entry["content"], (path, answer.status, kind)
    if kind == "application/json":
        schema = {**entry["content"][kind]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(answer.json)


@pytest.mark.parametrize(("path", "route"), [
    ("/", "/"), ("/v1/health/live", None), ("/v1/health/ready", None), ("/v1/model", None), ("/v1/materials", None),
    ("/v1/examples", None), ("/v1/examples/bare", "/v1/examples/{name}"), ("/v1/examples/x", "/v1/examples/{name}"),
    ("/metrics", None)])
def test_every_route_answers_as_documented(front, path, route):
    app = front()
    answer = call(app, "GET", path)
    assert answer.status == (404 if path.endswith("/x") else 200)
    true_to_openapi(app, route or path, "get", answer)


def test_it_is_live_but_not_ready_until_a_model_answers(front):
    app = front(Fake(up=False))
    assert call(app, "GET", "/v1/health/live").status == 200
    answer = call(app, "GET", "/v1/health/ready")
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    true_to_openapi(app, "/v1/health/ready", "get", answer)
    assert call(app, "GET", "/v1/model").status == 503


def test_a_prediction_has_the_promised_keys(front):
    backend = Fake()
    app = front(backend)
    answer = asyncio.run(predict(app, image=examples.png("bare"), pixel_size_nm=5, detector="haadf", axis="x"))
    assert answer.status == 200
    assert {"model_version", "sigma_eff_S_per_cm", "anomaly", "phase_fraction", "in_domain", "seconds"} <= set(
        answer.json)
    true_to_openapi(app, "/v1/predict", "post", answer)
    (micrograph, wishes), = backend.seen
    assert micrograph.images["haadf"].shape == (192, 256)
    assert micrograph.pixel_size_nm == 5
    assert (wishes.axis, wishes.pictures) == ("x", False)


def test_pictures_come_when_they_are_asked_for(front):
    backend = Fake()
    asyncio.run(predict(front(backend), image=examples.png("bare"), pixel_size_nm=5, query="overlay=1"))
    assert backend.seen[0][1].pictures


@pytest.mark.parametrize(("method", "path", "status", "code"), [
    ("GET", "/nowhere", 404, "not_found"), ("GET", "/v1/predict", 405, "method_not_allowed"),
    ("DELETE", "/v1/model", 405, "method_not_allowed"), ("GET", "/v1/examples/../../etc/passwd", 404, "not_found"),
    ("GET", "/docs", 404, "not_found"), ("GET", "/v1/model/", 404, "not_found")])
def test_what_is_not_there_is_told_in_the_same_shape(front, method, path, status, code):
    answer = call(front(), method, path)
    assert answer.status == status
    assert answer.json["error"]["code"] == code
    assert set(answer.json["error"]) == {"code", "field", "message"}


@pytest.mark.parametrize(("body", "field"), [
    (b"{", None), (b"", None), (b"[]", None), (b'{"x": 1}', "x"), (b'{"parameters": 3}', "parameters"),
    (b'{"parameters": {"a": NaN}}', None), (b'{"parameters": {"a": true}}', "a"), (b'{"parameters": {"a": []}}', "a"),
    (b'{"parameters": {"a": 1e999}}', "a"), (b"[" * 60_000, None), (b"\xff\xfe", None),
    (rb'{"parameters": {"\ud800": 1}}', "parameters"), (rb'{"parameters": {"a": "\udfff"}}', "parameters"),
    (rb'{"\ud800": 1}', "\ud800")])
def test_json_that_is_no_design_is_refused(front, body, field):
    app = front()
    answer = call(app, "POST", "/v1/predict", headers=JSON, chunks=[body])
    assert (answer.status, answer.json["error"]["field"]) == (422, field)
    true_to_openapi(app, "/v1/predict", "post", answer)


@pytest.mark.parametrize(("fields", "field"), [
    ({"pixel_size_nm": 5}, "image"), ({"image": b"", "pixel_size_nm": 5}, "image"),
    ({"image": "good", "pixel_size_nm": "five"}, "pixel_size_nm"), ({"image": "good"}, "pixel_size_nm"),
    ({"image": "good", "pixel_size_nm": "nan"}, "pixel_size_nm"), ({"image": "good", "pixel_size": 5}, "pixel_size"),
    ({"image": "good", "pixel_size_nm": -5}, "pixel_size_nm"), ({"image": "good", "pixel_size_nm": 5, "axis": "z"},
                                                                 "axis"),
    ({"image": "good", "pixel_size_nm": 5, "coating": "NMC811"}, "coating"),
    ({"image": "good", "pixel_size_nm": 5, "electrolyte": "unobtainium"}, "phase"),
    ({"image": "good", "pixel_size_nm": 5, "detector": "xrd"}, "detector"),
    ({"image": "good", "pixel_size_nm": 5, "temperature_C": 4000}, "temperature_C")])
def test_wrong_fields_are_named(front, fields, field):
    app = front()
    given = {name: examples.png("bare") if value == "good" else value for name, value in fields.items()}
    answer = asyncio.run(predict(app, **given))
    assert answer.status in (415, 422)
    assert answer.json["error"]["field"] == field
    true_to_openapi(app, "/v1/predict", "post", answer)


@pytest.mark.parametrize("damage", [
    lambda kind, body: (kind, body[:-6]), lambda kind, body: (kind, body[3:]), lambda kind, body: (kind, b""),
    lambda kind, body: ("multipart/form-data", body), lambda kind, body: (kind, body.replace(b"name=", b"nom=")),
    lambda kind, body: (kind, body.replace(b"\r\n\r\n", b"\r\n" + b"x" * 5000)),
    lambda kind, body: (kind, body[:body.rindex(b"--", 0, -4)] + body)])
def test_forms_that_are_none_are_refused(front, damage):
    headers, body = form(image=b"\x89PNG", pixel_size_nm=5)
    kind, body = damage(headers["content-type"], body)
    answer = call(front(), "POST", "/v1/predict", headers={"content-type": kind}, chunks=[body])
    assert answer.status == 422
    assert set(answer.json["error"]) == {"code", "field", "message"}


def test_a_form_comes_through_byte_by_byte(front):
    headers, body = form(image=examples.png("bare"), pixel_size_nm=5)
    pieces = [body[k:k + 997] for k in range(0, len(body), 997)]
    assert call(front(), "POST", "/v1/predict", headers=headers, chunks=pieces).status == 200


def test_an_identity_goes_through_and_a_strange_one_does_not(front):
    app = front()
    assert call(app, "GET", "/v1/model", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert call(app, "GET", "/v1/model", headers={"x-request-id": "a\n{b}"}).headers["x-request-id"] != "a\n{b}"
    lines = [json.loads(line) for line in front.lines]
    assert lines[0]["request_id"] == "abc-1"
    assert lines[0]["route"] == "/v1/model"
    assert "{b}" not in front.lines[1]


def test_our_own_mistakes_show_no_stack_and_no_text(front):
    app = front(Fake(error=ZeroDivisionError("secret path /root")))
    answer = asyncio.run(predict(app, image=examples.png("bare"), pixel_size_nm=5))
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert answer.headers["x-request-id"] in answer.json["error"]["message"]
    assert any("ZeroDivisionError" in line for line in front.lines)
    true_to_openapi(app, "/v1/predict", "post", answer)


def test_keys_are_asked_for_compared_and_never_logged(front):
    import hashlib

    keys = Keys({"ada": hashlib.sha256(b"right").digest(), "bob": hashlib.sha256(b"other").digest()})
    app = front(keys=keys)
    assert call(app, "GET", "/").status == 200
    assert call(app, "GET", "/v1/health/ready").status == 200
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic right"}, {"x-api-key": ""},
                    {"authorization": "Bearer \xe9\xff"}):
        answer = call(app, "GET", "/v1/model", headers=headers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        true_to_openapi(app, "/v1/model", "get", answer)
    for headers in ({"authorization": "Bearer right"}, {"authorization": "bearer  right"}, {"x-api-key": "right"}):
        assert call(app, "GET", "/v1/model", headers=headers).status == 200
    assert json.loads(front.lines[-1])["owner"] == "ada"
    assert not any("right" in line or "wrong" in line for line in front.lines)


def test_without_keys_only_this_machine_is_asked(front):
    """A web page whose name was made to lead here (DNS rebinding) is not one of us."""
    app = front()
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert call(app, "GET", "/v1/model", headers={"host": host}).status == 200
    for host in ("evil.example", "192.168.0.3:8000", ""):
        assert call(app, "GET", "/v1/model", headers={"host": host}).status == 403
    assert call(front(known_open=True), "GET", "/v1/model", headers={"host": "evil.example"}).status == 200


def test_pages_from_elsewhere_do_not_ask_in_their_visitors_name(front):
    """A browser sends a form anywhere, and says where the page was from."""
    app = front()
    for origin in ("http://127.0.0.1:8000", "http://localhost:8000"):
        headers = {"host": origin[7:], "origin": origin}
        answer = call(app, "POST", "/v1/predict", headers={**JSON, **headers}, chunks=[b'{"parameters": {}}'])
        assert answer.status == 200
    for origin in ("https://evil.example", "null", "http://localhost:3000"):
        answer = call(app, "POST", "/v1/predict", headers={**JSON, "origin": origin}, chunks=[b'{"parameters": {}}'])
        assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden_origin")
        true_to_openapi(app, "/v1/predict", "post", answer)


def test_metrics_count_what_happened(front):
    app = front()
    asyncio.run(predict(app, image=examples.png("bare"), pixel_size_nm=5))
    asyncio.run(predict(app, image=b"GIF89a", pixel_size_nm=5))
    text = call(app, "GET", "/metrics").body.decode()
    for line in ('ssbray_requests_total{route="/v1/predict",status="200"} 1.0',
                 'ssbray_requests_total{route="/v1/predict",status="415"} 1.0',
                 'ssbray_rejects_total{code="unsupported_media_type"} 1.0', "ssbray_out_of_domain_total 1.0",
                 'ssbray_predictions_total{kind="image"} 1.0', "ssbray_queue 0.0",
                 'ssbray_predictive_std_ratio_bucket{le="0.2"} 1.0',
                 'ssbray_request_seconds_count{route="/v1/predict"}'):
        assert line in text, line


QUERIES = st.sampled_from(["", "overlay=1", "overlay=2", "&&"])
METHODS = st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"])
PATHS = st.sampled_from(["/", "/v1/predict", "/v1/model", "/metrics", "/v1/examples/bare", "/v1/examples/é",
                         "//"])
KINDS = st.sampled_from(["application/json", "multipart/form-data; boundary=x", "text/plain", "", "application/json;;"])
NESTED = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.one_of(
    st.dictionaries(st.sampled_from(["parameters", "a"]), inner), st.lists(inner, max_size=3)))
BODIES = st.one_of(st.binary(max_size=60), NESTED.map(lambda value: json.dumps(value).encode()),
                   st.sampled_from([b"--x\r\n\r\n\r\n--x--", b'{"parameters": {}}', b"--x--"]))


def test_nothing_that_is_sent_makes_it_fail(front):
    app = front()

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(method=METHODS, path=PATHS, kind=KINDS, body=BODIES, query=QUERIES)
    def holds(method, path, kind, body, query):
        answer = call(app, method, path, headers={"content-type": kind}, chunks=[body], query=query)
        assert answer.status < 500
        if path in app.openapi()["paths"] and method.lower() in app.openapi()["paths"][path]:
            true_to_openapi(app, path, method, answer)

    holds()
