"""Files of teachers that are damaged or forged: a clear error, whatever they do to the library that reads them."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from tabkd._cli import teacher_probe
from tabkd._cli.errors import CommandError
from tabkd._cli.fitted_teacher import load_teacher
from tabkd._cli.teacher_files import read_teacher
from tabkd._cli.teacher_trees import check_lightgbm, check_xgboost


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))
    return X.assign(shop=pd.Categorical(rng.choice(list("xyz"), 300)))


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """Whole files of each library, and what their models say of the table."""
    import lightgbm
    import xgboost

    folder = tmp_path_factory.mktemp("teachers")
    y = (table["a"] + (table["shop"] == "x") > 0.5).astype(int)
    light = lightgbm.LGBMClassifier(n_estimators=6, verbosity=-1).fit(table, y)
    light.booster_.save_model(folder / "t.txt")
    boosted = xgboost.XGBClassifier(n_estimators=6, enable_categorical=True).fit(table, y)
    boosted.save_model(folder / "t.json")
    boosted.save_model(folder / "t.ubj")
    np.savez(folder / "expected.npz", txt=light.predict_proba(table), json=boosted.predict_proba(table))
    return folder


@pytest.mark.parametrize("name", ["t.txt", "t.json", "t.ubj"])
def test_whole_files_predict_as_their_models(folder, table, name):
    expected = np.load(folder / "expected.npz")["txt" if name == "t.txt" else "json"]
    teacher = load_teacher(folder / name, "classification", (), table)
    for X in (table, table.assign(shop=table["shop"].astype(str))):
        np.testing.assert_allclose(teacher.predict_proba(X), expected, atol=1e-6)


KINDS = {
    "random forest": ("lightgbm", {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}),
    "linear leaves": ("lightgbm", {"linear_tree": True}),
    "no split": ("lightgbm", {"min_child_samples": 1000}),
    "two leaves": ("lightgbm", {"num_leaves": 2}),
    "dart": ("xgboost", {"booster": "dart", "rate_drop": 0.5}),
    "linear": ("xgboost", {"booster": "gblinear"}),
    "pruned": ("xgboost", {"gamma": 5, "tree_method": "exact"}),
    "several targets": ("xgboost", {"multi_strategy": "multi_output_tree"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_of_every_kind_are_read(table, tmp_path, kind):
    import lightgbm
    import xgboost

    library, parameters = KINDS[kind]
    X = table[["a", "b", "c"]]
    y = np.column_stack([X["a"], X["b"]]) if kind == "several targets" else X["a"]
    if library == "lightgbm":
        model = lightgbm.LGBMRegressor(n_estimators=4, verbosity=-1, **parameters).fit(X, y)
        model.booster_.save_model(tmp_path / "t.txt")
    else:
        model = xgboost.XGBRegressor(n_estimators=4, **parameters).fit(X, y)
        model.save_model(tmp_path / "t.json")
        model.save_model(tmp_path / "t.ubj")
    for path in tmp_path.iterdir():
        np.testing.assert_allclose(read_teacher(path).predict(X), model.predict(X), atol=1e-6)


def refusal(path, table, monkeypatch, seconds=60):
    monkeypatch.setattr(teacher_probe, "SECONDS", seconds)
    with pytest.raises(CommandError) as error:
        load_teacher(path, "classification", (), table)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_lightgbm_file_that_is_cut_off_anywhere_is_refused_or_whole(folder, table):
    text = (folder / "t.txt").read_text()
    end = text.index("end of trees") + len("end of trees")
    for stop in [*range(1, end, max(1, end // 400)), end - 1]:
        with pytest.raises(ValueError, match=r"\w"):
            check_lightgbm(text[:stop])
    for stop in range(end, len(text), max(1, (len(text) - end) // 40)):
        check_lightgbm(text[:stop])


@pytest.mark.parametrize("name", ["t.txt", "t.json", "t.ubj"])
def test_files_that_are_cut_off_are_refused(folder, table, tmp_path, monkeypatch, name):
    content = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    message = refusal(tmp_path / name, table, monkeypatch)
    assert "cannot" in message


def test_a_lightgbm_file_that_lost_its_categories_is_refused(folder, table, tmp_path, monkeypatch):
    (tmp_path / "t.txt").write_text((folder / "t.txt").read_text().partition("\npandas_categorical:")[0])
    assert "does not have the categories" in refusal(tmp_path / "t.txt", table, monkeypatch)


FORGERIES = [
    (r"num_class=1\n", "num_class=1000000\n"),
    (r"num_tree_per_iteration=1\n", "num_tree_per_iteration=1000000\n"),
    (r"max_feature_idx=\d+", "max_feature_idx=1000000000"),
    (r"max_feature_idx=\d+", "max_feature_idx=-5"),
    (r"num_leaves=\d+", "num_leaves=2147483647"),
    (r"num_leaves=\d+", "num_leaves=-1"),
    (r"split_feature=\d+", "split_feature=100000000"),
    (r"split_feature=\d+", "split_feature=-7"),
    (r"left_child=-?\d+", "left_child=0"),
    (r"left_child=-?\d+", "left_child=99999999"),
    (r"right_child=-?\d+", "right_child=-99999999"),
    (r"leaf_value=\S+ ", "leaf_value="),
    (r"threshold=\S+ ", "threshold="),
    (r"cat_boundaries=0 1", "cat_boundaries=0 100000000"),
    (r"num_cat=[1-9]\d*", "num_cat=0"),
    (r"leaf_weight=", "leaf_weight=1"),
    (r"tree_sizes=\d+", "tree_sizes=7"),
]


@pytest.mark.parametrize(("pattern", "new"), FORGERIES)
def test_forged_lightgbm_files_are_refused(folder, pattern, new):
    text = (folder / "t.txt").read_text()
    forged = re.sub(pattern, new, text, count=1)
    assert forged != text
    with pytest.raises(ValueError, match=r"\w"):
        check_lightgbm(forged)


def changed(content, keys, value):
    content = json.loads(json.dumps(content))
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return content


TREES = ("learner", "gradient_booster", "model", "trees")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("learner", "learner_model_param", "num_class"), "1000000"),
        (("learner", "learner_model_param", "num_feature"), "1"),
        ((*TREES, 0, "left_children", 0), 0),
        ((*TREES, 0, "left_children", 0), 10**8),
        ((*TREES, 0, "right_children", 0), -5),
        ((*TREES, 0, "split_indices", 0), 10**8),
        ((*TREES, 0, "left_children"), [-1]),
        ((*TREES, 0, "parents", 0), -1000000),
        ((*TREES, 0, "parents", 1), 10**6),
        ((*TREES, 0, "split_type", 0), 7),
        ((*TREES, 0, "split_type"), [1]),
        ((*TREES, 0, "split_conditions"), []),
        ((*TREES, 0, "tree_param", "num_nodes"), "100000000"),
        ((*TREES, 0), {}),
        ((*TREES, 0), None),
        (TREES, 7),
        (("learner", "gradient_booster", "model", "tree_info", 0), 10**6),
        (("learner",), []),
    ],
)
def test_forged_xgboost_files_are_refused(folder, keys, value):
    whole = json.loads((folder / "t.json").read_text())
    check_xgboost(whole)
    with pytest.raises(ValueError, match=r"\w"):
        check_xgboost(changed(whole, keys, value))


def test_a_forged_file_is_one_error_that_names_it(folder, table, tmp_path, monkeypatch):
    text = (folder / "t.txt").read_text()
    (tmp_path / "t.txt").write_text(re.sub(r"left_child=-?\d+", "left_child=0", text, count=1))
    assert "its tree 0 is damaged: a split leads back" in refusal(tmp_path / "t.txt", table, monkeypatch)
    whole = json.loads((folder / "t.json").read_text())
    (tmp_path / "t.json").write_text(json.dumps(changed(whole, (*TREES, 0, "split_indices", 0), 10**8)))
    assert "asks for a column beyond" in refusal(tmp_path / "t.json", table, monkeypatch)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
        ("import os; os.abort()", "crashed (SIGABRT)"),
        ("import time; time.sleep(60)", "took more than 2 s"),
        ("import os; os._exit(7)", "ended with code 7"),
        ("import sys; sys.exit('no memory')", "no memory"),
    ],
)
def test_what_a_library_does_to_its_process_is_said(folder, table, tmp_path, monkeypatch, code, words):
    """A library of this name that behaves as the real ones do on files that no check here knows."""
    (tmp_path / "lightgbm.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    message = refusal(folder / "t.txt", table, monkeypatch, seconds=2 if "sleep" in code else 60)
    assert words in message
    assert "save the model again" in message


@pytest.mark.skipif(sys.platform == "win32", reason="memory is limited on POSIX only")
def test_a_library_that_asks_for_all_memory_is_stopped(folder, table, tmp_path, monkeypatch):
    (tmp_path / "lightgbm.py").write_text("import numpy as np\nnp.ones(1 << 44)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "allocate" in refusal(folder / "t.txt", table, monkeypatch).lower()


def onnx_teacher(path, location):
    """A linear model with its weights in a file of their own."""
    weights = np.arange(3, dtype=np.float32)[:, None]
    tensor = numpy_helper.from_array(weights, "w")
    external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    node = helper.make_node("MatMul", ["X", "w"], ["y"])
    info = [helper.make_tensor_value_info(name, 1, [None, width]) for name, width in (("X", 3), ("y", 1))]
    graph = helper.make_graph([node], "g", info[:1], info[1:], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return weights


def test_an_onnx_teacher_finds_its_weights_beside_it(table, tmp_path, monkeypatch):
    X = table[["a", "b", "c"]]
    (tmp_path / "below").mkdir()
    for location in ("w.bin", "below/w.bin"):
        weights = onnx_teacher(tmp_path / "t.onnx", location)
        (tmp_path / location).write_bytes(weights.tobytes())
        teacher = load_teacher(tmp_path / "t.onnx", "regression", (), X)
        np.testing.assert_allclose(teacher.predict(X), X.to_numpy() @ weights[:, 0], rtol=1e-4, atol=1e-5)


def test_an_onnx_teacher_reads_nothing_outside_of_its_folder(table, tmp_path):
    X = table[["a", "b", "c"]]
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "t.onnx"
    outside = tmp_path / "w.bin"
    outside.write_bytes(np.zeros(3, np.float32).tobytes())
    (tmp_path / "model" / "link.bin").symlink_to(outside)
    for location in ("../w.bin", str(outside), "link.bin"):
        onnx_teacher(path, location)
        with pytest.raises(CommandError, match="outside of its folder"):
            read_teacher(path)
    onnx_teacher(path, "none.bin")
    with pytest.raises(CommandError, match="Put that file next to it"):
        load_teacher(path, "regression", (), X)
