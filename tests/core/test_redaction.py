"""Secrets are found by name and by shape; ordinary values stay as they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.core import redaction
from nbops.core.redaction import REDACTED, redact, redact_text, secret_name

SECRETS = [
    "postgresql://user:hunter2hunter2@db/x",
    "https://example.org/data.csv?token=abcd1234efgh5678",
    "password='correct horse'",
    "Authorization: Bearer abcdef1234567890",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY1",
    "sk_live_prod_51H8xYzKq0aBcD9eFgHiJ2kL",
    "https://example.org/files/private/get/wJalrXUtnFEMIbK7MDENGbPx",
    "curl -s -u anna:hunter2 https://example.org",
    "curl --user 'anna:hunter2' https://example.org",
    "https://hooks.slack.com/services/T00000000/B00000000/abcdefgh",
    "https://discord.com/api/webhooks/123/abcdefgh",
    "CREATE USER anna IDENTIFIED BY 'hunter2'",
    "ALTER ROLE anna WITH ENCRYPTED PASSWORD 'hunter2'",
    "X-Api-Key: hunter2hunter2",
    "ValueError: {'X-API-KEY': 'x'}",
    '{\\"password\\": \\"hunter2\\"}',
    'config = \'{"password": "hunter2"}\'',
    "%env SECRET_TOKEN hunter2",
    "PGPASSWORD=hunter2 psql",
    "userpass=hunter2 dbpass=hunter2",
    "password: hunter2",
]
PLAIN = [
    "data/bike_hour.csv",
    "https://raw.githubusercontent.com/tidyverts/tsibbledata/master/data-raw/vic_elec/VIC2015/demand.csv",
    "/home/someone/Projects/2024_Report/raw/MyData2019/part_Q3/zones_final.parquet",
    "HistGradientBoostingRegressor",
    "f1:blake3:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "https://archive.ics.uci.edu/dataset/275/bike+sharing+dataset",
    "neg_root_mean_squared_error",
    "bench_loss_module_logistic_MASTER_Threads_1.parquet",
    "https://indico.cern.ch/event/771113/contributions/3203712/attachments/1746730/3022094/PracticalVectorization.pdf",
    "2011-01-01T00:00:00.000000Z",
    "123e4567-e89b-12d3-a456-426614174000",
    "/home/someone/projects/churn/notebooks/2024-report-final-v2.ipynb",
    "nbops.param(secret=True) needs env=NAME",
    "api = client(token=os.environ.get('TOKEN'))",
    "connect(password=password, token=self.token)",
    "hf(token=False, secret=None, sig=0.05)",
    "signature = model.signature",
    "TypeError: client() got token: str, not int",
    "token: the next one of the text",
    "postgresql://{user}:{password}@{host}/x",
    "mysql://me:${DB_PASSWORD}@db/x?token={token}",
    "pass_rate=high, next_token=tokenizer.decode(out), max_tokens=4096",
    "select * from users where password = :password and token = %s",
    "curl -u $USER:$PASSWORD https://example.org",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_by_shape_goes(text: str) -> None:
    assert REDACTED in redact_text(text)


@pytest.mark.parametrize("text", PLAIN)
def test_an_ordinary_text_stays(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "API_KEY",
        "apiKey",
        "access_token",
        "secret",
        "PWD",
        "dsn",
        "X-Api-Key",
        "pw",
        "userpass",
        "DB_PASS",
    ],
)
def test_a_secret_by_name(name: str) -> None:
    assert secret_name(name)
    assert redact({name: "x"}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "author",
            "tokenizer",
            "passes",
            "n_keys",
            "keyboard",
            "max_iter",
            "compass",
            "pass_rate",
            "passed",
            "tokens",
        ),
        *(
            "max_tokens",
            "pad_token",
            "token_pattern",
            "signature",
            "sort_key",
            "primary_key",
            "PRIMARY_KEY",
            "OPENAI_KEY",
        ),
    ],
)
def test_a_name_that_only_looks_so(name: str) -> None:
    assert redact({name: "x"}) == {name: "x"}


def test_numbers_under_such_names() -> None:
    assert redact({"max_tokens": 512, "password": 1234}) == {"max_tokens": 512, "password": REDACTED}


def test_a_key_in_capitals_is_a_secret_where_its_value_looks_so() -> None:
    assert redact({"OPENAI_KEY": "planted88"}) == {"OPENAI_KEY": REDACTED}
    plain = {"SORT_KEY": "column_2", "PRIMARY_KEY": "customer_id_number", "OPENAI_KEY": "from_the_environment"}
    assert redact(plain) == plain


def test_pairs_are_looked_at_as_a_mapping_is() -> None:
    assert redact([("password", "x"), ["n", "x"]]) == [["password", REDACTED], ["n", "x"]]
    assert redact({"headers": [["X-Api-Key", "x"]]}) == {"headers": [["X-Api-Key", REDACTED]]}
    assert redact(["token", "label"]) == ["token", "label"]


def test_the_user_and_host_of_a_dsn_stay() -> None:
    assert redact_text("postgresql://ann:pa55word@db:5432/x") == f"postgresql://ann:{REDACTED}@db:5432/x"


@pytest.mark.parametrize(
    "text",
    [
        "password = 'x'",
        "DB_PASSWORD = 'x'",
        "PGPASSWORD = 'x'",
        "token: str = 'x'",
        "{'client_secret': 'x'}",
        '{"api_key": "x"}',
        "log_param('auth_token', 'x')",
        "os.environ['MY_TOKEN'] = 'x'",
        "connect(password='x')",
        "{'api_key': ['x', 'x']}",
        "PASSWORDS = ('x', 'x')",
    ],
)
def test_a_literal_that_its_name_gives_away(text: str) -> None:
    assert "x" not in redact_text(text).replace("os.environ", "")
    assert redact_text(text.replace("'x'", "''").replace('"x"', '""')).count(REDACTED) == 0


def test_lists_of_column_names_and_prompts_stay() -> None:
    for text in ("df[['token', 'label']]", "getpass('password: ') + 'x'", "tokenizer = 'basic'", "compass = 'N'"):
        assert redact_text(text) == text


def test_a_key_of_a_mapping_is_looked_at_too() -> None:
    assert "pw1234" not in repr(redact({"https://me:pw1234@example.org": 1}))


@pytest.mark.parametrize(("pattern", "parts"), [(p, parts) for p, _, parts in redaction._SHAPES])
@given(data=st.data())
def test_what_is_asked_before_a_pattern_hides_no_match_of_it(
    pattern: re.Pattern[str], parts: tuple[str, ...], data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(pattern))
    assert redaction._may_hold(text, parts)


@given(st.from_regex(redaction._NAME))
def test_a_name_of_a_secret_has_one_of_the_parts_that_are_asked_for(name: str) -> None:
    assert redaction._may_hold(name, redaction._NAMED)
