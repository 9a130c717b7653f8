"""What front ends may send and from where: documents by hash, other origins, compression, introspection."""

import gzip
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config import ConfigError, parse
from gateway.documents import sha256
from tests.graphql.conftest import MICHAEL, Running, started

DOCUMENT = "{ sources { id } }"
PORTAL = "https://portal.example.org"


def named(document: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(document)}}}


async def posted(gateway: Running, body: dict[str, Any], **headers: str) -> tuple[int, Any, aiohttp.ClientResponse]:
    asked = gateway.session.post(f"{gateway.url}/graphql", json=body, headers=gateway.headers | headers)
    async with asked as response:
        return response.status, json.loads(await response.read() or b"null"), response


def code(answer: Any) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


async def test_a_hash_that_is_not_known_is_asked_for_once_and_known_after(gateway: Running) -> None:
    _, unknown, _ = await posted(gateway, named(DOCUMENT))
    assert (code(unknown), unknown["errors"][0]["message"]) == ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
    _, sent, _ = await posted(gateway, {"query": DOCUMENT, **named(DOCUMENT)})
    _, known, _ = await posted(gateway, named(DOCUMENT))
    assert known == sent
    assert known["data"]["sources"]


async def test_a_document_under_another_ones_hash_is_refused_and_not_kept(gateway: Running) -> None:
    status, answer, _ = await posted(gateway, {"query": "{ __typename }", **named(DOCUMENT)})
    assert (status, code(answer)) == (400, "BAD_REQUEST")
    assert code((await posted(gateway, named(DOCUMENT)))[1]) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "manifest",
    [
        {"sources": DOCUMENT},
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [{"id": "sources", "body": DOCUMENT}],
        },
    ],
)
async def test_with_trusted_documents_alone_nothing_else_is_run(tmp_path: Path, manifest: dict[str, Any]) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest), encoding="utf-8")
    table = f'[graphql]\ntrusted_documents = ["{file}"]\nonly_trusted = true\n'
    async with started(tmp_path, edit=lambda config: table + config) as gateway:
        for body in ({"documentId": "sources"}, {"documentId": f"sha256:{sha256(DOCUMENT)}"}, {"query": DOCUMENT}):
            assert (await posted(gateway, body))[1]["data"]["sources"], body
        for body in ({"query": "{ __typename }"}, {"documentId": "other"}, named("{ __typename }")):
            assert code((await posted(gateway, body))[1]) == "DOCUMENT_NOT_TRUSTED", body


async def test_a_trusted_document_that_does_not_fit_the_schema_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"wrong": "{ patiant { id } }"}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'wrong'.*patiant"):
        async with started(tmp_path, edit=lambda config: f'[graphql]\ntrusted_documents = ["{file}"]\n' + config):
            pass


async def test_a_manifest_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[graphql\] trusted_documents: 'portal\.json' cannot be read"):
        async with started(tmp_path, edit=lambda config: '[graphql]\ntrusted_documents = ["portal.json"]\n' + config):
            pass


def test_trusting_only_a_manifest_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="only_trusted needs trusted_documents"):
        parse("[graphql]\nonly_trusted = true\n")


async def test_a_page_of_another_site_may_not_ask(gateway: Running) -> None:
    for headers in ({"Origin": PORTAL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        status, answer, response = await posted(gateway, {"query": DOCUMENT}, **headers)
        assert (status, code(answer)) == (403, "ACCESS_DENIED")
        assert "Access-Control-Allow-Origin" not in response.headers
    own = await posted(gateway, {"query": DOCUMENT}, Origin=gateway.url)
    assert own[1]["data"]["sources"]


async def test_a_page_of_an_origin_that_is_listed_may(tmp_path: Path) -> None:
    async with started(
        tmp_path, edit=lambda config: f'[graphql]\nallowed_origins = ["{PORTAL}"]\n' + config
    ) as gateway:
        asking = {"Origin": PORTAL, "Access-Control-Request-Method": "POST"}
        preflight = asking | {"Access-Control-Request-Headers": "authorization,content-type"}
        async with gateway.session.options(f"{gateway.url}/graphql", headers=preflight) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == PORTAL
        _, answer, response = await posted(gateway, {"query": DOCUMENT}, Origin=PORTAL)
        assert answer["data"]["sources"]
        assert response.headers["Access-Control-Allow-Origin"] == PORTAL
        assert (await posted(gateway, {"query": DOCUMENT}, Origin="https://portal.example.com"))[0] == 403


async def test_a_long_answer_is_compressed_for_who_takes_it(gateway: Running) -> None:
    body = {"query": "{ __schema { types { name description } } }"}
    told = {}
    for encoding in ("gzip", "identity"):
        headers = gateway.headers | {"Accept-Encoding": encoding}
        request = gateway.session.post(f"{gateway.url}/graphql", json=body, headers=headers, auto_decompress=False)
        async with request as response:
            told[encoding] = await response.read()
            assert response.headers.get("Content-Encoding", "identity") == encoding
    assert gzip.decompress(told["gzip"]) == told["identity"]
    assert len(told["gzip"]) < len(told["identity"]) / 3


async def test_without_introspection_the_schema_is_not_told_and_no_name_is_suggested(tmp_path: Path) -> None:
    async with started(tmp_path, edit=lambda config: "[graphql]\nintrospection = false\n" + config) as gateway:
        _, refused, _ = await posted(gateway, {"query": "{ __schema { types { name } } }"})
        assert code(refused) == "GRAPHQL_INVALID"
        _, misspelt, _ = await posted(gateway, {"query": "{ sourcs { id } }"})
        assert "Did you mean" not in json.dumps(misspelt)
        assert (await posted(gateway, {"query": DOCUMENT}))[1]["data"]["sources"]


async def test_names_are_suggested_otherwise(gateway: Running) -> None:
    _, misspelt, _ = await posted(gateway, {"query": "{ sourcs { id } }"})
    assert "Did you mean 'sources'?" in json.dumps(misspelt)


async def test_the_viewer_is_told_whom_it_may_offer_as_invented(gateway: Running) -> None:
    async with gateway.session.get(f"{gateway.url}/settings.json") as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        examples = (await response.json())["examples"]
    assert {"identifier": MICHAEL, "label": "Michael Quillfeather, 58: nine care settings"} in examples
