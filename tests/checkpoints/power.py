"""A disk that forgets: a SQLite VFS that notes what was written since the last sync, and the disk after a power cut."""

import random
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


class NotedFile(apsw.VFSFile):
    """Writes go through to the real file, for the process to read; what is on the disk is kept apart."""

    def __init__(self, disk: "ForgetfulDisk", name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.image = disk.files.setdefault(Path(path).name, Image()) if path else Image()

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self.image.unsynced.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.image.unsynced.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self.image.sync()
        super().xSync(flags)


class Image:
    """One file: the bytes that are safe, and the changes that are not."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.unsynced: list[tuple[int, bytes | None]] = []

    def sync(self) -> None:
        for change in self.unsynced:
            apply(self.durable, *change)
        self.unsynced.clear()

    def after_power_cut(self, chance: random.Random) -> bytes:
        """Each unsynced change is on the disk, or not, or in part: sectors reach it in any order."""
        survived = bytearray(self.durable)
        for offset, data in self.unsynced:
            fate = chance.random()
            if fate < 0.4:
                continue
            if fate < 0.7 or data is None:
                apply(survived, offset, data)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < 0.5:
                    apply(survived, offset + start, data[start : start + SECTOR])
        return bytes(survived)


def apply(image: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class ForgetfulDisk(apsw.VFS):
    """Register it by making one; `files` are known by their names."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.files: dict[str, Image] = {}

    def xOpen(self, name: Any, flags: list[int]) -> NotedFile:  # noqa: N802
        return NotedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.files.pop(Path(filename).name, None)
        super().xDelete(filename, syncdir)

    def sync(self, name: str) -> None:
        """What an fdatasync of the file does."""
        self.files[name].sync()

    def left_by_a_killed_process(self, folder: Path) -> None:
        """Take what is in the folder for written, and of logs nothing for synced."""
        for path in folder.iterdir():
            image = self.files.setdefault(path.name, Image())
            image.unsynced.append((0, path.read_bytes()))
            if not path.name.endswith("-wal"):
                image.sync()

    def after_power_cut(self, folder: Path, chance: random.Random | None) -> None:
        """Write what a machine that starts again finds; without `chance`, nothing that was not synced."""
        folder.mkdir()
        for name, image in self.files.items():
            (folder / name).write_bytes(image.durable if chance is None else image.after_power_cut(chance))
