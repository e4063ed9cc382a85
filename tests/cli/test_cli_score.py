"""`tabkd score` on tables and models of every kind."""

import numpy as np
import pandas as pd
import pytest

import tabkd
from tests.cli.commands import SMALL, refused, run, write


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("output_suffix", [".parquet", ".csv"])
def test_score_is_what_the_scorer_says(distilled, frame, tmp_path, suffix, output_suffix):
    model = distilled[0] / "student.onnx"
    table, out = write(frame, tmp_path / f"t{suffix}"), tmp_path / f"out{output_suffix}"
    result = run("score", model, table, "--output", out, "--keep", "amount", "--batch-size", "400")
    assert "1,500 rows in, 1,500 rows out" in result.stdout
    scores = pd.read_parquet(out) if output_suffix == ".parquet" else pd.read_csv(out)
    assert list(scores.columns) == ["amount", "prediction", "probability_no", "probability_yes"]
    exported = tabkd.load(model)
    expected = exported.predict_proba(frame[list(exported.feature_names_in_)])
    np.testing.assert_allclose(scores[["probability_no", "probability_yes"]], expected, atol=1e-6)
    np.testing.assert_array_equal(scores["amount"], frame["amount"])
    np.testing.assert_array_equal(scores["prediction"], exported.classes_[expected.argmax(axis=1)])


def test_text_that_looks_like_numbers_stays_text(frame, tmp_path):
    codes = frame["terminal"].str[1:].str.zfill(6)
    train = write(frame.assign(terminal=codes), tmp_path / "t.parquet")
    run("distill", train, "--target", "fraud", "--output", tmp_path, *SMALL)
    later = frame.assign(terminal=codes)[:300]
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, out in zip((tmp_path / "s.parquet", tmp_path / "s.csv"), outs, strict=True):
        run("score", tmp_path / "student.onnx", write(later, path), "--output", out, "--keep", "terminal")
    first, second = (pd.read_parquet(out) for out in outs)
    pd.testing.assert_frame_equal(first, second)


def test_score_of_a_regression(frame, tmp_path):
    table = write(frame, tmp_path / "t.parquet")
    run("distill", table, "--target", "amount", "--output", tmp_path, "--teacher", "lightgbm", *SMALL)
    run("score", tmp_path / "student.onnx", table, "--output", tmp_path / "out.parquet")
    scores = pd.read_parquet(tmp_path / "out.parquet")
    assert list(scores.columns) == ["prediction"]
    assert scores["prediction"].notna().all()


def test_scores_that_cannot_be_made(distilled, frame, tmp_path):
    model = distilled[0] / "student.onnx"
    table, out = write(frame, tmp_path / "t.parquet"), tmp_path / "out.parquet"
    assert "suffix '.txt'" in refused("score", model, table, "--output", tmp_path / "out.txt")
    assert "does not exist" in refused("score", model, tmp_path / "none.csv", "--output", out)
    assert "--keep 'froud'" in refused("score", model, table, "--output", out, "--keep", "froud")
    short = write(frame.drop(columns="hour"), tmp_path / "short.csv")
    assert "has no column 'hour'" in refused("score", model, short, "--output", out)
    assert "choose another file" in refused("score", model, table, "--output", table)
    wrong = write(frame.assign(amount=frame["amount"].astype(str) + " EUR"), tmp_path / "wrong.csv")
    assert "EUR" in refused("score", model, wrong, "--output", out, code=3)
    assert "cannot write" in refused("score", model, table, "--output", tmp_path / "no" / "out.csv")
    clash = write(frame.assign(prediction=1), tmp_path / "clash.parquet")
    assert "'prediction'" in refused("score", model, clash, "--output", out, "--keep", "prediction")
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_score_says_which_scores_are_doubtful(distilled, frame, tmp_path):
    table, out = write(frame, tmp_path / "t.csv"), tmp_path / "out.csv"
    run("score", distilled[0] / "student.onnx", table, "--output", out, "--max-doubt", "0.05")
    scores = pd.read_csv(out)
    assert list(scores)[-2:] == ["doubt", "doubtful"]
    assert scores["doubtful"].equals(~(scores["doubt"] <= 0.05))
    assert scores["doubt"].nunique() > 1
    # Few rows in between were measured.
    assert scores["doubt"][scores["probability_yes"].between(0.2, 0.4)].isna().all()
    assert 0 < scores["doubtful"].mean() < 0.2
    job = ("score", distilled[0] / "student.onnx", table, "--output", out)
    assert "--max-doubt" in refused(*job, "--max-doubt", "-1", code=2)
    table = write(frame.assign(doubt=1), tmp_path / "clash.csv")
    message = refused("score", job[1], table, "--output", out, "--max-doubt", "1", "--keep", "doubt")
    assert "--keep 'doubt' has the name of a column of scores" in message


def test_score_gives_reasons_with_codes_and_groups(table, frame, tmp_path):
    codes, out = tmp_path / "codes.csv", tmp_path / "out.csv"
    run("distill", table, "--target", "fraud", "--drop", "time_days", "--output", tmp_path, *SMALL, "--contributions")
    model = tabkd.load(tmp_path / "student.onnx")
    names = [*(name for name in model.feature_names_in_ if name not in ("country", "abroad")), "place"]
    pd.DataFrame({"column": names, "code": [f"R{i:02d}" for i in range(len(names))], "text": names}).to_csv(codes)
    job = ("score", tmp_path / "student.onnx", table, "--output", out, "--keep", "amount")
    options = ("--reasons", "2", "--reason-codes", codes, "--reason-group", "place=country,abroad")
    run(*job, *options, "--top-fraction", "0.1")
    scores = pd.read_csv(out)
    assert list(scores)[4:] == [f"{kind}_{k}" for kind in ("reason", "reason_text", "contribution") for k in (1, 2)]
    assert len(scores) == 150
    assert scores["reason_1"].str.fullmatch(r"R\d\d").all()
    assert {"amount", "channel"} <= {*scores["reason_text_1"], *scores["reason_text_2"]}
    assert (scores["contribution_1"] >= scores["contribution_2"].fillna(0)).all()
    quoted = ("--reasons", "1", "--reason-group", 'size="amount",hour')  # as a name with a comma is written
    run(*job, *quoted)
    assert "size" in set(pd.read_csv(out)["reason_1"])
    run(*job, "--reasons", "1", "--reasons-for", "lower")
    assert (pd.read_csv(out)["contribution_1"].dropna() < 0).all()
    message = refused(*job, "--reasons", "1", "--reason-group", "place")
    assert "--reason-group 'place' is not of the form NAME=COL,COL" in message
    twice = ("--reason-group", "a=amount", "--reason-group", "a=hour")
    assert "--reason-group 'a' is given twice, as 'amount' and 'hour'" in refused(*job, "--reasons", "1", *twice)
    assert "--reason-codes needs --reasons" in refused(*job, "--reason-codes", codes)
    message = refused(*job, "--reasons", "1", "--summary", codes, "--reason-codes", codes)
    assert "already read or written by this job" in message


def test_reasons_need_contributions(distilled, table, tmp_path):
    message = refused("score", distilled[0] / "student.onnx", table, "--output", tmp_path / "o.csv", "--reasons", "4")
    assert "--reasons needs contributions, which the model does not have" in message
    assert "to_onnx(path, contributions=True)" in message


def test_infinite_values_late_in_a_table_leave_no_scores(distilled, frame, tmp_path):
    table = write(frame.assign(amount=frame["amount"].where(frame.index < 1400, np.inf)), tmp_path / "t.parquet")
    out = tmp_path / "out.parquet"
    out.write_text("what was there before")
    message = refused("score", distilled[0] / "student.onnx", table, "--output", out, "--batch-size", "100", code=3)
    assert "row 1,400: column 'amount' is 'inf': infinite" in message
    assert out.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "t.parquet"]


@pytest.mark.parametrize("command", ["score", "inspect"])
def test_models_that_are_none(frame, tmp_path, command):
    import onnx

    table = write(frame, tmp_path / "t.parquet")
    rest = (table, "--output", tmp_path / "out.parquet") if command == "score" else ()
    assert "none.onnx" in refused(command, tmp_path / "none.onnx", *rest)
    (tmp_path / "corrupt.onnx").write_bytes(b"\x00 corrupt")
    assert "corrupt.onnx" in refused(command, tmp_path / "corrupt.onnx", *rest)
    info = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [info], [out])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "foreign.onnx")
    assert "foreign.onnx" in refused(command, tmp_path / "foreign.onnx", *rest)
