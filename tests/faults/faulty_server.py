"""`server.py` on a disk that fails when it is told to: while the file `FAULT` names holds `full` or `broken`.

A VFS of apsw's own kind stands between SQLite and the disk, for every database the server opens.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import apsw

ROOT = Path(__file__).resolve().parents[2]
REAL_DISK = apsw.vfs_names()[0]
FAULTS = {"full": apsw.FullError, "broken": apsw.IOError}


class FaultyDisk(apsw.VFS):
    def __init__(self, switch: Path) -> None:
        self.switch = switch
        super().__init__("faulty", REAL_DISK, makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> FaultyFile:  # noqa: N802 - apsw's name
        return FaultyFile(name, flags, self.switch)


class FaultyFile(apsw.VFSFile):
    def __init__(self, name: object, flags: list[int], switch: Path) -> None:
        self.switch = switch
        super().__init__(REAL_DISK, name, flags)  # type: ignore[arg-type]

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        fault = self.switch.read_text() if self.switch.exists() else ""
        if fault in FAULTS:
            raise FAULTS[fault]("on purpose")
        super().xWrite(data, offset)


if __name__ == "__main__":
    disk = FaultyDisk(Path(os.environ["FAULT"]))
    sys.path.insert(0, str(ROOT))
    sys.argv[0] = str(ROOT / "server.py")
    runpy.run_path(str(ROOT / "server.py"), run_name="__main__")
