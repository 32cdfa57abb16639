"""Late labels join their predictions; what they say is the realised performance."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from deployed_model import at, deployed, fitted, register, rows
from nbops.core.deployments import Performance, Scoring
from nbops.core.errors import InputDataError, UnknownNameError
from nbops.monitor.labels import add_labels, known_labels
from nbops.monitor.performance import update
from nbops.scoring.score import score
from nbops.store import deployments
from nbops.workspace import Workspace

KEYED = '[deployments.taxi]\nkey = ["id", "n"]\n'


def scored(ws: Workspace, data: pd.DataFrame, name: str = "2012-01") -> tuple[Scoring, pd.DataFrame]:
    data.to_csv(ws.root / f"{name}.csv", index=False)
    scoring = score(ws, "taxi", [ws.root / f"{name}.csv"], ws.root / "out")
    return scoring, pd.read_parquet(ws.root / scoring.output / "predictions.parquet")


def labelled(table: pd.DataFrame, label: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"prediction_id": table["prediction_id"], "label": label.to_numpy()})


def test_labels_by_prediction_id_give_the_realised_error(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(80, seed=1)
    _, table = scored(ws, data)
    labelled(table, data["y"]).to_csv(tmp_path / "labels.csv", index=False)
    batch = add_labels(ws, "taxi", tmp_path / "labels.csv")
    assert (batch.rows, batch.matched) == (80, 80)
    (performance,) = update(ws, "taxi")
    assert (performance.period, performance.version, performance.rows, performance.scored) == ("2012-01", 1, 80, 80)
    y, p = data["y"], table["prediction"]
    assert performance.metrics == pytest.approx(
        {
            "mean_absolute_error": sk.mean_absolute_error(y, p),
            "root_mean_squared_error": sk.root_mean_squared_error(y, p),
            "r2_score": sk.r2_score(y, p),
            "bias": float((p.to_numpy() - y.to_numpy()).mean()),
        }
    )
    assert update(ws, "taxi") == ()
    assert deployments.performances(ws.store, "taxi") == [performance]


def test_labels_come_in_parts_late_and_corrected(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(60, seed=1)
    _, table = scored(ws, data)
    labels = labelled(table, data["y"])
    labels.head(20).to_parquet(tmp_path / "one.parquet")
    labels.tail(40).to_parquet(tmp_path / "two.parquet")
    labels.head(5).assign(label=1000.0).to_parquet(tmp_path / "correction.parquet")

    add_labels(ws, "taxi", tmp_path / "one.parquet")
    (first,) = update(ws, "taxi")
    assert (first.rows, first.scored) == (20, 60)
    later = at(ws, datetime(2012, 3, 1, tzinfo=UTC))
    add_labels(later, "taxi", tmp_path / "two.parquet")
    (second,) = update(later, "taxi")
    assert second.rows == 60 and second.at == later.clock.now()
    add_labels(later, "taxi", tmp_path / "correction.parquet")
    (third,) = update(later, "taxi")
    assert third.rows == 60
    assert third.metrics["mean_absolute_error"] > 50 > second.metrics["mean_absolute_error"]
    add_labels(later, "taxi", tmp_path / "one.parquet")  # the same file again: the correction stands
    assert update(later, "taxi") == ()
    assert deployments.performances(ws.store, "taxi") == [third]


def test_the_same_file_again_is_the_same_batch(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(30, seed=1)
    _, table = scored(ws, data)
    labels = labelled(table, data["y"])
    labels.to_csv(tmp_path / "labels.csv", index=False)
    labels.sample(frac=1, random_state=0).to_csv(tmp_path / "shuffled.csv", index=False)
    batch = add_labels(ws, "taxi", tmp_path / "labels.csv")
    assert add_labels(ws, "taxi", tmp_path / "labels.csv") == batch
    assert add_labels(ws, "taxi", tmp_path / "shuffled.csv") == batch
    assert deployments.label_batches(ws.store, "taxi") == [batch]


def test_unknown_ids_and_empty_labels_are_counted_out_and_the_last_of_a_file_wins(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    data = rows(30, seed=1)
    _, table = scored(ws, data)
    ids = table["prediction_id"]
    pd.DataFrame(
        {
            "prediction_id": [ids[0], ids[1], "0123456789abcdef-1", ids[0], ids[2]],
            "label": ["1", "2", "3", "4", ""],
        }
    ).to_csv(tmp_path / "labels.csv", index=False)
    batch = add_labels(ws, "taxi", tmp_path / "labels.csv")
    assert (batch.rows, batch.matched) == (3, 2)
    table_ = known_labels(ws, "taxi")
    assert table_ is not None
    assert dict(zip(*table_.to_pydict().values(), strict=True)) == {ids[0]: 4.0, ids[1]: 2.0}


def test_labels_by_key_belong_to_every_version_that_scored_the_row(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", KEYED)
    data = rows(50, seed=1)
    first, _ = scored(ws, data)
    other = rows(600, seed=5)
    register(ws, fitted(other), other[["x", "n", "city"]], other["y"])
    second, _ = scored(ws, data)
    data[["id", "n", "y"]].sample(frac=1, random_state=0).to_csv(tmp_path / "labels.csv", index=False)
    batch = add_labels(ws, "taxi", tmp_path / "labels.csv", column="y")
    assert (batch.rows, batch.matched) == (50, 100)
    made = update(ws, "taxi")
    assert [(p.run, p.version, p.rows) for p in made] == [(first.run, 1, 50), (second.run, 2, 50)]
    assert made[0].metrics["mean_absolute_error"] < 1


def test_a_file_added_before_its_rows_were_scored_counts_when_it_is_added_again(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", KEYED)
    january, february = rows(30, seed=1), rows(30, seed=2)
    scored(ws, january)
    pd.concat([january, february])[["id", "n", "y"]].to_csv(tmp_path / "labels.csv", index=False)
    assert add_labels(ws, "taxi", tmp_path / "labels.csv", column="y").matched == 30
    scored(ws, february, "2012-02")
    assert add_labels(ws, "taxi", tmp_path / "labels.csv", column="y").matched == 60
    assert [p.rows for p in update(ws, "taxi")] == [30, 30]


def test_a_classifiers_probabilities_are_judged_too(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", classifier=True)
    data = rows(200, seed=1)
    _, table = scored(ws, data)
    truth = pd.Series(np.where(data["y"] > 10, "late", "on time"))
    labelled(table, truth).to_csv(tmp_path / "labels.csv", index=False)
    add_labels(ws, "taxi", tmp_path / "labels.csv")
    (performance,) = update(ws, "taxi")
    both = table[["probability_late", "probability_on time"]].to_numpy()
    assert performance.metrics == pytest.approx(
        {
            "accuracy_score": sk.accuracy_score(truth, table["prediction"]),
            "log_loss": sk.log_loss(truth, both),
            "roc_auc_score": sk.roc_auc_score(truth, both[:, 1]),
            "brier_score_loss": sk.brier_score_loss(truth == "on time", both[:, 1]),
        }
    )


def test_performance_does_not_need_the_output_folder(tmp_path: Path) -> None:
    import shutil

    ws = deployed(tmp_path / "w")
    data = rows(30, seed=1)
    _, table = scored(ws, data)
    labelled(table, data["y"]).to_csv(tmp_path / "labels.csv", index=False)
    shutil.rmtree(ws.root / "out")
    add_labels(ws, "taxi", tmp_path / "labels.csv")
    performances: tuple[Performance, ...] = update(ws, "taxi")
    assert performances[0].rows == 30


def test_bad_label_files_are_named(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w")
    file = tmp_path / "labels.csv"

    def refused(content: str | bytes, match: str) -> None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputDataError, match=match):
            add_labels(ws, "taxi", file)

    refused("prediction_id,label\na-1,2\n", "'taxi' has scored nothing yet")
    _, table = scored(ws, rows(30))
    some = table["prediction_id"][0]
    refused(f"prediction_id,lable\n{some},1\n", "no label column 'label'; did you mean 'lable'")
    refused("id,label\nr0-1,1\n", "no column 'prediction_id', and the deployment has no key columns")
    refused(f"prediction_id,label\n{some},many\n", "label column 'label' is not numeric .*many")
    refused(f"prediction_id,label\n{some},\n", "there is no label in the column 'label'")
    refused("prediction_id,label\n", "there is no label in the column 'label'")
    refused("prediction_id,label\nffffffffffffffff-1,1\n", "none of the 1 labels belongs to a prediction of 'taxi'")
    refused(b"prediction_id,label\n\xff,1\n", "not UTF-8")
    with pytest.raises(InputDataError, match="no file matches"):
        add_labels(ws, "taxi", tmp_path / "none.csv")
    with pytest.raises(UnknownNameError, match="no deployment 'tax'"):
        add_labels(ws, "tax", file)
    assert deployments.label_batches(ws.store, "taxi") == []
    assert update(ws, "taxi") == ()


def test_a_file_without_the_key_is_named(tmp_path: Path) -> None:
    ws = deployed(tmp_path / "w", KEYED)
    scored(ws, rows(30))
    (tmp_path / "labels.csv").write_text("id,label\nr0-1,1\n")
    with pytest.raises(InputDataError, match="no column 'prediction_id', and it lacks the key column 'n'"):
        add_labels(ws, "taxi", tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_text("id,n,label\nr0-1,three,1\n")
    with pytest.raises(InputDataError, match="key column 'n' can't be compared"):
        add_labels(ws, "taxi", tmp_path / "labels.csv")
