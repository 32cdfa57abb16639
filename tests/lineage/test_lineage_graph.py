"""One graph over cells, data, files, models, notebooks: joined by content, within a kernel and across notebooks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from notebook_sessions import opened

from nbops.catalog.versions import Catalogue
from nbops.core.errors import AmbiguousError, UnknownNameError
from nbops.core.lineage import Edge, Graph, Node, NodeKind
from nbops.core.wire import from_json, to_json
from nbops.lineage.graph import lineage
from nbops.render.lineage import lineage_dot, lineage_text
from nbops.render.lineage_picture import lineage_svg
from nbops.store import runs
from nbops.workspace import Workspace

MAKE = {
    "imports": "import pandas as pd",
    "raw": "raw = pd.DataFrame({'x': [1.0, 2, 3, 4], 'y': [2.0, 4, 6, 9]})",
    "dead": "unused = raw.head(1)",
    "write": "raw.to_csv('made.csv', index=False)",
}
TRAIN = {
    "imports": "import pandas as pd\nfrom sklearn.linear_model import Ridge\nfrom sklearn.metrics import r2_score",
    "alpha": "alpha = 0.5",
    "read": "df = pd.read_csv('copied.csv')",
    "fit": "model = Ridge(alpha=alpha).fit(df[['x']], df['y'])",
    "judge": "pred = model.predict(df[['x']])\nscore = r2_score(df['y'], pred)",
}


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """Two notebooks: one writes a file, the other reads a copy of it under another name."""
    with opened(tmp_path, MAKE, "make.ipynb") as book:
        book.run()
    (tmp_path / "copied.csv").write_bytes((tmp_path / "made.csv").read_bytes())
    with opened(tmp_path, TRAIN, "train.ipynb") as book:
        book.run()
        yield book.ws


def labels(graph: Graph, kind: NodeKind) -> set[str]:
    return {node.label for node in graph.nodes if node.kind is kind}


def test_a_model_came_from_a_cell_of_another_notebook_through_a_file(ws: Workspace) -> None:
    graph = lineage(ws, "model", down=False)
    assert labels(graph, NodeKind.CELL) == {
        "In [2] of train.ipynb", "In [3] of train.ipynb", "In [4] of train.ipynb",
        "In [2] of make.ipynb", "In [4] of make.ipynb",
    }  # fmt: skip
    assert labels(graph, NodeKind.VARIABLE) == {"alpha = 0.5"}
    assert labels(graph, NodeKind.DATA) == {"df 4×2", "raw 4×2"}
    assert labels(graph, NodeKind.FILE) == {"copied.csv"}
    assert labels(graph, NodeKind.NOTEBOOK) == {"make.ipynb", "train.ipynb"}
    text = lineage_text(graph)
    assert text.splitlines()[:2] == ["came from", "  model model: Ridge"]
    assert "became" not in text


def test_what_came_of_a_variable_goes_on_in_the_other_notebook(ws: Workspace) -> None:
    graph = lineage(ws, "raw", up=False)
    assert {"model: Ridge"} == labels(graph, NodeKind.MODEL)
    assert "In [5] of train.ipynb" in labels(graph, NodeKind.CELL)  # judged it
    assert "unused 1×2" in labels(graph, NodeKind.DATA)


@pytest.mark.parametrize("asked", ["made.csv", "copied.csv"])
def test_a_file_is_its_content_whatever_its_name(ws: Workspace, asked: str) -> None:
    graph = lineage(ws, asked)
    cells = labels(graph, NodeKind.CELL)
    assert {"In [4] of make.ipynb", "In [3] of train.ipynb"} <= cells


def test_a_notebook_a_run_and_a_digest_can_be_asked_for(ws: Workspace) -> None:
    assert "model: Ridge" in labels(lineage(ws, "train.ipynb"), NodeKind.MODEL)
    newest = runs.listed(ws.store)[0]
    assert lineage(ws, newest.id[:8]).start == lineage(ws, "train.ipynb").start
    node = next(n for n in lineage(ws, "df").nodes if n.label == "df 4×2")
    by_digest = lineage(ws, str(node.detail["digest"])[:30])
    assert by_digest.start == (node.id,)


def test_a_rewritten_file_of_the_same_name_joins_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, {"w": "with open('f.txt', 'w') as f:\n    f.write('one')"}, "a.ipynb") as book:
        book.run()
    (tmp_path / "f.txt").write_text("two")
    with opened(tmp_path, {"r": "with open('f.txt') as f:\n    text = f.read()"}, "b.ipynb") as book:
        book.run()
        graph = lineage(book.ws, "b.ipynb")
    assert labels(graph, NodeKind.CELL) == {"In [1] of b.ipynb"}


def acyclic(graph: Graph) -> bool:
    edges = {(edge.source, edge.target) for edge in graph.edges}
    while first := {source for source, _ in edges} - {target for _, target in edges}:
        edges = {(source, target) for source, target in edges if source not in first}
    return not edges


def test_a_copy_of_a_file_is_made_of_it_and_not_of_itself(tmp_path: Path) -> None:
    cells = {
        "make": "from pathlib import Path\n_ = Path('one.txt').write_text('x')",
        "copy": "_ = Path('two.txt').write_text(Path('one.txt').read_text())",
        "and back": "_ = Path('one.txt').write_text(Path('two.txt').read_text())",
        "use": "text = Path('two.txt').read_text()",
    }
    with opened(tmp_path, cells) as book:
        book.run()
        graphs = [lineage(book.ws, asked) for asked in ("text", "one.txt", "two.txt", "book.ipynb")]
    came = lineage_text(lineage(book.ws, "text", down=False))
    order = [came.index(part) for part in ("In [4]", "file two.txt", "In [2]", "file one.txt", "In [1]")]
    assert order == sorted(order) and "In [3]" not in came
    assert all(acyclic(graph) for graph in graphs)


def test_kernels_that_read_what_the_other_wrote_make_no_cycle(tmp_path: Path) -> None:
    for name, read, write in (("a", "0", "1"), ("b", "1", "2"), ("c", "2", "1")):
        (tmp_path / "0.txt").write_text("0")
        content = write if name != "c" else "1"
        cell = f"open('{read}.txt').close()\nwith open('{write}.txt', 'w') as f:\n    _ = f.write('{content}')"
        with opened(tmp_path, {"c": cell}, f"{name}.ipynb") as book:
            book.run()
            graphs = [lineage(book.ws, asked) for asked in ("1.txt", "2.txt") if (tmp_path / asked).exists()]
    assert all(acyclic(graph) for graph in graphs)
    assert labels(graphs[0], NodeKind.CELL) == {f"In [1] of {name}.ipynb" for name in "bc"}  # c wrote it last


def test_a_variable_joins_the_execution_that_wrote_what_was_read(tmp_path: Path) -> None:
    cells = {"a": "import numpy as np\nx = np.arange(3)", "b": "x = x + 1", "c": "y = x * 2"}
    with opened(tmp_path, cells) as book:
        book.run("a", "b", "b", "c", "a")  # the last one makes what c didn't read
        graph = lineage(book.ws, "y", down=False)
    assert labels(graph, NodeKind.CELL) == {f"In [{i}] of book.ipynb" for i in (1, 2, 3, 4)}
    assert "In [5] of book.ipynb" not in lineage_text(graph)


def test_unknown_and_ambiguous_names(ws: Workspace) -> None:
    with pytest.raises(UnknownNameError, match="'nope'"):
        lineage(ws, "nope")
    with pytest.raises(UnknownNameError, match="no_such"):
        lineage(ws, "models:/no_such/1")
    with pytest.raises(AmbiguousError, match="begins several digests"):
        lineage(ws, "f1:blake3:")


def test_json_holds_the_whole_graph(ws: Workspace) -> None:
    graph = lineage(ws, "model")
    assert from_json(Graph, to_json(graph)) == graph
    ids = {node.id for node in graph.nodes}
    assert all(e.source in ids and e.target in ids for e in graph.edges)


NASTY = 'a "quoted" <script>alert(1)</script> & \\ name\nsecond line'


def nasty() -> Graph:
    nodes = (
        Node(id=f"data:{NASTY}", kind=NodeKind.DATA, label=NASTY),
        Node(id="cell:1", kind=NodeKind.CELL, label="In [1]"),
        Node(id="data:2", kind=NodeKind.DATA, label="b"),
    )
    edges = (
        Edge(source=f"data:{NASTY}", target="cell:1", kind="reads"),
        Edge(source="cell:1", target="data:2", kind="writes"),
        Edge(source="data:2", target="cell:1", kind="reads"),  # a cycle
    )
    return Graph(nodes=nodes, edges=edges, start=("data:2",))


def test_names_are_escaped_and_cycles_end() -> None:
    svg = lineage_svg(nasty())
    assert "<script" not in svg
    tree = ElementTree.fromstring(svg)
    assert NASTY in "".join(tree.itertext())
    dot = lineage_dot(nasty())
    assert '\\"quoted\\"' in dot
    assert "\\\\ name\\nsecond" in dot
    assert lineage_text(nasty()).count("cell In [1]") == 2  # once above, once below


def test_in_the_picture_a_node_stands_right_of_all_it_came_from(ws: Workspace) -> None:
    graph = lineage(ws, "model")
    tree = ElementTree.fromstring(lineage_svg(graph))
    space = "{http://www.w3.org/2000/svg}"
    places = {}
    for group in tree.iter(f"{space}g"):
        title, rect = group.find(f"{space}title"), group.find(f"{space}rect")
        assert title is not None
        if rect is not None:  # else a line
            places[str(title.text).partition(" ")[2]] = (float(rect.get("x", "")), float(rect.get("y", "")))
    assert len(places) > 5
    boxes = sorted(places.values())
    assert all(a[0] != b[0] or b[1] - a[1] > 34 for a, b in pairwise(boxes))  # none on top of another
    names = {n.id: n.label for n in graph.nodes}
    for edge in graph.edges:
        if edge.kind != "holds":
            assert places[names[edge.source]][0] < places[names[edge.target]][0], edge


def test_a_long_chain_is_drawn_without_recursion() -> None:
    nodes = tuple(Node(id=f"data:{i}", kind=NodeKind.DATA, label=str(i)) for i in range(1500))
    edges = tuple(Edge(source=f"data:{i}", target=f"data:{i + 1}", kind="writes") for i in range(1499))
    graph = Graph(nodes=nodes, edges=edges, start=("data:1499",))
    assert "… and more" in lineage_text(graph)
    assert lineage_svg(graph).endswith("</svg>")


def test_many_files_that_one_cell_read_are_one_box_and_a_few_are_not() -> None:
    def read(count: int) -> Graph:
        files = [Node(id=f"file:{i}", kind=NodeKind.FILE, label=f"data/{i:03}.csv") for i in range(count)]
        cell = Node(id="cell:1", kind=NodeKind.CELL, label="In [1] of n.ipynb")
        edges = tuple(Edge(source=f.id, target=cell.id, kind="reads") for f in files)
        return Graph(nodes=(*files, cell), edges=edges, start=("cell:1",))

    few, many = lineage_svg(read(4)), lineage_svg(read(100))
    assert few.count("<text") == 5
    assert many.count("<text") == 2
    assert "data/000.csv and 99 more" in many
    assert "file data/029.csv" in many  # its tooltip names thirty
    assert "… 70 more" in many


def test_a_cycle_is_drawn() -> None:
    nodes = tuple(Node(id=f"cell:{i}", kind=NodeKind.CELL, label=f"In [{i}]") for i in range(4))
    ring = tuple(Edge(source=f"cell:{i}", target=f"cell:{(i + 1) % 4}", kind="writes") for i in range(4))
    assert lineage_svg(Graph(nodes=nodes, edges=ring, start=("cell:0",))).count("<text") == 4
    assert lineage_svg(Graph(nodes=(), edges=(), start=())).endswith("</svg>")


def test_a_data_version_of_the_catalogue_can_be_asked_for(ws: Workspace) -> None:
    version = Catalogue(ws).find("made.csv")
    done = subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", "lineage", f"data:/{version.ref}"],
        cwd=ws.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("came from\n  file made.csv")
