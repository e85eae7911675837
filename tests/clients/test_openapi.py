"""The served OpenAPI document against the official generated client: every operation, model and field it knows."""

import inspect
import json
import re
import urllib.request

import pytest
from metal_python import api, models

from conftest import KEYS  # noqa: F401  (the harness must be importable on its own)

# What we serve beyond the official interface.
EXTRA_OPERATIONS = re.compile(r"^/v1/(\w+/watch|task|pki/.*)$")


class Recorder:
    """Stands for the HTTP client and notes what the generated code would have called."""

    def __init__(self):
        self.calls = []

    def call_api(self, path, method, *_, **options):
        self.calls.append((method, path, options.get("response_type")))

    def select_header_accept(self, _):
        return "application/json"

    def select_header_content_type(self, _):
        return "application/json"


def official_operations():
    recorder = Recorder()
    for name, group in inspect.getmembers(api, inspect.isclass):
        if not name.endswith("Api"):
            continue
        instance = group(recorder)
        for call, function in inspect.getmembers(instance, inspect.ismethod):
            if call.startswith("_") or call.endswith("_with_http_info"):
                continue
            wanted = [p for p in inspect.signature(function).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
            function(*["x"] * len(wanted))
    return recorder.calls


def squeeze(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


@pytest.fixture(scope="module")
def document(server):
    with urllib.request.urlopen(f"{server.url}/apidocs.json") as answer:
        return json.load(answer)


def schemas(document):
    return document.get("components", {}).get("schemas") or document["definitions"]


def resolve(document, schema):
    """Follows references, and the one-of-null wrapping of optional objects, to a schema name or a plain type."""
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            rest = [s for s in schema[key] if s.get("type") != "null"]
            return resolve(document, rest[0])
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(k for k in kind if k != "null")
    return kind


def test_every_official_operation_is_served(document):
    official = official_operations()
    assert len(official) >= 114
    for method, path, response in official:
        served = document["paths"].get(path, {}).get(method.lower())
        assert served, f"{method} {path} is missing"
        success = [code for code in served["responses"] if code.startswith("2")]
        assert success, f"{method} {path} has no success answer"
        if not response:
            continue
        content = served["responses"][success[0]]["content"]["application/json"]["schema"]
        listed = re.fullmatch(r"list\[(\w+)\]", response)
        if listed:
            assert resolve(document, content) == "array", f"{method} {path}"
            content = content["items"]
        assert squeeze(resolve(document, content)) == squeeze((listed or [0, response])[1]), f"{method} {path}"


def test_nothing_unknown_is_served(document):
    official = {(method.lower(), path) for method, path, _ in official_operations()}
    served = {(method, path) for path, item in document["paths"].items() for method in item}
    unknown = [(m, p) for m, p in served - official if not EXTRA_OPERATIONS.match(p)]
    assert not unknown


def official_models():
    for name, model in inspect.getmembers(models, inspect.isclass):
        if hasattr(model, "swagger_types"):
            yield name, model


# Query fragments and pieces that exist only as base classes of other models in the Go code.
PIECES = {
    "V1Common", "V1Describable", "V1Identifiable", "V1Timestamps", "V1MachineBase", "V1MachineHardwareBase", "V1NetworkBase",
    "V1NetworkImmutable", "V1IPBase", "V1IPIdentifiable", "V1ImageBase", "V1PartitionBase", "V1SwitchBase",
    "V1FilesystemLayoutBase", "V1MachineProvisioningEventBase", "V1FirewallAllocateRequest",
    "DatastoreImageSearchQuery", "DatastoreIPSearchQuery", "DatastoreMachineSearchQuery", "DatastoreNetworkSearchQuery",
    "DatastoreSwitchSearchQuery",
}


@pytest.mark.parametrize("name,model", list(official_models()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_official_field_is_described(document, name, model):
    known = {squeeze(key): key for key in schemas(document)}
    if squeeze(name) not in known:
        assert name in PIECES, f"model {name} is missing"
        return
    properties = schemas(document)[known[squeeze(name)]].get("properties", {})
    plain = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "datetime": "string"}
    for attribute, key in model.attribute_map.items():
        assert key in properties, f"{name}.{key} is missing"
        kind = model.swagger_types[attribute]
        served = resolve(document, properties[key])
        if kind in plain:
            assert served == plain[kind], f"{name}.{key}"
        elif kind.startswith("list["):
            assert served == "array", f"{name}.{key}"
        elif kind.startswith("dict("):
            assert served == "object", f"{name}.{key}"
        else:
            assert squeeze(served) == squeeze(kind), f"{name}.{key}"
