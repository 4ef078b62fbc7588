"""One strict door for zips from strangers: walked record by record from the first byte to the last, so that it is one file for every reader.

`zipfile` finds the directory at the end and believes it: what stands before, between or behind, and names that differ between the records and the
directory, make one file two. The rules are those of PyPI's warehouse (utils/zipfiles.py), and bounds on what it unpacks to.
"""

import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from specs.checks import SpecError

LOCAL, CENTRAL, END, END64, LOCATOR64 = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
LOCAL_HEAD, CENTRAL_HEAD, END_HEAD = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
END64_HEAD, LOCATOR64_HEAD = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
STORED, DEFLATED = 0, 8
FLAGS = 0x0800  # names in UTF-8: the only flag that is let through
ZIP64, UNICODE_PATH = 0x0001, 0x7075
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
MAX_NAME = 255
MAX_RATIO = 50
RATIO_FROM = 64 << 20  # bytes unpacked; below, a high ratio is a table of zeros
PART = 1 << 20
MODES = (0, 0o100000)  # of a member: none told, or a plain file


@dataclass(frozen=True)
class Member:
    """A file in the zip: its name, where its packed bytes begin, how they are packed, both sizes and the checksum of the unpacked ones."""

    name: str
    begin: int
    method: int
    packed: int
    size: int
    crc: int


class Zip:
    """A checked zip. `names` in the order of the file; `read` unpacks a member, counting as it goes."""

    def __init__(self, path: Path, members: list[Member]) -> None:
        self._path, self._members = path, {member.name: member for member in members}

    @property
    def names(self) -> list[str]:
        """The members' names, in the order in which they stand."""
        return list(self._members)

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def parts(self, name: str) -> Iterator[bytes]:
        """A member's bytes, part by part; raises SpecError where they are not what its record says."""
        member = self._members[name]
        size, crc, left, unpack = 0, 0, member.packed, zlib.decompressobj(-15) if member.method == DEFLATED else None
        with self._path.open("rb") as file:
            file.seek(member.begin)
            while left:
                part = file.read(min(left, PART))
                if not part:
                    raise _wrong(f"{_said(name)} ends too soon")
                left -= len(part)
                for out in _unpacked(unpack, part, name):
                    size, crc = size + len(out), zlib.crc32(out, crc)
                    if size > member.size:
                        raise _wrong(f"{_said(name)} unpacks to more than the {member.size:,} bytes that its record says")
                    yield out
        if size != member.size or crc != member.crc or (unpack is not None and (not unpack.eof or unpack.unused_data)):
            raise _wrong(f"{_said(name)} is not what its size and checksum say")

    def read(self, name: str) -> bytes:
        """A member's bytes, checked."""
        return b"".join(self.parts(name))


def _unpacked(unpack: "zlib._Decompress | None", part: bytes, name: str) -> Iterator[bytes]:
    if unpack is None:
        yield part
        return
    try:
        while part:
            yield unpack.decompress(part, PART)
            part = unpack.unconsumed_tail
    except zlib.error:
        raise _wrong(f"{_said(name)} can not be unpacked") from None


def load(path: Path, *, most_members: int, most_bytes: int, methods: tuple[int, ...] = (STORED, DEFLATED)) -> Zip:
    """The zip at `path`, every record checked; raises SpecError for one that two readers could take for two different things."""
    size = path.stat().st_size
    with path.open("rb") as file:
        walked, at = [], 0
        while (mark := file.read(4)) == LOCAL:
            if len(walked) >= most_members:
                raise _wrong(f"it has more than {most_members:,} members", "too-large")
            walked.append(_local(file, at, size))
            at = walked[-1].begin + walked[-1].packed
            file.seek(at)
        if not walked:
            raise _wrong("it does not begin with a member")
        listed, directory = [], at
        while mark == CENTRAL:
            if len(listed) >= len(walked):
                raise _wrong("its directory lists more members than there are")
            listed.append(_central(file, at, size))
            at = file.tell()
            mark = file.read(4)
        if [(m, offset) for m, offset in listed] != [(m, offset) for m, offset in zip(walked, _offsets(walked), strict=True)]:
            raise _wrong("its directory and its members do not say the same")
        _end(file, at, size, len(walked), directory)
    _names(walked)
    if any(member.method not in methods for member in walked):
        raise _wrong("a member is packed in a way that is not allowed")
    whole = sum(member.size for member in walked)
    if whole > most_bytes:
        raise _wrong(f"it unpacks to {whole:,} bytes, and may to {most_bytes:,}", "too-large")
    if whole > RATIO_FROM and whole > MAX_RATIO * size:
        raise _wrong(f"it has {size:,} bytes and unpacks to {whole:,}", "zip-bomb")
    return Zip(path, walked)


def _offsets(walked: list[Member]) -> list[int]:
    ends = [0, *(member.begin + member.packed for member in walked)]
    return ends[: len(walked)]


def _local(file: BinaryIO, at: int, size: int) -> Member:
    head = LOCAL + file.read(LOCAL_HEAD.size - 4)
    if len(head) < LOCAL_HEAD.size:
        raise _wrong("it ends in the middle of a member")
    _, _, flags, method, _, _, crc, packed, real, name_size, extra_size = LOCAL_HEAD.unpack(head)
    name, extra = file.read(name_size), file.read(extra_size)
    if len(extra) < extra_size or len(name) < name_size:
        raise _wrong("it ends in the middle of a member")
    _flags(flags, method)
    packed, real, _ = _sizes(extra, [real, packed], name)
    begin = at + LOCAL_HEAD.size + name_size + extra_size
    if begin + packed > size:
        raise _wrong("a member is longer than the file")
    if method == STORED and packed != real:
        raise _wrong("a stored member has two sizes")
    return Member(_name(name, flags), begin, method, packed, real, crc)


def _central(file: BinaryIO, at: int, size: int) -> tuple[Member, int]:
    """A member as the directory lists it, and where it says that its record begins."""
    head = CENTRAL + file.read(CENTRAL_HEAD.size - 4)
    if len(head) < CENTRAL_HEAD.size:
        raise _wrong("it ends in the middle of its directory")
    _, _, _, flags, method, _, _, crc, packed, real, name_size, extra_size, comment_size, disk, _, attributes, offset = CENTRAL_HEAD.unpack(head)
    name, extra = file.read(name_size), file.read(extra_size)
    if len(name) < name_size or len(extra) < extra_size:
        raise _wrong("it ends in the middle of its directory")
    _flags(flags, method)
    packed, real, offset = _sizes(extra, [real, packed, offset], name)
    if comment_size or disk:
        raise _wrong("a member has a comment, or stands on another disk")
    if (attributes >> 16) & 0o170000 not in MODES or attributes & 0x10:
        raise _wrong("a member is a link, a folder or a device")
    file.seek(offset + 26)
    widths = file.read(4)
    begin = offset + LOCAL_HEAD.size + sum(struct.unpack("<2H", widths)) if len(widths) == 4 else -1
    file.seek(at + CENTRAL_HEAD.size + name_size + extra_size)
    return Member(_name(name, flags), begin, method, packed, real, crc), offset


def _end(file: BinaryIO, at: int, size: int, count: int, directory: int) -> None:
    """What must stand behind the directory: one end record that agrees with what was walked, and nothing more."""
    file.seek(at)
    rest = file.read(END64_HEAD.size + LOCATOR64_HEAD.size + END_HEAD.size + 1)
    if rest.startswith(END64):
        if len(rest) < END64_HEAD.size + LOCATOR64_HEAD.size:
            raise _wrong("it ends in the middle of its end")
        _, own, _, _, disk, start_disk, here, total, length, begin = END64_HEAD.unpack_from(rest)
        mark, locator_disk, offset, disks = LOCATOR64_HEAD.unpack_from(rest, END64_HEAD.size)
        if (own, disk, start_disk, here, total, length, begin) != (44, 0, 0, count, count, at - directory, directory) or (mark, locator_disk, offset, disks) != (LOCATOR64, 0, at, 1):
            raise _wrong("its long end does not agree with its members")
        rest = rest[END64_HEAD.size + LOCATOR64_HEAD.size :]
        at += END64_HEAD.size + LOCATOR64_HEAD.size
        allowed = ({count, FULL16}, {at - END64_HEAD.size - LOCATOR64_HEAD.size - directory, FULL32}, {directory, FULL32})
    else:
        allowed = ({count}, {at - directory}, {directory})
    if len(rest) < END_HEAD.size or not rest.startswith(END):
        raise _wrong("its directory does not end as one")
    _, disk, start_disk, here, total, length, begin, comment = END_HEAD.unpack_from(rest)
    if disk or start_disk or here not in allowed[0] or total not in allowed[0] or length not in allowed[1] or begin not in allowed[2]:
        raise _wrong("its end does not agree with its members")
    if comment or at + END_HEAD.size != size:
        raise _wrong("something stands behind its end")


def _flags(flags: int, method: int) -> None:
    if flags & ~FLAGS:
        raise _wrong("a member is encrypted, or keeps its size behind its bytes")
    if method not in (STORED, DEFLATED):
        raise _wrong("a member is packed in a way that is not allowed")


def _sizes(extra: bytes, said: list[int], name: bytes) -> tuple[int, int, int]:
    """(packed size, real size, offset) with the long ones of a ZIP64 field put in; `said` real size, packed size and maybe offset."""
    fields, at = {}, 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise _wrong("a field of a member is cut off")
        kind, length = struct.unpack_from("<2H", extra, at)
        if at + 4 + length > len(extra) or (kind in fields and kind in (ZIP64, UNICODE_PATH)):
            raise _wrong("a field of a member is cut off, or stands twice")
        fields[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    if UNICODE_PATH in fields and fields[UNICODE_PATH][5:] != name:
        raise _wrong("a member has two names")
    long = fields.get(ZIP64, b"")
    if len(long) not in (0, 8, 16, 24, 28):
        raise _wrong("a member's long sizes have a length that is none")
    values, place = list(said), 0
    for index, value in enumerate(values):
        if value == FULL32:
            if place + 8 > len(long):
                raise _wrong("a member has no size")
            (values[index],) = struct.unpack_from("<Q", long, place)
            place += 8
    if place != len(long) - (4 if len(long) == 28 else 0):
        raise _wrong("a member has two sizes")
    return values[1], values[0], values[2] if len(values) > 2 else 0


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8") if flags & FLAGS else raw.decode("ascii")
    except UnicodeDecodeError:
        raise _wrong("a name is no text in UTF-8") from None
    parts = name.split("/")
    if not 1 <= len(raw) <= MAX_NAME or any(part in ("", ".", "..") for part in parts) or "\\" in name or ":" in name or any(not letter.isprintable() for letter in name):
        raise _wrong(f"{_said(name)} is no plain relative name")
    return name


def _names(walked: list[Member]) -> None:
    folded = {unicodedata.normalize("NFC", member.name).casefold() for member in walked}
    if len(folded) != len(walked):
        raise _wrong("two members have one name")


def _said(name: str) -> str:
    return repr(name[:60])


def _wrong(why: str, code: str = "wrong-zip") -> SpecError:
    return SpecError(code, f"The zip is refused: {why}.", "Send the file as the program wrote it; the upload may be truncated.")
