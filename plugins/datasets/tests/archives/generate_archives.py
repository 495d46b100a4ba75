"""Writes the zip archives of this folder with Python's zipfile: python generate_archives.py"""

import io
import pathlib
import zipfile


class Stream(io.RawIOBase):
    """A stream that cannot seek, so that zipfile writes sizes and checksums after the contents."""

    def __init__(self):
        self.written = b""

    def writable(self):
        return True

    def write(self, part):
        self.written += bytes(part)
        return len(part)


here = pathlib.Path(__file__).parent
for name, method in [("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED), ("bzip2", zipfile.ZIP_BZIP2)]:
    with zipfile.ZipFile(here / f"{name}.zip", "w", method) as archive:
        archive.writestr("set/", "")
        archive.writestr("set/a", "one " * 100)
        archive.writestr("set/deep/b", "two")
        archive.writestr("other/c", "three")
stream = Stream()
with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, contents in [("set/a", "one " * 100), ("set/deep/b", "two")]:
        with archive.open(name, "w", force_zip64=True) as entry:
            entry.write(contents.encode())
(here / "streamed.zip").write_bytes(stream.written)
