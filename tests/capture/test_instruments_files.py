"""Files, databases, URLs and figures."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from instrumented_cells import PREPARE, Cells

from nbops.capture.instruments.urls import public_url
from nbops.fingerprints.fingerprint import fingerprint


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Cells(tmp_path)
    made.plain(PREPARE)
    yield made
    made.instruments.uninstall()


WRITES = {
    "csv": ("df.to_csv('f.csv')", "pd.read_csv('f.csv')"),
    "parquet": ("df.to_parquet('f.parquet')", "pd.read_parquet('f.parquet')"),
    "pyarrow": ("pq.write_table(table, 'f.pq')", "pq.read_table('f.pq')"),
    "pyarrow file": ("pq.write_table(table, 'f.pq')", "pq.ParquetFile('f.pq').read()"),
    "feather": ("df.to_feather('f.feather')", "pd.read_feather('f.feather')"),
    "numpy": ("np.save('f.npy', df['a'].to_numpy())", "np.load('f.npy')"),
    "open": ("open('f.txt', 'w').write('x')", "open('f.txt').read()"),
    "pathlib": ("Path('f.txt').write_text('x')", "Path('f.txt').read_bytes()"),
    "os.open": ("os.close(os.open('f.bin', os.O_CREAT | os.O_WRONLY))", "os.close(os.open('f.bin', os.O_RDONLY))"),
    "joblib": ("joblib.dump([1], 'f.joblib')", "joblib.load('f.joblib')"),
    "pickle": ("df.to_pickle('f.pkl')", "pd.read_pickle('f.pkl')"),
    "gzip": ("df.to_csv('f.csv.gz')", "pd.read_csv('f.csv.gz')"),
    "json": ("df.to_json('f.json')", "pd.read_json('f.json')"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", WRITES)
def test_written_and_read(cells, tmp_path, how):
    cells.plain("import os, joblib, pyarrow as pa, pyarrow.parquet as pq\nfrom pathlib import Path")
    cells.plain("table = pa.table({'a': [1, 2]})")
    write, read = WRITES[how]
    (wrote,) = cells.run(write).files
    (file,) = list(tmp_path.glob("f.*"))
    assert (wrote.path, wrote.mode, wrote.size) == (file.name, "write", file.stat().st_size)
    assert wrote.digest == fingerprint(file).digest
    (got,) = cells.run(read).files
    assert (got.path, got.mode, got.digest) == (file.name, "read", wrote.digest)


def test_files_written_into_a_folder_are_those_that_are_read(cells, tmp_path):
    write = "df.assign(k=[*range(len(df))]).to_parquet('parts', partition_cols=['k'])"
    folder, *wrote = cells.run(write).files
    assert (folder.path, folder.digest, folder.reason) == ("parts", None, "a folder: its files are recorded one by one")
    assert {use.mode for use in wrote} == {"write"}
    got = cells.run("back = pd.read_parquet('parts')").files
    assert sorted((use.path, use.digest) for use in got) == sorted((use.path, use.digest) for use in wrote)
    folder, *more = cells.run(write.replace("range(len(df))", "range(100, 100 + len(df))")).files
    assert len(more) == len(wrote) and not {use.path for use in more} & {use.path for use in wrote}  # they were there


def test_a_file_read_and_then_overwritten_is_not_given_the_new_digest(cells):
    Path("f.txt").write_text("old")
    seen = cells.run("""
with open("f.txt") as f: old = f.read()
with open("f.txt", "w") as f: f.write(old + " and new")
with open("f.txt") as f: f.read()
""")
    read, wrote = seen.files
    assert (read.mode, read.digest, read.size) == ("read", None, 3)
    assert "changed" in (read.reason or "")
    assert (wrote.mode, wrote.digest) == ("write", fingerprint(Path("f.txt")).digest)


def test_a_file_that_was_written_under_another_name_first(cells):
    seen = cells.run("""
import os, pathlib, shutil
pathlib.Path("new.part").write_text("x"); os.replace("new.part", "new.txt")
shutil.copy("new.txt", "copy.txt"); pathlib.Path("copy.txt").rename("moved.txt")
""")
    assert [(f.mode, f.path) for f in seen.files] == [("write", "new.txt"), ("write", "moved.txt")]


def test_machinery_is_no_noise(cells, tmp_path):
    (tmp_path / "local_module.py").write_text("X = 1\n")
    seen = cells.run("""
import sys, tempfile, os
sys.path.insert(0, os.getcwd())
import local_module, colorsys, sklearn.datasets
sys.path.pop(0)
iris = sklearn.datasets.load_iris()
with tempfile.TemporaryFile() as f: f.write(b"x")
with tempfile.NamedTemporaryFile() as f:
    f.write(b"x"); f.flush()
    open(f.name, "rb").close()
open("/proc/self/status").close()
open("fontlist-v390.json", "w").close()
open(os.devnull, "w").close()
os.makedirs(".ipynb_checkpoints"); open(".ipynb_checkpoints/x.ipynb", "w").close()
""")
    assert [f.path for f in seen.files] == []


def test_files_that_another_thread_opens_are_not_ours(cells):
    seen = cells.run("""
import threading
thread = threading.Thread(target=lambda: open("other.txt", "w").close())
thread.start(); thread.join()
""")
    assert seen.files == ()


def test_databases_make_a_step_uncacheable(cells):
    seen = cells.run("""
import sqlite3
with sqlite3.connect(":memory:") as c: c.execute("select 1")
c.close()
""")
    assert (seen.files, seen.uncacheable) == ((), ())
    seen = cells.run("c = sqlite3.connect('bikes.db'); c.close()")
    assert seen.uncacheable == ("database",)
    assert [(f.path, f.reason) for f in seen.files] == [("bikes.db", "a database")]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_is_written_by_the_cell_that_changes_it(cells, journal):
    def uses(source: str) -> list[tuple[str, str]]:
        return [(f.mode, f.path) for f in cells.run(source).files]

    cells.plain("import sqlite3, pandas as pd")
    made = f"c = sqlite3.connect('b.db'); c.execute('pragma journal_mode={journal}'); c.execute('create table t (x)')"
    assert uses(made) == [("write", "b.db")]
    assert uses("c.execute('insert into t values (1)')") == [], "before the commit"
    assert uses("c.commit()") == [("write", "b.db")], "through a connection that was open already"
    assert uses("with sqlite3.connect('b.db') as d: n = d.execute('select * from t').fetchall()") == [("read", "b.db")]
    changed = "pd.DataFrame({'y': [1]}).to_sql('u', d)"
    assert uses(f"d = sqlite3.connect('b.db'); {changed}") == [("write", "b.db"), ("read", "b.db")]
    assert uses("n = c.execute('select * from u').fetchall()") == []


@pytest.fixture
def address():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a,b\n1,2\n")

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("library", ["pandas", "requests"])
def test_urls_are_named_without_credentials(cells, address, library):
    url = f"http://{address}/bikes.csv?api_key=hunter2hunter2&year=2011"
    work = {
        "pandas": f"pd.read_csv({url!r})",
        "requests": f"import requests; requests.get({url!r}, auth=('me', 'hunter2hunter2'), timeout=5)",
    }[library]
    seen = cells.run(work)
    assert seen.uncacheable == ("url",)
    assert "hunter2" not in repr(seen)
    assert [f.path for f in seen.files] == [f"http://{address}/bikes.csv?api_key=[redacted]&year=2011"]


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:pw123456@example.org/x", "https://example.org/x"),
        (
            "https://example.org/x?X-Amz-Signature=abcdef&part=1#top",
            "https://example.org/x?X-Amz-Signature=[redacted]&part=1",
        ),
        ("s3://bucket/key.parquet", "s3://bucket/key.parquet"),
    ],
)
def test_public_url(url, public):
    assert public_url(url) == public


def test_figures_open_in_a_script_are_kept_once(cells):
    cells.plain("import matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as plt")
    seen = cells.run("fig, ax = plt.subplots(); ax.plot([1, 2]); ax.set_title('two points')\nplt.savefig('p.png')")
    (figure,) = [a for a in seen.artifacts if a.kind == "figure"]
    assert figure.about == {"title": "two points"}
    assert cells.workspace.artifacts.read_bytes(figure.digest).startswith(b"\x89PNG")
    assert [(f.path, f.mode) for f in seen.files] == [("p.png", "write")]
    assert cells.run("1 + 1").artifacts == ()
    assert len(cells.run("ax.plot([3, 4])").artifacts) == 1
    cells.plain("plt.close('all')")


def test_the_very_png_that_ipython_shows_is_kept(cells):
    cells.plain("import matplotlib.pyplot as plt\nfrom IPython.core.pylabtools import print_figure")
    seen = cells.run("""
fig, ax = plt.subplots(); ax.plot([1, 2])
shown = print_figure(fig, fmt="png")
plt.close("all")
""")
    (figure,) = seen.artifacts
    assert cells.workspace.artifacts.read_bytes(figure.digest) == cells.namespace["shown"]


def test_importing_the_instruments_is_light():
    """They go into every kernel: nothing heavy may come with them."""
    heavy = ["pandas", "numpy", "sklearn", "scipy", "pyarrow", "matplotlib", "IPython", "skops", "blake3"]
    code = f"import sys, nbops.capture.instruments; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"


def test_a_figure_shown_inline_is_kept_in_a_real_kernel(tmp_path):
    import json

    import nbformat
    from nbclient import NotebookClient

    (tmp_path / ".nbops").mkdir()
    sources = [
        "%load_ext nbops\n%nbops auto on",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('inline');",
        "fig, ax = plt.subplots(); ax.plot([3, 1]); plt.show()",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(book, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3", timeout=120).execute()
    kept = []
    for cell in book.cells[1:]:
        shown = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
        payload = [o.data for o in cell.outputs if "application/vnd.nbops.record.v1+json" in o.get("data", {})]
        assert len(shown) == len(payload) == 1
        kept.append('"figure"' in json.dumps(payload[0]["application/vnd.nbops.record.v1+json"]))
    assert kept == [True, True]
