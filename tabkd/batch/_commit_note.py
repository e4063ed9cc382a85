"""A note about the transaction that a job is about to commit, so that a resumed job can find out whether it succeeded.

The note outlives the job, because a process may be killed after the commit and before it could report success.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tabkd._files import atomic_write_bytes
from tabkd._options import option

#: The name of the file.
NAME = "transaction.json"


class CommitNote(NamedTuple):
    """The transaction that is about to be committed.

    Attributes
    ----------
    transaction : int
        Its number from PostgreSQL's `txid_current`.
    table : int
        The object identifier of the table that it fills.
    job : str
        A digest of the job.
    """

    transaction: int
    table: int
    job: str

    def write(self, folder: Path) -> None:
        """Write the note to the folder of the job; it is durable when this returns."""
        atomic_write_bytes(folder / NAME, json.dumps(self._asdict()).encode())


def read(folder: Path) -> CommitNote | None:
    """The note in the folder of a job; None if there is none.

    Raises
    ------
    ValueError
        If the note is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        noted = CommitNote(**json.loads(path.read_bytes()))
        if not (0 < noted.transaction < 2**63 and 0 < noted.table < 2**32):
            raise ValueError(noted)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{option('resume', True)}: {str(path)!r} is damaged. Look at what is in the table, and remove its folder "
            "to start again."
        ) from error
    return noted
