"""The OpenAPI document is true: whatever it allows is answered as it says."""

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import PREDICT, WAV, get, post, run_service

from sottovoce.serve.schemas import PREDICTION, SEGMENT, SUMMARY

EXAMPLES = 15
KEY = "0123456789abcdef"
PATHS = {
    "/v1/predict": {"post"},
    "/v1/timeline": {"post"},
    "/v1/profile": {"post"},
    "/v1/why": {"post"},
    "/v1/peaks": {"post"},
    "/v1/corrections": {"post"},
    "/v1/models": {"get"},
    "/v1/models/{name}": {"get"},
    "/v1/models/{name}/tested": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
}


def test_every_answer_is_one_that_the_document_allows(guarded):
    operations = []
    api = schemathesis.openapi.from_url(f"{guarded.url}/openapi.json")
    for result in api.get_all_operations():
        operation = result.ok()
        operations.append(operation.label)

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        def call(case):
            case.call_and_validate(
                headers={"Authorization": f"Bearer {KEY}"},
                excluded_checks=[positive_data_acceptance],  # most bytes are no recording
            )

        call()
    assert len(operations) == len(PATHS)


@pytest.fixture(scope="module")
def guarded(tiny):
    with run_service(tiny, keys=(KEY,)) as running:
        yield running


@pytest.fixture
def document(guarded):
    return get(f"{guarded.url}/openapi.json").json()


def test_a_service_without_keys_asks_for_none_in_its_document(served):
    document = get(f"{served.url}/openapi.json").json()
    assert "security" not in str(document["paths"])


def test_the_document_has_every_route(document):
    assert {path: set(found) for path, found in document["paths"].items()} == PATHS
    for path in ("/v1/predict", "/v1/timeline"):
        operation = document["paths"][path]["post"]
        kinds = set(operation["requestBody"]["content"])
        assert kinds == {"multipart/form-data", "application/octet-stream", "audio/wav"}
        assert {"400", "401", "408", "413", "415", "422", "429", "503"} <= set(
            operation["responses"]
        )
        assert operation["security"]
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_the_examples_are_what_they_are_examples_of(document):
    parts = document["components"]
    assert parts["schemas"]["PredictionResponse"]["examples"] == [PREDICTION]
    for name, example in (("Segment", SEGMENT), ("Summary", SUMMARY)):
        jsonschema.validate(example, {"$ref": f"#/components/schemas/{name}", "components": parts})
    for name, schema in parts["schemas"].items():
        for example in schema.get("examples", []):
            jsonschema.validate(
                example, {"$ref": f"#/components/schemas/{name}", "components": parts}
            )


@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline"])
def test_real_answers_are_of_the_shape_that_the_document_gives(served, document, path):
    answer = post(f"{served.url}{path}", content=WAV).json()
    content = document["paths"][path]["post"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    jsonschema.validate(answer, schema)


def test_people_see_it_in_a_browser_that_asks_nobody_else(served, browser):
    requested, wrong = [], []
    page = browser.new_page()
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(served.url + "/docs", wait_until="networkidle")
    page.get_by_text("/v1/predict").first.wait_for()
    page.close()
    assert {url for url in requested if not url.startswith((served.url, "data:", "blob:"))} == set()
    assert wrong == []
