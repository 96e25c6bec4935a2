"""The secrets of a host are found in the files that hold them, as they must be looked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from appliance.support import known
from appliance.support.redaction import SHORTEST

PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgabcdefghijklmnop\n"
    "qrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/abcdefghijklmnop\n"
    "-----END PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"signer": {"access_key": "AKIDAKID", "secret_key": "sk/sk+sk=="}}', "sk/sk+sk=="),
        ('{"signer": {"access_key": "AKIDAKID", "secret_key": "x"}}', "AKIDAKID"),
        ('{"write_dsn": "host=h password=\'it\\\\\'s one\' port=1"}', "it's one"),
        ('{"redis_url": "redis://:ab%2Fcd%40ef@h:1/0"}', "ab/cd@ef"),
        ('{"keys": [{"pem": "' + PEM.replace("\n", "\\n") + '"}]}', PEM.splitlines()[1]),
        (PEM, PEM.splitlines()[2]),
        ("requirepass 73a2b75b4ccf", "73a2b75b4ccf"),
        ("masterauth half-a-word", "half-a-word"),
        ("MINIO_ROOT_PASSWORD=longer-word", "longer-word"),
        ("MINIO_KMS_SECRET_KEY=stowbay:QUJDREVGR0hJSktMTU5PUA==", "QUJDREVGR0hJSktMTU5PUA=="),
        ("    auth_pass eightltr", "eightltr"),
        ("tcp-check send 'AUTH quoted-word'\\r\\n", "quoted-word"),
        ('    password: "json \\" word"', 'json \\" word'),
        ("const secretKey = 'njs-word-njs'", "njs-word-njs"),
        ("WEED_S3_SSE_KEK=a-word-and-more", "a-word-and-more"),
        ("integration_key: 0a1b2c3d4e5f6a7b", "0a1b2c3d4e5f6a7b"),
        ('{"data-key": "0a1b2c3d4e5f6a7b"}', "0a1b2c3d4e5f6a7b"),
        ('{"smtp_auth_password": "it\'s \\"one\\""}', 'it\'s "one"'),
    ],
)
def test_secrets_of_a_text(text: str, secret: str) -> None:
    assert secret in known.secrets_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "ssl_certificate_key /etc/stowbay/pki/edge/key.pem",
        '{"token_seconds": 7776000}',
        "password_file: /etc/prometheus/password",
        "cookie: true",
        "WEED_GRPC_FILER_KEY=/etc/stowbay/pki/store/key.pem",
        "ETCD_KEY_FILE=/etc/stowbay/pki/etcd/key.pem",
        "key_file: /etc/stowbay/pki/prometheus/key.pem",
        '{"key": "/etc/stowbay/pki/redis/key.pem", "public_url": "https://files.example.com"}',
        "proxy_cache_key $uri$is_args$slice_range;",
        "const cache_key = request.variables.uri + slice",
        'url: "https://monitor.example.com/api/v2/alerts-of-the-cluster"',
        "SIGNING_KEY_DAYS=365\nservice_key: 12",
    ],
)
def test_what_is_none_is_not_taken_for_one(text: str) -> None:
    assert known.secrets_in(text) == set()


ROLES = Path(__file__).resolve().parents[3] / "ansible" / "roles"


@pytest.mark.parametrize("kind", ["seaweedfs", "minio"])
def test_every_secret_of_a_stores_settings(kind: str) -> None:
    """The role's own template; what it takes from the vault is filled in."""
    template = (ROLES / "objectstore" / "templates" / f"{kind}.env.j2").read_text("utf-8")
    filled = re.sub(r"{%.*?%}", "", template).replace("{{ part }}", "FILER")
    places = re.findall(r"^(\w+)=(\w+:)?({{.*}})$", filled, re.MULTILINE)
    words = {name: f"word-of-{n}-xyz" for n, (name, *_) in enumerate(places)}
    for name, _, place in places:
        filled = re.sub(rf"(?m)^({name}=.*?){re.escape(place)}$", rf"\1{words[name]}", filled)
    assert "{" not in filled.replace("{{ ansible_managed }}", "")
    found = known.secrets_in(filled)
    public = {"MINIO_SITE_REGION", "MINIO_ROOT_USER"}  # an access key that no grant has
    secret = {name: word for name, word in words.items() if name not in public}
    assert len(secret) == {"seaweedfs": 5, "minio": 2}[kind]
    assert set(secret.values()) <= found
    assert {each for each in found if "word-of" not in each and len(each) >= SHORTEST} == set()


RECEIVER = {
    "pagerduty_configs": [{"routing_key": "routing-word", "service_key": "service-word"}],
    "slack_configs": [{"api_url": "https://hooks.example.com/services/T0A/B0B/AbCdEfGhIjKlMnOpQrStUvWx"}],
    "webhook_configs": [
        {"url": "https://in.example.com/hook/0123456789abcdef0123?sig=Zyxwvutsrqponmlkj1&v=2"},
        {
            "url": "https://in.example.com/a",
            "http_config": {"authorization": {"credentials": "bearer-word"}},
        },
        {"url": "https://somebody:basic-word@in.example.com/a"},
    ],
    "msteams_configs": [{"webhook_url": "https://t.example.com/webhookb2/11111111-2222-3333-4444-555555555555"}],
    "opsgenie_configs": [{"api_key": "api-key-word"}],
    "pushover_configs": [{"user_key": "user-key-word", "token": "token-word"}],
    "telegram_configs": [{"bot_token": "123456:bot-token-word", "chat_id": 1}],
    "email_configs": [{
        "to": "a@example.com", "smarthost": "mail.example.com:587", "auth_username": "sender",
        "auth_password": "mail-word", "auth_secret": "cram-word",
    }],
}  # fmt: skip
SECRET = [
    "routing-word", "service-word", "AbCdEfGhIjKlMnOpQrStUvWx", "0123456789abcdef0123",
    "Zyxwvutsrqponmlkj1", "bearer-word", "basic-word", "11111111-2222-3333-4444-555555555555",
    "api-key-word", "user-key-word", "token-word", "bot-token-word", "mail-word", "cram-word",
]  # fmt: skip


def alertmanager_settings() -> str:
    """As the role writes them: the receiver is one line of JSON within YAML."""
    template = (ROLES / "alertmanager" / "templates" / "alertmanager.yml.j2").read_text("utf-8")
    line = "{{ {'name': 'operators'} | combine(alertmanager_receiver) | to_json }}"
    assert line in template
    return template.replace(line, json.dumps({"name": "operators"} | RECEIVER))


@pytest.mark.parametrize("secret", SECRET)
def test_every_secret_of_a_receiver(secret: str) -> None:
    assert any(secret in each for each in known.secrets_in(alertmanager_settings()))


def test_a_receivers_harmless_settings_are_no_secrets() -> None:
    found = known.secrets_in(alertmanager_settings())
    for word in ("example.com", "services", "webhookb2", "587", "operators", "alertname"):
        assert not any(each in word or word == each for each in found), word
    assert len(found) <= len(SECRET) + 4, "halves of two, and the one with its user"


def test_whole_files_and_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "admin-password").write_text("whole-word\n")
    (tmp_path / "store-signer").write_text("access-half:secret-half\n")
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "tickets.json").write_text(json.dumps({"keys": [{"pem": PEM}]}))
    whole = [*tmp_path.iterdir(), tmp_path / "missing"]
    found = known.secrets_of_files([], whole)
    assert {"whole-word", "access-half", "secret-half", PEM.splitlines()[1]} <= found
    assert "abc" not in found


def test_addresses_of_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("10.77.0.11 c1\n10.77.0.12 c2\n# version 1.2.3.4.5\n")
    assert known.addresses_in([tmp_path / "hosts"]) == {"10.77.0.11", "10.77.0.12"}
