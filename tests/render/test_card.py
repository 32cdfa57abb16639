"""The card: what it says, that it says it without style too, and that nothing of the user's becomes markup."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

from nbops.core.fingerprint import Column, Fingerprint
from nbops.core.runs import Artifact, CellRecord, CellStatus, DataUse, FileUse, Metric, ModelUse
from nbops.render.card import card_html, card_text, notice_html, number

TABLE = Fingerprint(kind="table", digest="f1:blake3:aa", shape=(13129, 12))
TARGET = Fingerprint(kind="series", digest="f1:blake3:bb", shape=(500,))


def record(**given: object) -> CellRecord:
    base: dict[str, object] = {
        "run": "r",
        "seq": 0,
        "cell_id": None,
        "source": "j1:sha256:0",
        "execution_count": 1,
        "status": CellStatus.OK,
        "seconds": 12.34567,
        "overhead_s": 0.98765,
        "peak_memory_mb": 321.5,
    }
    return CellRecord(**(base | given))  # type: ignore[arg-type]


FULL = record(
    params={"depth": 6, "name": "a", "long": "x" * 500},
    metrics=(
        Metric(name="mae", value=41.23456789, model="m", data="f1:blake3:bb"),
        Metric(name="loss", value=0.5, step=9999),
    ),
    reads=(DataUse(name="rides", fingerprint=TABLE), DataUse(name="y_test", fingerprint=TARGET)),
    writes=(
        DataUse(name="rides", fingerprint=Fingerprint(kind="table", digest="f1:blake3:cc", shape=(13129, 13))),
        DataUse(name="big", fingerprint=Fingerprint(kind="array", digest=None, reason="not fingerprinted: budget")),
    ),
    models=(ModelUse(name="model", type="sklearn.ensemble.Forest", digest="m", trained_on="f1:blake3:aa"),),
    files=(
        FileUse(path="in.csv", mode="read", digest=None, size=1_234_567),
        FileUse(path="o", mode="write", digest="d"),
    ),
    artifacts=(
        Artifact(name="plot.png", kind="figure", digest="a", size=1),
        Artifact(name="confusion_matrix.json", kind="detail", digest="b", size=1, about={"data": "f1:blake3:bb"}),
        Artifact(name="record.json", kind="detail", digest="c", size=1),
    ),
    notes=("a note",),
)


class _Text(HTMLParser):
    """The text a reader sees, and the elements."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.tags: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.seen.append(data)


def read(html: str) -> _Text:
    parser = _Text()
    parser.feed(html)
    return parser


def test_everything_a_reader_wants_is_there() -> None:
    for text in (card_text(FULL, name="train"), "".join(read(card_html(FULL, name="train")).seen)):
        for said in (
            "train · completed",
            "mae 41.2346 of model on y_test",
            "loss 0.5 (step 9,999)",
            "depth = 6",
            "rides 13,129 × 12",
            "changed: shape",
            "big (not fingerprinted: budget)",
            "model: Forest trained on rides",
            "in.csv 1.23 MB",
            "plot.png (figure)",
            "confusion_matrix.json on y_test",
            "a note",
        ):
            assert said in text
        assert "record.json" not in text


def test_no_times_ids_or_digests_are_visible() -> None:
    text = card_text(FULL, name="train") + "".join(read(card_html(FULL)).seen)
    assert "12.3" not in text
    assert "0.98" not in text
    assert "321" not in text
    assert "blake3" not in text
    assert "sha256" not in text


def test_a_line_is_one_line() -> None:
    text = card_text(FULL, name="train", full=False)
    assert text == "nbops · train · completed · mae 41.2346 · loss 0.5 · model: Forest"
    twice = record(metrics=(FULL.metrics[0], Metric(name="mae", value=2.0, data="f1:blake3:aa")), reads=FULL.reads)
    assert card_text(twice, full=False) == "nbops · tracked · completed · mae 41.2346 on y_test · mae 2 on rides"
    metrics = [Metric(name=name, value=1.0) for name in "abcde"]
    assert card_text(record(metrics=tuple(metrics[:4])), full=False).endswith("c 1 · 1 more metric")
    assert card_text(record(metrics=tuple(metrics)), full=False).endswith("c 1 · 2 more metrics")
    three = tuple(dataclasses.replace(FULL.models[0], digest=d) for d in "abc")
    models = dataclasses.replace(FULL, metrics=(), models=three)
    assert card_text(models, full=False).endswith("· 1 more model")
    assert "<details" in card_html(FULL, full=False)
    assert " open>" not in card_html(FULL, full=False)
    assert " open>" in card_html(FULL)


def test_a_model_judged_on_several_sets_of_rows_is_listed_once() -> None:
    model = ModelUse(name="m", type="sklearn.linear_model.Ridge", digest=None, reason="by choice", trained_on="f1:x")
    judged = [dataclasses.replace(model, evaluation=f"a1:blake3:{i}") for i in range(3)]
    twice = record(models=(*judged, dataclasses.replace(model, trained_on="f1:y")))
    assert card_text(twice).count("m: Ridge") == 2
    assert "more model" not in card_text(twice, full=False)


def test_a_statsmodels_fit_shows_its_measures() -> None:
    measures = {"rsquared": 0.98765432, "rsquared_adj": 0.98, "aic": -12.5, "bic": 3.0}
    fit = ModelUse(name="ols", type="statsmodels.x.OLS", digest=None, reason="no format", metrics=measures)
    shown = "ols: OLS, rsquared 0.987654, rsquared_adj 0.98, aic -12.5 (not kept: no format)"
    assert shown in card_text(record(models=(fit,)))


def test_without_style_the_structure_remains() -> None:
    bare = re.sub(r"<style>.*?</style>|\s(class|style)=\"[^\"]*\"", "", card_html(FULL, name="train"), flags=re.DOTALL)
    parser = read(bare)
    assert {"details", "summary", "table", "th", "td"} <= set(parser.tags)
    assert "metrics" in parser.seen
    assert "script" not in parser.tags


def test_nothing_of_the_users_becomes_markup() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    html = card_html(
        record(
            params={evil: evil},
            metrics=(Metric(name=evil, value=1.0),),
            reads=(
                DataUse(
                    name=evil,
                    fingerprint=Fingerprint(
                        kind=evil, digest=None, reason=evil, columns=(Column(name=evil, dtype=evil, digest=""),)
                    ),
                ),
            ),
            models=(ModelUse(name=evil, type=evil, digest=None, reason=evil),),
            files=(FileUse(path=evil, mode="read", digest=None, reason=evil),),
            artifacts=(Artifact(name=evil, kind="file", digest="a", size=1),),
            notes=(evil,),
            error=evil,
            status=CellStatus.ERROR,
        ),
        name=evil,
    )
    assert "img" not in read(html).tags
    assert "img" not in read(notice_html(evil)).tags


def test_a_failed_cell_says_how() -> None:
    text = card_text(record(status=CellStatus.ERROR, error="ValueError: no"), name="train")
    assert text == "nbops · train · failed\n  error  ValueError: no"
    assert "stopped" in card_text(record(status=CellStatus.INTERRUPTED))


def test_an_empty_record_is_one_line() -> None:
    assert card_text(record()) == "nbops · tracked · completed"
    assert "<table" not in card_html(record())


def test_a_long_list_says_how_many_more() -> None:
    many = record(params={f"p{i}": i for i in range(40)})
    assert "p11 = 11 · and 28 more" in card_text(many)
    assert len(card_html(many)) < 8000


def test_numbers() -> None:
    assert [number(v) for v in (1.0, 0.1, 1234567.0, 1e-9, float("nan"), float("inf"), 123456.789)] == [
        "1",
        "0.1",
        "1,234,567",
        "1e-09",
        "nan",
        "inf",
        "123457",
    ]


def test_the_notebooks_state_and_the_budget_are_said() -> None:
    state = ("stale now: In [2] used 'df' as it was before",)
    for text in (
        card_text(FULL, state=state, budget_s=1.0),
        "".join(read(card_html(FULL, state=state, budget_s=1.0)).seen),
    ):
        assert state[0] in text
        assert "not fingerprinted: they may take 1 s a cell" in text
    assert card_text(FULL, full=False, state=state).endswith(state[0])
    assert "nbops-note" in card_html(dataclasses.replace(FULL, notes=()), state=state)
    fine = dataclasses.replace(FULL, reads=FULL.reads[:1], writes=())
    assert "fingerprints within 0.5 s" in card_text(fine, budget_s=0.5)
