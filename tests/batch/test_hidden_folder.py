"""The hidden folder of a job: nothing is removed, overwritten or read there that no job of this user made."""

import os
import stat

import pyarrow as pa
import pyarrow.parquet
import pytest

from tabkd.batch._job import StoppedError, score_dataset

N_ROWS = 3000


@pytest.fixture
def source(frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


@pytest.fixture
def foreign(tmp_path):
    """A folder of files that have nothing to do with the job."""
    folder = tmp_path / "precious"
    folder.mkdir()
    for name in ("letter.txt", "manifest.json", "part-000000.arrow"):
        (folder / name).write_text("precious")
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("kind", ["link", "file", "dangling link", "folder"])
def test_a_link_or_folder_of_others_is_refused_and_left_as_it_is(path, source, foreign, tmp_path, resume, kind):
    hidden, before = tmp_path / ".q.csv.tabkd", content(foreign)
    if kind == "file":
        hidden.write_text("precious")
    elif kind == "folder":
        foreign.rename(hidden)
        foreign = hidden
    else:
        hidden.symlink_to(foreign if kind == "link" else "nowhere")
    with pytest.raises(ValueError, match=r"\.q\.csv\.tabkd', where this job would keep .* is (a|no) .*move it away"):
        score_dataset(path, [source], tmp_path / "q.csv", resume=resume)
    assert content(foreign) == before
    assert not (tmp_path / "q.csv").exists()
    assert os.path.lexists(hidden)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_another_user_is_refused(path, source, tmp_path, resume):
    hidden = tmp_path / ".q.csv.tabkd"
    hidden.mkdir()
    os.chown(hidden, 65534, 65534)
    with pytest.raises(ValueError, match="is a folder of another user"):
        score_dataset(path, [source], tmp_path / "q.csv", resume=resume)
    assert list(hidden.iterdir()) == []


def interrupted(path, source, output):
    asked = iter([False, True])
    with pytest.raises(StoppedError):
        score_dataset(path, [source], output, resume=True, batch_size=500, stop=lambda: next(asked))
    return output.parent / f".{output.name}.tabkd"


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    "name",
    ["part-000001.arrow", "part-000000.rejects.arrow", "part-000000.waiting.arrow", "manifest.json", "lock", "rows"],
)
@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_nothing_is_written_through_a_link_in_the_folder(path, source, foreign, tmp_path, resume, name, link):
    hidden, target = interrupted(path, source, tmp_path / "q.csv"), foreign / "letter.txt"
    (hidden / name).unlink(missing_ok=True)
    (hidden / name).symlink_to(target) if link == "symbolic" else os.link(target, hidden / name)
    try:
        score_dataset(path, [source], tmp_path / "q.csv", resume=resume, batch_size=500)
    except ValueError as error:
        assert "tabkd did not make" in str(error) or "not a manifest" in str(error)  # noqa: PT017
        assert os.path.lexists(hidden / name)
    else:  # another name of a file is removed, not the file
        assert link == "hard"
        assert len(pa.csv.read_csv(tmp_path / "q.csv")) == N_ROWS
    assert target.read_text() == "precious"


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_of_others_in_the_folder_of_a_job_is_left_there(path, source, tmp_path, resume):
    hidden = interrupted(path, source, tmp_path / "q.csv")
    (hidden / "letter.txt").write_text("precious")
    with pytest.raises(ValueError, match=r"a folder with 'letter\.txt' in it that tabkd did not make"):
        score_dataset(path, [source], tmp_path / "q.csv", resume=resume, batch_size=500)
    assert (hidden / "letter.txt").read_text() == "precious"
    (hidden / "letter.txt").unlink()
    assert score_dataset(path, [source], tmp_path / "q.csv", resume=resume, batch_size=500).written == N_ROWS
    assert not hidden.exists()


def test_only_its_user_can_look_into_the_folder(path, source, tmp_path):
    modes = []

    def look():
        hidden = tmp_path / ".q.csv.tabkd"
        modes.append(stat.S_IMODE(hidden.stat().st_mode))
        modes.extend(stat.S_IMODE(part.stat().st_mode) & 0o077 for part in hidden.glob("part-*"))

    before = os.umask(0)
    try:
        score_dataset(path, [source], tmp_path / "q.csv", resume=True, stop=look)
    finally:
        os.umask(before)
    assert set(modes) == {0o700, 0}
    # One of an earlier version is closed.
    (tmp_path / ".q.csv.tabkd").mkdir(mode=0o755)
    modes.clear()
    score_dataset(path, [source], tmp_path / "q.csv", stop=look)
    assert set(modes) == {0o700}
