"""Secrets are taken out of code, and it stays the same code; code without any stays as it is, byte for byte."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.core.redaction import REDACTED
from nbops.notebook.code_secrets import holes, literal_secrets, redact_code
from nbops.notebook.syntax import parsed

SECRET = "plantedSecret88"

STAYS = [
    'api = client(token=os.environ.get("TOKEN"))',
    'password = os.environ.get("DB_PASSWORD")',
    'password = os.environ["DB_PASSWORD"]',
    'password = nbops.param(secret=True, env="DB_PASSWORD", help="of the database")',
    'password = getpass("Password: ")',
    "def client(token=None): ...",
    'def f(password: str = "", *, token: str | None = None): ...',
    "connect(password=password)",
    "hf(token=False, x=1)",
    "next_token = tokenizer.decode(out)",
    'tokenizer.pad_token = "<pad>"',
    "sig = inspect.signature(f)",
    "signature = model.signature",
    "sig=0.05",
    "secret: bool = True",
    'df.rename(columns={"token": "word"})',
    'df.rename({"token": "word"})',
    'df.astype({"password": "string"}).groupby(["token", "label"]).agg({"token": "count"})',
    'df[["token", "label"]]',
    'columns = {"token": "word"}',
    'tokens = ["the","cat"]',
    'pass_rate = "high"',
    'if token == "the": ...',
    'if name in ("password", "token"): ...',
    'help = "postgresql://USER:PASSWORD@HOST/x"',
    'PRIMARY_KEY = "id"; sort_key = "column_2"',
    'PRIMARY_KEY = "customer_id_number"',
    'vectorizer = TfidfVectorizer(token_pattern=r"(?u)\\b\\w+\\b")',
    'raise ValueError("nbops.param(secret=True) needs env=NAME")',
    'url = f"postgresql://{user}:{password}@{host}/db"',
    'dsn = "postgresql://{}:{}@h/x".format(user, password)',
    'headers = {"Authorization": f"Bearer {token}"}',
    'auth = f"{user}:{password}"',
    'class Kind(Enum):\n    TOKEN = "token"',
    "max_tokens = 512",
    'def f(token):\n    """token: the next one, password : string, optional"""',
    '%%time\npassword = os.environ.get("PASSWORD")\n!echo $PASSWORD',
    "# the password comes from the environment, the token too: see the README",
]

GOES = [
    'h = {"X-Api-Key": "…"}',
    'h = {"api-key": "…"}',
    'h["X-API-KEY"] = "…"',
    'raise ValueError({"X-Api-Key": "…"})',
    'pw: str = "…"',
    'OPENAI_KEY = "…"',
    'openai_key = "…"',
    "q = \"CREATE USER a IDENTIFIED BY '…'\"",
    "q = 'CREATE USER a IDENTIFIED BY \\'…\\''",
    "q = \"ALTER ROLE a WITH PASSWORD '…'\"",
    'nbops.log_param("call", "curl -u anna:… https://x")',
    "!curl -u anna:… https://x",
    'u = "https://hooks.slack.com/services/T00/B00/…"',
    'pairs = [("password","…")]',
    'a = b_password = "…"',
    'password = os.getenv("PASSWORD") or "…"',
    'password = os.getenv("PASSWORD", "…")',
    'password = "x" + "…"',
    'password = "…" if prod else "…"',
    'password = str("…")',
    'password = "…".encode()',
    "password = b'…'",
    'password = f"…{x}"',
    'password = ("…"  # of the database\n            "…")',
    'password = """…\n…"""',
    'password += "…"',
    'key = SecretStr("…")',
    '(password := "…")',
    '(user, token) = ("u","…")',
    'PGPASSWORD, u = "…", 1',
    'self.password = "…"',
    'data["db"]["password"] = "…"',
    'setattr(o,"password","…")',
    'nbops.log_param("auth_token", "…")',
    'if password == "…": ...',
    'if row["password"] in ("…", "…"): ...',
    'def f(password="…", *, token="…"): ...',
    'f = lambda password="…": 1',
    'api_tokens = ["…"]',
    'config = {"user": "me", "db": [{"token": "…"}]}',
    'text = \'{"password": "…"}\'',
    'text = "{\\"password\\": \\"…\\"}"',
    'url = "postgresql://u:…@h/x"',
    'url = f"postgresql://{user}:…@{host}/x"',
    "text = f\"{connect(password='…')} and {x!r:>10}\"",
    'connect(userpass="…", dbpass="…")',
    "userpass = dbpass = '…'",
    "%env SECRET_TOKEN …",
    "%set_env SECRET_TOKEN=…",
    '%time db = connect(password="…")\ntoken = "…"',
    '%%track job\nü = "ü"; password = "…"  # password=…',
    '# password = "…"\nx = 1',
    'def broken(:\n    password = "…"',
    "%%sql\nCREATE USER a IDENTIFIED BY '…'",
]


class _Blanked(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(value=...)


def structure(source: str) -> str | None:
    tree = parsed(source)
    return ast.dump(_Blanked().visit(ast.parse(ast.unparse(tree)))) if tree is not None else None


@pytest.mark.parametrize("code", STAYS)
def test_code_without_a_secret_stays(code: str) -> None:
    assert redact_code(code) == code
    assert literal_secrets(code) == frozenset()


@pytest.mark.parametrize("code", GOES)
def test_a_secret_goes_and_the_code_stays_the_same_code(code: str) -> None:
    code = code.replace("…", SECRET)
    new = redact_code(code)
    assert SECRET not in new
    assert REDACTED in new
    assert redact_code(new) == new
    if not code.startswith("%%sql"):  # to Python one text
        assert structure(new) == structure(code)


@given(st.lists(st.sampled_from([*STAYS, *GOES]), min_size=1, max_size=6), st.sampled_from(["\n", "\n\n", "\r\n"]))
def test_any_cell_of_such_lines(lines: list[str], between: str) -> None:
    code = between.join(line for line in lines if not line.startswith("%%") and "broken" not in line)
    code = code.replace("…", SECRET)
    new = redact_code(code)
    assert SECRET not in new
    assert structure(new) == structure(code) != None  # noqa: E711
    assert SECRET in code or new == code


NAMES = st.sampled_from(["password", "x", "api_key", "token", "OPENAI_KEY", "tokens", "pw", "signature"])
TEXTS = st.one_of(st.text(max_size=12), st.just(SECRET), st.just(f"postgresql://u:{SECRET}@h/x"), st.binary(max_size=8))
VALUES = st.recursive(
    st.one_of(
        TEXTS.map(repr),
        st.integers(-9999, 9999).map(str),
        NAMES,
        TEXTS.filter(lambda t: isinstance(t, str)).map(
            lambda t: "f" + repr(str(t).replace("{", "{{").replace("}", "}}") + "·")
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} or {pair[1]})"),
        st.tuples(NAMES, inner).map(lambda pair: f"f({pair[0]}={pair[1]})"),
        st.tuples(NAMES, inner).map(lambda pair: f"{{'{pair[0]}': {pair[1]}}}"),
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3))
def test_what_is_made_of_any_code_has_its_structure(statements: list[tuple[str, str]]) -> None:
    code = "\n".join(f"{name} = {value}" for name, value in statements)
    new = redact_code(code)
    assert structure(new) == structure(code)
    assert f"u:{SECRET}@" not in new
    assert f"password = '{SECRET}'" not in new


def test_a_secret_is_known_under_another_name_too() -> None:
    assert literal_secrets(f'a = b_password = "{SECRET}"') == {SECRET}


def test_holes_are_where_the_code_needs_what_was_taken_out() -> None:
    comment, docstring = f"x = 1  # {REDACTED}", f'"""of {REDACTED}"""'
    needed = [f'password = "{REDACTED}"', f"%env TOKEN {REDACTED}", f'y = f"{{x}}{REDACTED}"']
    text = "\n".join([docstring, comment, *needed])
    assert holes(text) == [3, 4, 5]
    assert holes(f"x = (\n{REDACTED}'") == [2]
    assert holes("x = 1") == []
