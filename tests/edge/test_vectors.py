"""One list of tokens; nginx with njs and the Python twin give the same verdict for each."""

from __future__ import annotations

import json
import time
from io import BytesIO

import pytest

from appliance.domain.tickets import Verdict
from appliance.edge.twin import verify
from tests.edge.make_vectors import VECTORS, document
from tests.edge.token_maker import OBJECT
from tests.objects.store_processes import BUCKET

DOCUMENT = json.loads(VECTORS.read_text())
CASES = [pytest.param(vector, id=vector["name"]) for vector in DOCUMENT["vectors"]]


def test_the_file_is_what_its_script_makes():
    assert VECTORS.read_text() == document()


def test_every_verdict_has_a_vector():
    assert {vector["verdict"] for vector in DOCUMENT["vectors"]} == {*Verdict}


@pytest.fixture(scope="module")
def laid_out(root):
    for place in (OBJECT, f"{OBJECT}/00000000000000ff"):
        root.put_object(BUCKET, place.removeprefix(f"/{BUCKET}/"), BytesIO(b"bytes"), 5)


@pytest.mark.parametrize("vector", CASES)
def test_twin(vector):
    verdict, ticket = verify(
        vector["token"],
        DOCUMENT["public_keys"],
        bucket=DOCUMENT["bucket"],
        now=time.time(),
        address=DOCUMENT["address"],
        cookie=vector["cookie"],
    )
    assert verdict == vector["verdict"]
    assert (ticket is not None) == (verdict in (Verdict.OK, Verdict.EXPIRED))


def test_nginx(edge, laid_out):
    wrong = []
    for vector in DOCUMENT["vectors"]:
        headers = {"Cookie": f"a=b; stowbay_bind={vector['cookie']}"} if vector["cookie"] else {}
        answer = edge.download(vector["token"], headers=headers)
        if answer.status == 200 and answer.body == b"bytes":
            verdict = "ok"
        elif answer.status == 302:
            verdict = "expired"
        else:
            verdict = answer.code.removeprefix("ticket-")
        if verdict != vector["verdict"]:
            wrong.append((vector["name"], vector["verdict"], verdict))
    assert not wrong
