"""Where workers share their trials: a journal on a disk that all of them reach, or a database by its URL."""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import Study, StudyDirection
from sqlalchemy.exc import SQLAlchemyError

from hwsr.errors import HwsrError
from hwsr.files import writable_folder

JOURNAL = "journal.log"
# What SQLite waits for another worker, in seconds; of workers that make the same tables at once all but one try again.
BUSY_SECONDS, ATTEMPTS = 60, 5
# A lock of the journal is held for milliseconds; one this old is a killed worker's.
LOCK_SECONDS = 30


def open_study(storage: str, name: str, directions: Sequence[str]) -> Study:
    """The study `name`, made by the worker that comes first. Raises HwsrError for a storage that cannot be used."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Choices that depend on others are sampled by group; what other workers are at counts as not good.
        sampler = TPESampler(multivariate=True, group=True, constant_liar=True)
    for attempt in range(ATTEMPTS):
        try:
            return optuna.create_study(
                storage=_open(storage),
                study_name=name,
                directions=[StudyDirection[direction.upper()] for direction in directions],
                sampler=sampler,
                load_if_exists=True,
            )
        except (SQLAlchemyError, StorageInternalError) as error:
            reason = str(error).splitlines()[0]
            time.sleep(0.2 * attempt)
        except (ValueError, KeyError, RuntimeError, AssertionError) as error:
            raise HwsrError(f"{_shown(storage)} is no storage of hwsr ({error}); choose another --storage") from error
        except ImportError as error:
            raise HwsrError(f"{_shown(storage)} needs a package that is not installed ({error})") from error
    raise HwsrError(f"{_shown(storage)} cannot be used ({reason}); check --storage and that its server runs")


def _open(storage: str) -> BaseStorage:
    if "://" in storage:
        sqlite = storage.startswith("sqlite")
        return RDBStorage(storage, engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}} if sqlite else None)
    path = journal_file(storage)
    writable_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file that must not exist yet is made in one step on NFS too, from version 3 on.
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path), LOCK_SECONDS)))


def journal_file(storage: str) -> Path:
    """The journal in a folder, or the file itself."""
    path = Path(storage)
    return path if path.suffix or path.is_file() else path / JOURNAL


def _shown(storage: str) -> str:
    """A storage without the password of its URL."""
    return storage if "://" not in storage else storage.replace(urlsplit(storage).password or "\0", "***")
