"""The schema of `server.db` and its history: `sql/0001_*.sql`, `0002_*.sql`, ... each applied once, in order.

`PRAGMA user_version` says how far a file has come. All missing steps run in one transaction, after a backup of the old
file (`server.db.before-<first new version>`), so a crash in the middle changes nothing. A newer file is refused.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from threadkeep.errors import StartupError

_FOLDER = Path(__file__).parent / "sql"


def migration_scripts() -> list[Path]:
    return sorted(_FOLDER.glob("[0-9]*.sql"))


def migrate(connection: apsw.Connection, path: Path) -> None:
    scripts = migration_scripts()
    version = connection.pragma("user_version")
    if version > len(scripts):
        raise StartupError(
            f"{path} was written by a newer Threadkeep (schema {version}; this one knows {len(scripts)}). "
            "Start that version, or restore a backup."
        )
    if version == len(scripts):
        return
    if version > 0:
        _back_up(connection, path, version)
    with connection:
        for script in scripts[version:]:
            connection.execute(script.read_text(encoding="utf-8"))
        connection.pragma("user_version", len(scripts))


def _back_up(connection: apsw.Connection, path: Path, version: int) -> None:
    target = path.with_name(f"{path.name}.before-{version + 1}")
    if target.exists():
        return  # an earlier try was cut off; its copy is the true one
    unfinished = target.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with apsw.Connection(str(unfinished)) as copy, copy.backup("main", connection, "main") as backup:
        backup.step(-1)
    unfinished.replace(target)
