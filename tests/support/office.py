"""LibreOffice without a window: opens a file and saves it in another form, as people do."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = "LibreOffice is needed for this test: install it (Debian: apt-get install libreoffice-calc)."


def save_as(file: Path, form: str, folder: Path, *options: str) -> bytes:
    """Return what LibreOffice makes of a file.

    Parameters
    ----------
    form
        As ``--convert-to`` takes it: ``xlsx``, ``csv:Text - txt - csv (StarCalc):44,34,76``, ``pdf``.
    folder
        For the new file and the profile of this run; not the folder of the file.
    options
        More of LibreOffice's own, such as ``--infilter=CSV:44,34,76``.
    """
    office = shutil.which("soffice")
    assert office, INSTALL
    command = [office, f"-env:UserInstallation=file://{folder}/profile", "--headless", *options]
    command += ["--convert-to", form, "--outdir", str(folder), str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return (folder / f"{file.stem}.{form.partition(':')[0]}").read_bytes()
