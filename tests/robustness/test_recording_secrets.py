"""What looks like a secret is nowhere: not in the database, its log, the artifacts or the cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tracked_shell import in_child

WORD = "hunter2Zq"  # marks a secret that only its name or its place gives away
KEY = "AKIAIOSFODNN7EXAMPLE"
TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
RANDOM = "q7Zp0Xv3Lr8Tn5Wd2Ks9Yb4Hg6Jm1Cf"

pytestmark = pytest.mark.xdist_group("secrets")  # the children are started once

CELLS = {
    "a name": f"%%track\npassword = '{WORD}'\napi_key = \"{RANDOM}\"\nDB_PASSWORD = '{WORD}'",
    "a name in a mapping": "%%track\n"
    f"config = {{'user': 'me', 'client_secret': '{WORD}', 'n': [{{'token': '{WORD}'}}]}}",
    "a URL": f"%%track\nurl = 'https://me:{WORD}@example.org/data.csv?token={RANDOM}&x=1'",
    "a DSN": f"%%track\ndsn = 'postgresql://app:{WORD}@db.example.org:5432/rides'",
    "a keyword DSN": f"%%track\nconnection = 'host=db user=app password={WORD} dbname=rides'",
    "a log_param": f"%%track\nimport nbops\nnbops.log_param('auth_token', '{WORD}')\n"
    f"nbops.log_params({{'where': 's3://{KEY}:{RANDOM}@bucket/x', 'git': '{TOKEN}'}})",
    "an untracked log_param": f"import nbops\nnbops.log_param('secret', '{WORD}')",
    "an error": f"%%track\nraise RuntimeError('cannot reach postgresql://app:{WORD}@db/rides with api_key={RANDOM}')",
    "a named error": f"%%track bad\nraise ConnectionError('401 for https://example.org/?access_token={RANDOM}')",
    "a tag": f"%%track job -t token={RANDOM}\nimport nbops\nnbops.set_tag('password={WORD}')",
    "a name of a run": f"%%track token={RANDOM}\nx = 1",
    "an environment": f"%%track\nimport os\nos.environ['MY_API_KEY'] = '{WORD}{RANDOM}'\nsettings = dict(os.environ)",
    "a request": "%%track\nimport urllib.request\ntry:\n"
    f"    urllib.request.urlopen('http://me:{WORD}@127.0.0.1:9/data?sig={RANDOM}&password={WORD}', timeout=1)\n"
    "except Exception as e:\n    print('no answer')",
    "a file URL": f"%%track\nimport pandas as pd\ntry:\n    pd.read_csv('file://localhost/none.csv?token={RANDOM}')\n"
    "except Exception:\n    pass",
    "SQL": "%%track\nimport sqlite3\nimport pandas as pd\n"
    f"query = \"SELECT * FROM t WHERE secret = '{RANDOM}' AND password='{WORD}'\"\n"
    f"db = sqlite3.connect('file:data.sqlite?mode=memory&key={RANDOM}', uri=True)",
    "an estimator": "%%track\nfrom sklearn.base import BaseEstimator, RegressorMixin\n"
    "class Remote(RegressorMixin, BaseEstimator):\n"
    "    def __init__(self, api_key=None):\n        self.api_key = api_key\n"
    "    def fit(self, X, y):\n        return self\n    def predict(self, X):\n        return [0.0 for _ in X]\n"
    f"remote = Remote(api_key='{WORD}').fit([[1.0]], [1.0])",
    "a search": "%%track\nfrom sklearn.base import BaseEstimator, RegressorMixin\n"
    "from sklearn.model_selection import GridSearchCV\n"
    "class Remote(RegressorMixin, BaseEstimator):\n"
    "    def __init__(self, api_key=None):\n        self.api_key = api_key\n"
    "    def fit(self, X, y):\n        return self\n    def predict(self, X):\n        return [0.0 for _ in X]\n"
    f"search = GridSearchCV(Remote(), {{'api_key': ['{WORD}', '{RANDOM}']}}, cv=2).fit([[1.0]] * 4, [1.0] * 4)",
    "a query": "%%track\nimport sqlite3\nimport pandas as pd\nc = sqlite3.connect('d.db')\n"
    f"z = pd.read_sql(\"select 1 as n where 'password={WORD}' <> ''\", c)\n"
    f"rows = c.execute(\"select 1 where 'api_key={RANDOM}' <> ''\").fetchall()\nc.close()",
    "an engine": "%%track\nfrom sqlalchemy import create_engine, text\n"
    f"engine = create_engine('sqlite:///d.db?password={WORD}')\nwith engine.connect() as c:\n"
    f"    rows = c.execute(text('select :token as t'), {{'token': '{RANDOM}'}}).fetchall()\nengine.dispose()",
    "a module": "%%track\nfrom pathlib import Path\nimport sys\nsys.path.insert(0, '')\n"
    f"n = Path('local_secrets.py').write_text(\"API_KEY = '{WORD}'\\nTOKEN = '{RANDOM}'\\n\")\nimport local_secrets",
    "a key on the way to data": "%%track\nimport numpy as np\n"
    f"held = {{'https://me:{WORD}@example.org/x': np.arange(3), '{TOKEN}': {{'x': np.arange(2)}}}}",
    "a seed": f"%%track\nimport random\npassword = '{WORD}'\nrandom.seed(password)",
    "a figure's title": "%%track\nimport matplotlib.pyplot as plt\n"
    f"figure, axes = plt.subplots()\naxes.plot([1, 2])\naxes.set_title('https://me:{WORD}@example.org')",
    "a key of a mapping": f"%%track\nhosts = {{'https://me:{WORD}@example.org': 1}}",
    "a note": f"%%track\nimport nbops\nnbops.log_artifact(b'x', name='https___token={RANDOM}')",
    "a private key": "%%track\nkey_text = '''-----BEGIN RSA PRIVATE KEY-----\n" + RANDOM * 40 + "\n'''",
    "a column": "%%track\nimport pandas as pd\n"
    "df = pd.read_csv('people.csv')\ndf.to_csv('copy.csv')\nbad = df['password'].iloc[0]",
    "an annotation": f"%%track\nsecret_key: str = '{WORD}'\ndef f(token: str = \"{WORD}\"): ...",
    "an environment variable": f"%%track\nimport os\nos.environ['MY_TOKEN'] = '{WORD}'\n"
    f"os.environ.setdefault('PGPASSWORD_2', '{WORD}')",
    "a header": f"%%track\nheaders = {{'Authorization': 'Basic {WORD}=='}}",
    "a connection string": f"%%track\nwhere = 'Endpoint=sb://x/;SharedAccessKey={WORD};AccountKey={WORD}'",
    "code that puts it together": f"%%track\nimport os\npassword = os.getenv('NONE_SUCH') or '{WORD}'\n"
    f"other = b_password = '{WORD}'\n(user, token) = ('u', '{WORD}')\npairs = [('password', '{WORD}')]\n"
    f"as_json = '{{\"password\": \"{WORD}\"}}'\nif password == '{WORD}':\n    userpass = dbpass = f'{WORD}{{user}}'",
    "a header in an error": f"%%track\nraise ValueError({{'X-Api-Key': '{WORD}'}})",
    "a command and a webhook": "%%track\nimport nbops\n"
    f"nbops.log_params({{'call': 'curl -u anna:{WORD} https://x', 'to': 'https://hooks.slack.com/services/T0/B0/{WORD}'}})\n"
    f"OPENAI_KEY = '{WORD}88'\nsql = \"CREATE USER anna IDENTIFIED BY '{WORD}'\"",
    "a magic": f"%%track\n%env SECRET_TOKEN {WORD}",
}
# cells that run in one child and leave one workspace; only in that of the models is a file that may hold a secret
MODELS = ["an estimator", "a search"]
FAILING = {"an error": "RuntimeError", "a named error": "ConnectionError", "a header in an error": "ValueError"}
GROUPS = [MODELS, [name for name in CELLS if name not in MODELS]]


def everything(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / ".nbops").rglob("*"))
        if path.is_file()
    }


def own(text: str, name: str) -> str:
    """The text with secrets that no other cell has."""
    number = f"{list(CELLS).index(name):02}"
    text = text.replace(WORD, WORD + number)
    for secret in (RANDOM, KEY, TOKEN):
        text = text.replace(secret, secret[:-2] + number)
    return text


def leaks(content: bytes, name: str) -> list[str]:
    return [
        secret for secret in own("\n".join((WORD, RANDOM, KEY, TOKEN)), name).split("\n") if secret.encode() in content
    ]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, dict[str, bytes]]]:
    """{cell: (what it showed, every file of its workspace)}"""
    found = {}
    for group in GROUPS:
        root = tmp_path_factory.mktemp("secrets")
        (root / "people.csv").write_text(own(f"password,x\n{WORD},1\n{KEY},2\n", "a column"))
        done = in_child("recording_acts:run_cells", root, {"cells": [own(CELLS[name], name) for name in group]})
        files = everything(root)
        found |= {name: (cell, files) for name, cell in zip(group, done, strict=True)}
    return found


@pytest.mark.parametrize("name", CELLS)
def test_no_secret_is_stored_or_shown(recorded: Any, name: str) -> None:
    cell, files = recorded[name]
    assert any(path.endswith("nbops.sqlite") for path in files)
    assert cell["error"] == FAILING.get(name)
    found = {path: leaks(content, name) for path, content in files.items() if leaks(content, name)}
    if name in MODELS:  # the model file is the estimator, whole: its parameters are what predicts
        found = {path: secrets for path, secrets in found.items() if not files[path].startswith(b"PK")}
    assert found == {}
    shown = json.dumps(cell["shown"], ensure_ascii=False)
    assert leaks(shown.encode(), name) == []


def test_a_secret_that_is_no_secret_to_us_would_be_found(tmp_path: Path) -> None:
    in_child("recording_acts:run_cells", tmp_path, {"cells": [own(f"%%track\nplain = '{WORD}'", "a name")]})
    assert any(leaks(content, "a name") for content in everything(tmp_path).values())
