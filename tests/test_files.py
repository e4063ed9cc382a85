"""Files appear whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from tabkd._files import atomic_write, atomic_write_bytes, check_writable, writing


def test_a_pipe_or_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        atomic_write_bytes(tmp_path / "pipe", b"content")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_keeps_leading_to_its_file(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    atomic_write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    def fail():
        with atomic_write(tmp_path / "file") as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o604, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode_and_its_owner(tmp_path, mode):
    place = tmp_path / "file"
    place.write_bytes(b"old")
    place.chmod(mode)
    owner = (place.stat().st_uid, place.stat().st_gid)
    if os.geteuid() == 0:
        owner = (1234, 5678)
        os.chown(place, *owner)
    with atomic_write(place) as temporary:
        # Before it is done, too, nobody else reads what takes the place of a file that was hidden from them.
        assert mode_of(temporary) & ~mode & 0o077 == 0
        temporary.write_bytes(b"new")
    assert (place.read_bytes(), mode_of(place)) == (b"new", mode)
    assert (place.stat().st_uid, place.stat().st_gid) == owner


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_open_gives(tmp_path, mask):
    before = os.umask(mask)
    try:
        atomic_write_bytes(tmp_path / "new", b"")
        (tmp_path / "plain").touch()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == mode_of(tmp_path / "plain") == 0o666 & ~mask


def test_the_umask_of_the_process_is_never_changed(tmp_path, monkeypatch):
    def changed(mask):
        pytest.fail("another thread would make a file that everybody can write to")

    monkeypatch.setattr(os, "umask", changed)
    atomic_write_bytes(tmp_path / "new", b"")
    atomic_write_bytes(tmp_path / "new", b"")


def test_a_group_that_could_not_read_it_cannot_read_it_later(tmp_path, monkeypatch):
    place = tmp_path / "file"
    place.write_bytes(b"old")
    place.chmod(0o664)

    def refuse(path, owner, group):
        raise PermissionError(1, "not a member of that group")

    monkeypatch.setattr(os, "chown", refuse)
    atomic_write_bytes(place, b"new")
    assert mode_of(place) == 0o644


def test_only_errors_of_writing_are_reported_as_such(tmp_path):
    def fail(error):
        with atomic_write(tmp_path / "file"):
            raise error

    for error in (OSError(5, "the disk of the input is broken"), ConnectionError("gone"), OSError("of a library")):
        with pytest.raises(type(error)) as caught:
            fail(error)
        assert caught.value is error
    with (
        pytest.raises(OSError, match=r"cannot write 'x\.csv': No space left on device\. Free some space"),
        writing("x.csv"),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_tried_without_a_trace(tmp_path):
    (tmp_path / "old").write_text("old")
    for name in ("old", "new"):
        check_writable(tmp_path / name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old", "old")]
    for wrong, reason in ((tmp_path, "it is a folder"), (tmp_path / "no" / "file", "No such file or directory")):
        with pytest.raises(OSError, match=reason):
            check_writable(wrong)
    with pytest.raises(ValueError, match=r"a\\xff' is not UTF-8 text"):
        check_writable(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff"))


def test_a_long_name_has_a_temporary_file_as_well(tmp_path):
    place = tmp_path / ("x" * 250 + ".csv")
    atomic_write_bytes(place, b"new")
    assert place.read_bytes() == b"new"


def test_the_file_that_standard_output_goes_to_is_never_replaced(tmp_path):
    program = "import sys; from tabkd._files import atomic_write_bytes; atomic_write_bytes(sys.argv[1], b'new')"
    for place in ("/dev/stdout", tmp_path / "log"):
        with (tmp_path / "log").open("w") as log:
            done = subprocess.run(
                [sys.executable, "-c", program, str(place)], stdout=log, stderr=subprocess.PIPE, text=True
            )
        assert done.returncode == 1
        assert "standard output or standard error of this process goes there" in done.stderr
        assert (tmp_path / "log").read_bytes() == b""
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], capture_output=True).returncode == 0
    assert (tmp_path / "log").read_bytes() == b"new"
